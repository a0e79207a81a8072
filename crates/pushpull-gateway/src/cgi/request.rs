//! Converts HTTP requests to meta-variables (RFC 3875, 4.1), and back.

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

/// The value of `SERVER_SOFTWARE`.
pub(crate) const SOFTWARE: &str = concat!("pushpull/", env!("CARGO_PKG_VERSION"));

/// The two ends of a request's connection. A server inserts them into the request's extensions; they set `REMOTE_ADDR`,
/// `REMOTE_PORT`, `SERVER_PORT`, `HTTPS` and `REQUEST_SCHEME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// The client's address. Its port is 0 if a proxy does not name it; `REMOTE_PORT` is empty then.
    pub remote: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
    /// `true` if the client's connection is encrypted, here or as a proxy reports. `HTTPS` is `on` then.
    pub secure: bool,
}

impl Connection {
    /// Creates the two ends of a connection. IPv4 addresses that are mapped to IPv6 (`::ffff:192.0.2.1`) become IPv4
    /// addresses.
    pub fn new(remote: SocketAddr, local: SocketAddr) -> Connection {
        let canonical = |end: SocketAddr| match end.ip().to_canonical() {
            IpAddr::V4(address) => SocketAddr::new(address.into(), end.port()),
            // Keeps the scope.
            IpAddr::V6(_) => end,
        };
        Connection { remote: canonical(remote), local: canonical(local), secure: false }
    }

    /// Sets whether the client's connection is encrypted (default: `false`).
    #[must_use]
    pub fn with_secure(mut self, secure: bool) -> Connection {
        self.secure = secure;
        self
    }
}

/// A mark in the extensions of a request of this crate's servers. They abort a client that reads nothing, which they see
/// on the socket.
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "only a server says so"))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hosted {
    /// `true` if the server has decrypted the request. A Unix socket has no [`Connection`] to say so.
    pub(crate) is_encrypted: bool,
}

/// The identity of a client that the server has authenticated. A server inserts it into the request's extensions; it
/// sets `AUTH_TYPE` and `REMOTE_USER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// The scheme, such as `Basic`.
    pub scheme: String,
    /// The user's name.
    pub user: String,
}

/// Fields without an `HTTP_` variable: they have their own variables, or belong to the connection.
pub(crate) const WITHHELD: [HeaderName; 12] = [
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CONNECTION,
    EXPECT,
    // Credentials for a proxy, and the field that would set `HTTP_PROXY` (httpoxy).
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Returns the meta-variables of a request to an app at the root. The fields determine the body's length.
pub(crate) fn meta_variables(parts: &Parts) -> Result<Environ, Refusal> {
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|value| content_length(value.as_bytes()));
    of_request(parts, &Mount::root(), announced)
}

/// Returns the meta-variables that a request carries in its extensions. If there are none, makes them from the request
/// and completes them by `complete`.
pub(crate) fn environ(
    parts: &Parts,
    body: &SizeHint,
    mount: &Mount,
    complete: impl FnOnce(Environ) -> Environ,
) -> Result<Environ, Refusal> {
    if let Some(env) = parts.extensions.get::<Environ>() {
        return Ok(env.clone());
    }
    // Without these fields there is no body, rather than an empty one.
    let is_announced = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| parts.headers.contains_key(name));
    let length = body.exact().filter(|length| *length > 0 || is_announced);
    of_request(parts, mount, length).map(complete)
}

/// Makes the meta-variables of a request. `length` is the body's length, if there is a body and its length is known.
///
/// # Errors
///
/// Returns 400, 404 or 501 if no program should run for the request.
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
            match connection.remote.port() {
                0 => env.add(b"REMOTE_PORT", b""),
                port => env.add(b"REMOTE_PORT", decimal(port.into(), &mut number)),
            }
        }
        None => {
            env.add(b"REMOTE_ADDR", b"");
            env.add(b"REMOTE_PORT", b"");
        }
    }
    if is_secure(parts) {
        env.add(b"HTTPS", b"on");
        env.add(b"REQUEST_SCHEME", b"https");
    } else {
        env.add(b"REQUEST_SCHEME", b"http");
    }
    if let Some(Authenticated { scheme, user }) = parts.extensions.get() {
        for (name, value) in [("AUTH_TYPE", scheme), ("REMOTE_USER", user)] {
            env.set(name, value).map_err(|_| Refusal::bad_request("the user's name contains a NUL"))?;
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

/// Returns `true` if the client's connection is encrypted.
fn is_secure(parts: &Parts) -> bool {
    parts.extensions.get::<Hosted>().is_some_and(|hosted| hosted.is_encrypted)
        || parts.extensions.get::<Connection>().is_some_and(|connection| connection.secure)
}

/// Checks the transfer codings. Only `chunked` is supported, which the host has decoded (RFC 9112, 6.1).
fn check_codings(fields: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = fields.get_all(TRANSFER_ENCODING).iter();
    let known = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if known && codings.next().is_none() {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "the request's transfer coding is not supported"))
}

/// Checks that a request names its host.
///
/// # Errors
///
/// Returns 400 if the host is missing or invalid.
#[cfg(any(feature = "files", feature = "server"))]
pub(crate) fn check_host(parts: &Parts) -> Result<(), Refusal> {
    server(parts, None).map(drop)
}

/// Returns the server's name and port, and both as the client wrote them.
fn server(parts: &Parts, connection: Option<&Connection>) -> Result<(String, u16, String), Refusal> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::bad_request("the request names its host more than once"));
    }
    let local = connection.map(|connection| connection.local);
    let is_https = is_secure(parts) || parts.uri.scheme_str() == Some("https");
    let default = if is_https { 443 } else { 80 };
    // A host in the URI takes precedence over the field (RFC 9112, 3.2.2). HTTP/2 sends it there.
    let authority = match (parts.uri.authority(), host) {
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => {
            Authority::try_from(host.as_bytes()).map_err(|_| Refusal::bad_request("the request's host is malformed"))?
        }
        // The host is optional before HTTP/1.1 (RFC 9112, 3.2).
        (None, None) if parts.version < Version::HTTP_11 => {
            let name = local.map_or_else(|| "localhost".to_owned(), |local| bracketed(local.ip().to_canonical()));
            return Ok((name.clone(), local.map_or(default, |local| local.port()), name));
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
    let port = local.map(|local| local.port()).or(said).unwrap_or(default);
    Ok((authority.host().to_owned(), port, text.to_owned()))
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V6(address) => format!("[{address}]"),
        IpAddr::V4(address) => address.to_string(),
    }
}

/// Returns an address as text. An IPv4 address that is mapped to IPv6 becomes an IPv4 address.
fn address(address: IpAddr) -> String {
    address.to_canonical().to_string()
}

/// Formats a number without allocating.
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

/// Adds one `HTTP_` variable for each field name. Skips names whose variable another name could have too (RFC 3875,
/// 4.1.18).
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

/// Makes the request that the meta-variables describe, and inserts them into its extensions.
///
/// # Errors
///
/// Returns `InvalidInput` if they do not describe a request.
pub(crate) fn of_meta_variables<B>(env: &Environ, body: B) -> io::Result<Request<B>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{what} is invalid"));
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
        // A value that no field can hold is only in the meta-variables.
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        fields.try_append(name, value).map_err(|_| {
            Refusal::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "the request's fields have too many different names",
            )
        })?;
    }
    request.extensions_mut().insert(env.clone());
    Ok(request)
}

fn field_name(variable: &[u8]) -> Option<HeaderName> {
    let name: Vec<u8> = variable.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
    HeaderName::from_bytes(&name).ok()
}

/// Completes the meta-variables that a front server sent. If they have no path, it is taken from `REQUEST_URI`, decoded
/// and checked as over HTTP: nginx's stock `scgi_params` has neither `SCRIPT_NAME` nor `PATH_INFO`.
///
/// # Errors
///
/// Returns 400 if `REQUEST_URI` has no valid path.
pub(crate) fn complete(env: &mut Environ) -> Result<(), Refusal> {
    let bad_request = |error: InvalidVariable| Refusal::bad_request(&error.to_string());
    if let Some(remote) = env.get_str("REMOTE_ADDR").and_then(|text| text.parse::<IpAddr>().ok())
        && remote.to_canonical() != remote
    {
        env.set("REMOTE_ADDR", address(remote)).map_err(bad_request)?;
    }
    if env.get("SCRIPT_NAME").is_some() || env.get("PATH_INFO").is_some() {
        return Ok(());
    }
    let Some(raw) = env.get("REQUEST_URI").filter(|raw| !raw.is_empty()) else { return Ok(()) };
    if raw.contains(&b'#') {
        return Err(Refusal::bad_request("the target contains a fragment"));
    }
    let (path, query) = match raw.iter().position(|byte| *byte == b'?') {
        Some(at) => (&raw[..at], &raw[at + 1..]),
        None => (raw, &b""[..]),
    };
    let path = match Uri::try_from(path) {
        // The target names its host.
        Ok(uri) if uri.scheme().is_some() => decode(uri.path().as_bytes())?,
        _ => decode(path)?,
    };
    let query = query.to_vec();
    env.set("PATH_INFO", path).map_err(bad_request)?;
    if env.get("QUERY_STRING").is_none() {
        env.set("QUERY_STRING", query).map_err(bad_request)?;
    }
    Ok(())
}

/// Returns the target of the request, if there is one. Percent-encodes what a URI cannot contain.
pub(crate) fn uri(env: &Environ) -> Option<Uri> {
    if let Some(raw) = env.get("REQUEST_URI").filter(|raw| !raw.is_empty()) {
        // `Uri` drops what follows a `#`.
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
    fn too_many_field_names_are_a_431() {
        let mut env = Environ::new();
        for name in 0..25_000 {
            env.add(format!("HTTP_{name}").as_bytes(), b"");
        }
        let error = of_meta_variables(&env, ()).unwrap_err();
        assert_eq!(Refusal::of_failure(&error).status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
}
