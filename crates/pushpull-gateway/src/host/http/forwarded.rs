//! What trusted proxies report about the client of a request: `X-Forwarded-*`, or `Forwarded` (RFC 7239).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::Request;
use http::header::{FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme, Uri};

use crate::cgi::request::Connection;
use crate::host::{ProxyFields, TrustedProxies};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const NAME: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The name of a field with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed(HeaderName);

/// What is known of a client: an absent part was not reported.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reported {
    client: Option<SocketAddr>,
    is_secure: Option<bool>,
    host: Option<Authority>,
}

/// Applies what a trusted peer reports: names the reported host in the request, and returns the ends of the client's
/// connection. `ends` are those of the peer's, or `None` on a Unix socket. From other peers, changes nothing.
///
/// # Errors
///
/// Returns an error, and changes nothing, if a field is invalid.
pub(super) fn apply<B>(
    request: &mut Request<B>,
    ends: Option<Connection>,
    proxies: &TrustedProxies,
) -> Result<Option<Connection>, Malformed> {
    if !proxies.trusts(ends.map(|ends| ends.remote.ip())) {
        return Ok(ends);
    }
    let trusts = |address: IpAddr| proxies.trusts(Some(address));
    let Reported { client, is_secure, host } = match proxies.get_fields() {
        ProxyFields::XForwarded => x_forwarded(request.headers(), trusts)?,
        ProxyFields::Forwarded => forwarded(request.headers(), trusts)?,
    };
    let is_addressed = host.is_some() || is_secure.is_some();
    if let Some(host) = host {
        set_host(request, host).map_err(|()| Malformed(NAME))?;
    }
    if is_secure == Some(true) {
        set_scheme(request);
    }
    let Some(remote) = client.or(ends.map(|ends| ends.remote)) else { return Ok(None) };
    let is_secure = is_secure.unwrap_or(ends.is_some_and(|ends| ends.secure));
    let mut local = ends.map_or(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), |ends| ends.local);
    if is_addressed || local.port() == 0 {
        local.set_port(named_port(request).unwrap_or(if is_secure { 443 } else { 80 }));
    }
    Ok(Some(Connection::new(remote, local).with_secure(is_secure)))
}

/// Returns the port that the request's host has.
fn named_port<B>(request: &Request<B>) -> Option<u16> {
    let field = || request.headers().get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    request.uri().authority().cloned().or_else(field)?.port_u16()
}

fn set_host<B>(request: &mut Request<B>, host: Authority) -> Result<(), ()> {
    let value = HeaderValue::from_str(host.as_str()).map_err(drop)?;
    if request.uri().authority().is_some() {
        change_uri(request, |parts| parts.authority = Some(host))?;
    }
    request.headers_mut().insert(HOST, value);
    Ok(())
}

fn set_scheme<B>(request: &mut Request<B>) {
    if request.uri().scheme().is_some() {
        // Only the scheme changes, so the result is valid.
        let _ = change_uri(request, |parts| parts.scheme = Some(Scheme::HTTPS));
    }
}

fn change_uri<B>(request: &mut Request<B>, change: impl FnOnce(&mut http::uri::Parts)) -> Result<(), ()> {
    let mut parts = request.uri().clone().into_parts();
    change(&mut parts);
    *request.uri_mut() = Uri::from_parts(parts).map_err(drop)?;
    Ok(())
}

/// Returns the elements of a list, the last one first. A list may extend over several fields.
fn elements(fields: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let values: Vec<_> = fields.get_all(name).iter().collect();
    let parts = values.into_iter().rev().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    parts.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

fn x_forwarded(fields: &HeaderMap, trusts: impl Fn(IpAddr) -> bool) -> Result<Reported, Malformed> {
    let nodes = elements(fields, FOR).map(|element| node(element).ok_or(Malformed(FOR)));
    let (client, hops) = walk(nodes, trusts)?;
    // Each proxy appends one element to each list, or the first of them sets the only one.
    let of_client = |name| elements(fields, name).take(hops.max(1)).last();
    let is_secure = of_client(PROTO).map(|text| scheme(text).ok_or(Malformed(PROTO))).transpose()?;
    let host = of_client(NAME).map(|text| authority(text).ok_or(Malformed(NAME))).transpose()?;
    Ok(Reported { client, is_secure, host })
}

fn forwarded(fields: &HeaderMap, trusts: impl Fn(IpAddr) -> bool) -> Result<Reported, Malformed> {
    let mut reported = Reported::default();
    let elements = elements(fields, FORWARDED).map(|element| {
        let (node, is_secure, host) = pairs(element).ok_or(Malformed(FORWARDED))?;
        (reported.is_secure, reported.host) = (is_secure, host);
        Ok(node)
    });
    let (client, _) = walk(elements, trusts)?;
    Ok(Reported { client, ..reported })
}

/// The address that an element names.
enum Node {
    Known(SocketAddr),
    /// The proxy does not say, or hides it.
    Hidden,
}

/// Follows the proxies from the last to the first. Returns the client's address, and the number of elements that trusted
/// proxies have added. If a proxy hides an address, the proxy itself counts as the client.
fn walk(
    nodes: impl Iterator<Item = Result<Node, Malformed>>,
    trusts: impl Fn(IpAddr) -> bool,
) -> Result<(Option<SocketAddr>, usize), Malformed> {
    let (mut client, mut hops) = (None, 0);
    for node in nodes {
        hops += 1;
        let Node::Known(address) = node? else { break };
        client = Some(address);
        if !trusts(address.ip()) {
            break;
        }
    }
    Ok((client, hops))
}

/// Parses an address, possibly with a port. A port of 0 means that it is not known.
fn node(text: &[u8]) -> Option<Node> {
    let text = std::str::from_utf8(text).ok()?;
    if text.eq_ignore_ascii_case("unknown") || text.starts_with('_') {
        return Some(Node::Hidden);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Node::Known(SocketAddr::new(address, 0)));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let address = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => IpAddr::V6(host.parse().ok()?),
        None => IpAddr::V4(host.parse().ok()?),
    };
    let port = match port {
        None => 0,
        Some(hidden) if hidden.starts_with('_') => 0,
        Some(port) => port.parse().ok()?,
    };
    Some(Node::Known(SocketAddr::new(address, port)))
}

/// Returns `true` for the schemes of encrypted connections.
fn scheme(text: &[u8]) -> Option<bool> {
    let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
    match () {
        () if is("https") || is("wss") => Some(true),
        () if is("http") || is("ws") => Some(false),
        () => None,
    }
}

fn authority(text: &[u8]) -> Option<Authority> {
    let authority = Authority::try_from(text).ok()?;
    let rest = authority.as_str().strip_prefix(authority.host())?;
    let has_port = rest.is_empty() || authority.port_u16().is_some();
    (!authority.host().is_empty() && has_port).then_some(authority)
}

/// Parses an element of `Forwarded`: pairs of a name and a token or quoted string (RFC 7239, 4). A comma within a quoted
/// string makes it invalid, because no value that is used here may contain one.
fn pairs(element: &[u8]) -> Option<(Node, Option<bool>, Option<Authority>)> {
    let (mut address, mut is_secure, mut host) = (None, None, None);
    let mut rest = element;
    loop {
        // A pair may be missing.
        rest = rest.trim_ascii_start();
        match rest {
            [] => return Some((address.unwrap_or(Node::Hidden), is_secure, host)),
            [b';', after @ ..] => {
                rest = after;
                continue;
            }
            _ => {}
        }
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let name = rest[..equals].trim_ascii();
        let (value, after) = value(&rest[equals + 1..])?;
        let is_first = match () {
            () if name.eq_ignore_ascii_case(b"for") => address.replace(node(&value)?).is_none(),
            () if name.eq_ignore_ascii_case(b"proto") => is_secure.replace(scheme(&value)?).is_none(),
            () if name.eq_ignore_ascii_case(b"host") => host.replace(authority(&value)?).is_none(),
            () => !name.is_empty() && name.iter().all(|byte| is_token(*byte)),
        };
        match after.trim_ascii_start() {
            after @ ([] | [b';', ..]) if is_first => rest = after,
            _ => return None,
        }
    }
}

/// Returns the value at the beginning of `text`, and what follows it.
fn value(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let [b'"', quoted @ ..] = text else {
        let length = text.iter().take_while(|byte| is_token(**byte)).count();
        return (length > 0).then(|| (text[..length].to_vec(), &text[length..]));
    };
    let (mut value, mut bytes) = (Vec::new(), quoted.iter().enumerate());
    loop {
        match bytes.next()? {
            (at, b'"') => return Some((value, &quoted[at + 1..])),
            (_, b'\\') => value.push(*bytes.next()?.1),
            (_, byte) => value.push(*byte),
        }
    }
}

/// Returns `true` for the bytes of a token (RFC 9110, 5.6.2). Some proxies send addresses with a colon unquoted.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:[]".contains(&byte)
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the field {} of a proxy is invalid and was ignored", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&'static str, &str)]) -> Request<()> {
        let mut request = Request::new(());
        for (name, value) in fields {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request
    }

    fn proxies(fields: ProxyFields) -> TrustedProxies {
        TrustedProxies::new().network("10.0.0.0/8").unwrap().network("2001:db8::/32").unwrap().fields(fields)
    }

    /// Returns the client, the port, whether it is secure, and the host, of a request from 10.0.0.1:1 to port 8080.
    fn seen(fields: ProxyFields, sent: &[(&'static str, &str)]) -> Result<String, Malformed> {
        let mut request = request(&[&[("host", "own:8080")], sent].concat());
        let ends = Connection::new("10.0.0.1:1".parse().unwrap(), "10.0.0.2:8080".parse().unwrap());
        let Connection { remote, local, secure, .. } = apply(&mut request, Some(ends), &proxies(fields))?.unwrap();
        let host = request.headers()["host"].to_str().unwrap();
        Ok(format!("{remote} {} {secure} {host}", local.port()))
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxy() {
        for (sent, expected) in [
            ("192.0.2.1", "192.0.2.1:0"),
            ("198.51.100.9, 192.0.2.1", "192.0.2.1:0"),
            ("198.51.100.9, 192.0.2.1, 10.0.0.9,10.1.1.1", "192.0.2.1:0"),
            ("garbage, 192.0.2.1", "192.0.2.1:0"),
            ("10.0.0.7, 10.0.0.8", "10.0.0.7:0"),
            ("192.0.2.1:77", "192.0.2.1:77"),
            ("2001:db9::1", "[2001:db9::1]:0"),
            ("[2001:db9::1]:80, 2001:db8::5", "[2001:db9::1]:80"),
            ("::ffff:192.0.2.1", "192.0.2.1:0"),
            ("192.0.2.1, unknown", "10.0.0.1:1"),
            ("192.0.2.1, _hidden, 10.0.0.4", "10.0.0.4:0"),
            (", ,", "10.0.0.1:1"),
        ] {
            let expected = format!("{expected} 8080 false own:8080");
            assert_eq!(seen(ProxyFields::XForwarded, &[("x-forwarded-for", sent)]), Ok(expected), "{sent}");
        }
        // Several fields are one list.
        let fields = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2, 10.0.0.3")];
        assert_eq!(seen(ProxyFields::XForwarded, &fields), Ok("192.0.2.2:0 8080 false own:8080".into()));
    }

    #[test]
    fn scheme_and_host_are_those_of_the_clients_connection() {
        let both = |addresses, proto, host| {
            let fields = [("x-forwarded-for", addresses), ("x-forwarded-proto", proto), ("x-forwarded-host", host)];
            seen(ProxyFields::XForwarded, &fields).unwrap()
        };
        assert_eq!(both("192.0.2.1", "https", "a.example"), "192.0.2.1:0 443 true a.example");
        assert_eq!(both("192.0.2.1", "HTTP", "a.example:81"), "192.0.2.1:0 81 false a.example:81");
        // The client's own values come first in each list; those of inner connections come last.
        assert_eq!(both("bad, 192.0.2.1", "ftp, https", "bad/, a"), "192.0.2.1:0 443 true a");
        assert_eq!(both("192.0.2.1, 10.0.0.3", "https, http", "a, b"), "192.0.2.1:0 443 true a");
        assert_eq!(both("192.0.2.1, 10.0.0.3", "https", "a"), "192.0.2.1:0 443 true a");
        assert_eq!(
            seen(ProxyFields::XForwarded, &[("x-forwarded-proto", "https")]),
            Ok("10.0.0.1:1 8080 true own:8080".into())
        );
    }

    #[test]
    fn forwarded_is_read_by_the_grammar_of_rfc_7239() {
        for (sent, expected) in [
            ("for=192.0.2.1", "192.0.2.1:0 8080 false own:8080"),
            ("For=\"192.0.2.1:77\"; Proto=https ;host=\"a.example:8443\"", "192.0.2.1:77 8443 true a.example:8443"),
            ("for=\"[2001:db9::1]:_p\";by=_x;secret=\"a;b\\\"=\"", "[2001:db9::1]:0 8080 false own:8080"),
            ("for=192.0.2.1;proto=https;host=a, for=10.0.0.4;proto=http;host=b", "192.0.2.1:0 443 true a"),
            ("for=x;;\", for=192.0.2.1;proto=https", "192.0.2.1:0 8080 true own:8080"),
            ("for=192.0.2.1, proto=https;by=10.0.0.1", "10.0.0.1:1 8080 true own:8080"),
            (";for=192.0.2.1;; ", "192.0.2.1:0 8080 false own:8080"),
            ("for=unknown;host=a", "10.0.0.1:1 80 false a"),
        ] {
            assert_eq!(seen(ProxyFields::Forwarded, &[("forwarded", sent)]), Ok(expected.into()), "{sent}");
        }
        for bad in [
            "for",
            "for=",
            "for=1.2.3",
            "for=192.0.2.1;for=192.0.2.2",
            "for=\"192.0.2.1",
            "for=192.0.2.1 proto=http",
            "proto=gopher",
            "host=\"a/b\"",
            "host=\"a@b:x\"",
            "for=192.0.2.1;=x",
            "for=[::1",
            "for=192.0.2.1:99999",
        ] {
            assert_eq!(seen(ProxyFields::Forwarded, &[("forwarded", bad)]), Err(Malformed(FORWARDED)), "{bad}");
        }
    }

    #[test]
    fn only_the_chosen_kind_counts_and_only_from_trusted_peers() {
        let sent = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2")];
        assert_eq!(seen(ProxyFields::XForwarded, &sent).unwrap(), "192.0.2.1:0 8080 false own:8080");
        assert_eq!(seen(ProxyFields::Forwarded, &sent).unwrap(), "192.0.2.2:0 8080 false own:8080");
        let (mut request, trusted) = (request(&sent), proxies(ProxyFields::XForwarded));
        let other = Connection::new("11.0.0.1:1".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
        assert_eq!(apply(&mut request, Some(other), &trusted), Ok(Some(other)));
        assert_eq!(apply(&mut request, None, &trusted), Ok(None));
        let known = apply(&mut request, None, &trusted.unix(true)).unwrap().unwrap();
        assert_eq!((known.remote.to_string(), known.local.to_string()), ("192.0.2.1:0".into(), "0.0.0.0:80".into()));
    }

    #[test]
    fn requirement_24_an_invalid_field_changes_nothing() {
        for (name, value) in [
            ("x-forwarded-for", "localhost"),
            ("x-forwarded-for", "192.0.2.1:x"),
            ("x-forwarded-for", "192.0.2.1, 10.0.0.300"),
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-host", "a b"),
            ("x-forwarded-host", "a:b"),
        ] {
            let fields = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-host", "good"), (name, value)];
            let mut request = request(&fields);
            let ends = Connection::new("10.0.0.1:1".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
            let applied = apply(&mut request, Some(ends), &proxies(ProxyFields::XForwarded));
            assert_eq!(applied, Err(Malformed(HeaderName::from_static(name))), "{value}");
            assert!(!request.headers().contains_key("host"));
        }
    }

    #[test]
    fn a_host_in_the_target_is_replaced_too() {
        let mut request = request(&[("x-forwarded-host", "a.example"), ("x-forwarded-proto", "https")]);
        *request.uri_mut() = Uri::from_static("http://own:8080/path?query");
        let ends = Connection::new("10.0.0.1:1".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
        apply(&mut request, Some(ends), &proxies(ProxyFields::XForwarded)).unwrap();
        assert_eq!(request.uri(), "https://a.example/path?query");
    }
}
