//! An HTTP request as meta-variables (RFC 3875, 4.1), and meta-variables as an HTTP request.

use std::io;
use std::net::{IpAddr, SocketAddr};

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::{Authority, Uri};
use http::{Method, Request, StatusCode, Version};
use http_body::SizeHint;

use super::environ::Environ;
use super::environ::{InvalidVariable, VERSION};
use super::head::content_length;
use super::path::Mount;
use super::path::{decode, encode, encode_target};
use super::refusal::Refusal;

/// What the server is, as `SERVER_SOFTWARE` says it.
pub(crate) const SOFTWARE: &str = concat!("pushpull/", env!("CARGO_PKG_VERSION"));

/// The two ends of the connection that a request came by: put it into the request's extensions, so that programs are
/// told (`REMOTE_ADDR`, `REMOTE_PORT`, `SERVER_PORT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// The client's address.
    pub remote: SocketAddr,
    /// The address that it connected to.
    pub local: SocketAddr,
}

impl Connection {
    /// Creates the two ends of a connection. An address of IPv4 that came by IPv6 (`::ffff:192.0.2.1`) becomes what it is.
    pub fn new(remote: SocketAddr, local: SocketAddr) -> Connection {
        let canonical = |end: SocketAddr| match end.ip().to_canonical() {
            IpAddr::V4(address) => SocketAddr::new(address.into(), end.port()),
            // With its scope.
            IpAddr::V6(_) => end,
        };
        Connection { remote: canonical(remote), local: canonical(local) }
    }
}

/// In the extensions of a request: its server cuts a client that takes nothing, as it sees on the socket.
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "only a server says so"))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientWatched;

/// Who the client is, if the server has made sure of it: put it into the request's extensions (`AUTH_TYPE`,
/// `REMOTE_USER`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// The scheme, such as `Basic`.
    pub scheme: String,
    /// The name of the user.
    pub user: String,
}

/// Fields that no `HTTP_` variable stands for: they have variables of their own, or belong to the connection.
pub(crate) const WITHHELD: [HeaderName; 12] = [
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CONNECTION,
    EXPECT,
    // The next two are what a client tells a proxy.
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The meta-variables of a request to an app at the root, with the body that its fields announce.
pub(crate) fn meta_variables(parts: &Parts) -> Result<Environ, Refusal> {
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|value| content_length(value.as_bytes()));
    of_request(parts, &Mount::root(), announced)
}

/// The meta-variables of a request: those that it brings, or else made from it and what is known of its body, and then
/// completed by what the server knows.
pub(crate) fn environ(
    parts: &Parts,
    body: &SizeHint,
    mount: &Mount,
    complete: impl FnOnce(Environ) -> Environ,
) -> Result<Environ, Refusal> {
    if let Some(env) = parts.extensions.get::<Environ>() {
        return Ok(env.clone());
    }
    // Without either there is no body, and not one without a byte.
    let is_announced = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| parts.headers.contains_key(name));
    let length = body.exact().filter(|length| *length > 0 || is_announced);
    of_request(parts, mount, length).map(complete)
}

/// The meta-variables of a request, whose body is `length` bytes long if there is one and that is known.
///
/// # Errors
///
/// 400, 404 or 501: why no program should be run for it.
fn of_request(parts: &Parts, mount: &Mount, length: Option<u64>) -> Result<Environ, Refusal> {
    check_codings(&parts.headers)?;
    let connection = parts.extensions.get::<Connection>();
    let (name, port, host) = server(parts, connection)?;
    let path = decode(parts.uri.path().as_bytes())?;
    let Some(below) = mount.below(&path) else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "there is nothing here"));
    };
    let mut env = Environ::new();
    let mut number = [0; 20];
    env.add(b"GATEWAY_INTERFACE", b"CGI/1.1");
    debug_assert_eq!(VERSION, (1, 1));
    env.add(b"SERVER_SOFTWARE", SOFTWARE.as_bytes());
    env.add(b"SERVER_PROTOCOL", protocol(parts.version).as_bytes());
    env.add(b"SERVER_NAME", name.as_bytes());
    env.add(b"SERVER_PORT", decimal(port.into(), &mut number));
    env.add(b"REQUEST_METHOD", parts.method.as_str().as_bytes());
    env.add(b"REQUEST_URI", parts.uri.path_and_query().map_or("/", |raw| raw.as_str()).as_bytes());
    env.add(b"SCRIPT_NAME", mount.prefix().as_bytes());
    env.add(b"PATH_INFO", below);
    env.add(b"QUERY_STRING", parts.uri.query().unwrap_or_default().as_bytes());
    match connection {
        Some(connection) => {
            env.add(b"REMOTE_ADDR", address(connection.remote.ip()).as_bytes());
            env.add(b"REMOTE_PORT", decimal(connection.remote.port().into(), &mut number));
        }
        None => {
            env.add(b"REMOTE_ADDR", b"");
            env.add(b"REMOTE_PORT", b"");
        }
    }
    if let Some(Authenticated { scheme, user }) = parts.extensions.get() {
        for (name, value) in [("AUTH_TYPE", scheme), ("REMOTE_USER", user)] {
            env.set(name, value).map_err(|_| Refusal::bad_request("the name of the user holds a NUL"))?;
        }
    }
    if let Some(length) = length {
        env.add(b"CONTENT_LENGTH", decimal(length, &mut number));
    }
    if let Some(value) = parts.headers.get(CONTENT_TYPE) {
        env.add(b"CONTENT_TYPE", value.as_bytes());
    }
    env.add(b"HTTP_HOST", host.as_bytes());
    add_fields(&mut env, &parts.headers, mount);
    Ok(env)
}

/// Only `chunked` is understood, and the host has undone it (RFC 9112, 6.1).
fn check_codings(fields: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = fields.get_all(TRANSFER_ENCODING).iter();
    let known = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if known && codings.next().is_none() {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "the request has a transfer coding that is not known here"))
}

/// Makes sure that a request says which host it is for.
///
/// # Errors
///
/// 400 if a program would get none.
#[cfg(feature = "server")]
pub(crate) fn check_host(parts: &Parts) -> Result<(), Refusal> {
    server(parts, None).map(drop)
}

/// The server's name, its port, and what the client calls both.
fn server(parts: &Parts, connection: Option<&Connection>) -> Result<(String, u16, String), Refusal> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::bad_request("the request names its host more than once"));
    }
    let local = connection.map(|connection| connection.local);
    // A URI that names a host comes before the field (RFC 9112, 3.2.2); HTTP/2 has it there.
    let authority = match (parts.uri.authority(), host) {
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => {
            Authority::try_from(host.as_bytes()).map_err(|_| Refusal::bad_request("the request's host is malformed"))?
        }
        // Older clients need not say (RFC 9112, 3.2).
        (None, None) if parts.version < Version::HTTP_11 => {
            let name = local.map_or_else(|| "localhost".to_owned(), |local| bracketed(local.ip().to_canonical()));
            return Ok((name.clone(), local.map_or(80, |local| local.port()), name));
        }
        (None, None) => return Err(Refusal::bad_request("the request names no host")),
    };
    let text = authority.as_str();
    let port = text.strip_prefix(authority.host());
    let said = match port {
        Some("" | ":") => None,
        Some(port) => Some(
            port.strip_prefix(':')
                .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
                .and_then(|digits| digits.parse::<u16>().ok())
                .ok_or_else(|| Refusal::bad_request("the request's host has a malformed port"))?,
        ),
        None => return Err(Refusal::bad_request("the request's host is malformed")),
    };
    if authority.host().is_empty() {
        return Err(Refusal::bad_request("the request's host is empty"));
    }
    let default = if parts.uri.scheme_str() == Some("https") { 443 } else { 80 };
    let port = local.map(|local| local.port()).or(said).unwrap_or(default);
    Ok((authority.host().to_owned(), port, text.to_owned()))
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V6(address) => format!("[{address}]"),
        IpAddr::V4(address) => address.to_string(),
    }
}

/// An address as text; one of IPv4 that came by IPv6 as what it is.
fn address(address: IpAddr) -> String {
    address.to_canonical().to_string()
}

/// A number as text, without asking for memory.
fn decimal(mut number: u64, into: &mut [u8; 20]) -> &[u8] {
    let mut start = into.len();
    loop {
        start -= 1;
        into[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &into[start..];
        }
    }
}

/// One `HTTP_` variable for each name. Names whose variable another name could have too are passed over (RFC 3875, 4.1.18).
fn add_fields(env: &mut Environ, fields: &HeaderMap, mount: &Mount) {
    let (mut name, mut joined) = (Vec::new(), Vec::new());
    for field in fields.keys() {
        let text = field.as_str().as_bytes();
        let plain = text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        let withheld =
            WITHHELD.contains(field) || field == HOST || (field == AUTHORIZATION && !mount.passes_authorization());
        if !plain || withheld {
            continue;
        }
        name.clear();
        name.extend_from_slice(b"HTTP_");
        name.extend(text.iter().map(|byte| if *byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }));
        let separator: &[u8] = if field == COOKIE { b"; " } else { b", " };
        joined.clear();
        for (index, value) in fields.get_all(field).iter().enumerate() {
            if index > 0 {
                joined.extend_from_slice(separator);
            }
            joined.extend_from_slice(value.as_bytes());
        }
        env.add(&name, &joined);
    }
}

/// The request that the meta-variables describe, with themselves in its extensions.
///
/// # Errors
///
/// `InvalidInput` when they describe none.
pub(crate) fn of_meta_variables<B>(env: &Environ, body: B) -> io::Result<Request<B>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{what} is not that of a request"));
    let mut request = Request::new(body);
    *request.method_mut() = match env.get("REQUEST_METHOD") {
        Some(method) => Method::from_bytes(method).map_err(|_| invalid("REQUEST_METHOD"))?,
        None => Method::GET,
    };
    *request.uri_mut() = uri(env).ok_or_else(|| invalid("REQUEST_URI"))?;
    *request.version_mut() = version(env.get("SERVER_PROTOCOL").unwrap_or_default());
    let fields = request.headers_mut();
    for (variable, value) in env.iter() {
        let name = match variable {
            b"CONTENT_TYPE" | b"CONTENT_LENGTH" if value.is_empty() => continue,
            b"CONTENT_TYPE" => CONTENT_TYPE,
            b"CONTENT_LENGTH" => CONTENT_LENGTH,
            _ => match variable.strip_prefix(b"HTTP_").and_then(field_name) {
                Some(name) => name,
                None => continue,
            },
        };
        // A value that no field can hold is among the meta-variables alone.
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        fields.try_append(name, value).map_err(|_| {
            Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request has fields of too many names")
        })?;
    }
    request.extensions_mut().insert(env.clone());
    Ok(request)
}

fn field_name(variable: &[u8]) -> Option<HeaderName> {
    let name: Vec<u8> = variable.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
    HeaderName::from_bytes(&name).ok()
}

/// Completes the meta-variables that another server has sent. If it sent no path, the path is that of `REQUEST_URI`, decoded
/// and checked as over HTTP: nginx's own `scgi_params` has neither `SCRIPT_NAME` nor `PATH_INFO`.
///
/// # Errors
///
/// 400 if that is no path.
pub(crate) fn complete(env: &mut Environ) -> Result<(), Refusal> {
    let told = |error: InvalidVariable| Refusal::bad_request(&error.to_string());
    if let Some(remote) = env.get_str("REMOTE_ADDR").and_then(|text| text.parse::<IpAddr>().ok())
        && remote.to_canonical() != remote
    {
        env.set("REMOTE_ADDR", address(remote)).map_err(told)?;
    }
    if env.get("SCRIPT_NAME").is_some() || env.get("PATH_INFO").is_some() {
        return Ok(());
    }
    let Some(raw) = env.get("REQUEST_URI").filter(|raw| !raw.is_empty()) else { return Ok(()) };
    if raw.contains(&b'#') {
        return Err(Refusal::bad_request("the target holds a fragment"));
    }
    let (path, query) = match raw.iter().position(|byte| *byte == b'?') {
        Some(at) => (&raw[..at], &raw[at + 1..]),
        None => (raw, &b""[..]),
    };
    let path = match Uri::try_from(path) {
        // A target that names its host.
        Ok(uri) if uri.scheme().is_some() => decode(uri.path().as_bytes())?,
        _ => decode(path)?,
    };
    let query = query.to_vec();
    env.set("PATH_INFO", path).map_err(told)?;
    if env.get("QUERY_STRING").is_none() {
        env.set("QUERY_STRING", query).map_err(told)?;
    }
    Ok(())
}

/// The target of the request, unless there is none. What no URI can hold of it is percent-encoded.
pub(crate) fn uri(env: &Environ) -> Option<Uri> {
    if let Some(raw) = env.get("REQUEST_URI").filter(|raw| !raw.is_empty()) {
        // Of what follows a `#` a URI would keep nothing.
        let plain = if raw.contains(&b'#') { None } else { Uri::try_from(raw).ok() };
        if let Some(uri) = plain.or_else(|| Uri::try_from(encode_target(raw)).ok()) {
            return Some(uri);
        }
    }
    let mut text = encode(env.get("SCRIPT_NAME").unwrap_or_default());
    text.push_str(&encode(env.get("PATH_INFO").unwrap_or_default()));
    if text.is_empty() {
        text.push('/');
    }
    if let Some(query) = env.get("QUERY_STRING").filter(|query| !query.is_empty()) {
        text.push('?');
        text.push_str(&encode_target(query));
    }
    Uri::try_from(text).ok()
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

pub(crate) fn version(protocol: &[u8]) -> Version {
    match protocol {
        b"HTTP/0.9" => Version::HTTP_09,
        b"HTTP/1.0" => Version::HTTP_10,
        b"HTTP/2" | b"HTTP/2.0" => Version::HTTP_2,
        b"HTTP/3" | b"HTTP/3.0" => Version::HTTP_3,
        _ => Version::HTTP_11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_names_than_fields_can_have_are_a_431() {
        let mut env = Environ::new();
        for name in 0..25_000 {
            env.add(format!("HTTP_{name}").as_bytes(), b"");
        }
        let error = of_meta_variables(&env, ()).unwrap_err();
        assert_eq!(Refusal::of_failure(&error).status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
}
