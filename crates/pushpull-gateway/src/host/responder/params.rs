//! The parameters of a front server: which of them pass, and the request made of them. Parameters must not determine
//! how a program is run (requirement 23 of this project).

use std::collections::HashSet;
use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::{Method, Request, StatusCode, Uri};

use crate::cgi::environ::Environ;
use crate::cgi::error_stream::ErrorStream;
use crate::cgi::head::content_length;
use crate::cgi::path::{Mount, check};
use crate::cgi::refusal::Refusal;
use crate::cgi::request::{Connection, Hosted, SOFTWARE, WITHHELD, complete, of_meta_variables, uri, version};

/// The names of RFC 3875 (4.1), and four that servers add.
const NAMES: [&[u8]; 21] = [
    b"AUTH_TYPE",
    b"CONTENT_LENGTH",
    b"CONTENT_TYPE",
    b"GATEWAY_INTERFACE",
    b"PATH_INFO",
    b"PATH_TRANSLATED",
    b"QUERY_STRING",
    b"REMOTE_ADDR",
    b"REMOTE_HOST",
    b"REMOTE_IDENT",
    b"REMOTE_USER",
    b"REQUEST_METHOD",
    b"SCRIPT_NAME",
    b"SERVER_NAME",
    b"SERVER_PORT",
    b"SERVER_PROTOCOL",
    b"SERVER_SOFTWARE",
    // The additions:
    b"HTTPS",
    b"REMOTE_PORT",
    b"REQUEST_SCHEME",
    b"REQUEST_URI",
];

/// The maximum number of variables of a request.
const MAX_VARIABLES: usize = 1000;

/// The settings of which parameters reach an application.
#[derive(Debug, Clone, Default)]
pub(in crate::host) struct Accept {
    names: Arc<HashSet<Vec<u8>>>,
    mount: Option<Mount>,
}

impl Accept {
    /// Adds a name.
    pub(in crate::host) fn add(&mut self, name: &str) {
        Arc::make_mut(&mut self.names).insert(name.into());
    }

    /// Sets the mount that splits the path instead of the front server.
    pub(in crate::host) fn mount(&mut self, mount: Mount) {
        self.mount = Some(mount);
    }

    fn passes(&self, name: &[u8]) -> bool {
        match name.strip_prefix(b"HTTP_") {
            Some(field) if field.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') => {
                !is_withheld(field)
            }
            _ => NAMES.contains(&name) || self.names.contains(name),
        }
    }
}

/// Returns `true` if a field belongs to the front server's own connection, or has a variable of its own.
fn is_withheld(field: &[u8]) -> bool {
    let is_same = |name: &str| {
        let plain = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() };
        name.len() == field.len() && name.bytes().zip(field).all(|(byte, other)| plain(byte) == *other)
    };
    WITHHELD.iter().any(|name| is_same(name.as_str()))
}

/// The parameters of one request, as they arrive.
#[derive(Debug, Default)]
pub(in crate::host) struct Params {
    env: Environ,
    count: usize,
}

impl Params {
    /// Adds a parameter, unless it is withheld. If a field is repeated, its values are joined; if another variable is
    /// repeated, the last value counts.
    pub(in crate::host) fn add(&mut self, name: &[u8], value: &[u8], accept: &Accept) -> Result<(), Refusal> {
        if !accept.passes(name) || (value.is_empty() && matches!(name, b"CONTENT_LENGTH" | b"CONTENT_TYPE")) {
            return Ok(());
        }
        self.count += 1;
        if self.count > MAX_VARIABLES {
            let reason = format!("the request has more than {MAX_VARIABLES} parameters");
            return Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason));
        }
        // No server accepts a field that contains a line end.
        if name.starts_with(b"HTTP_") && value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(Refusal::bad_request("a field holds the end of a line"));
        }
        let is_good = match self.env.get(name).filter(|_| name.starts_with(b"HTTP_")) {
            Some(first) => {
                let separator: &[u8] = if name == b"HTTP_COOKIE" { b"; " } else { b", " };
                let joined = [first, separator, value].concat();
                self.env.set(name, joined)
            }
            None => self.env.set(name, value),
        };
        is_good.map_err(|error| Refusal::bad_request(&error.to_string()))
    }

    /// Returns the declared length of the body.
    pub(in crate::host) fn length(&self) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.env.get("CONTENT_LENGTH") else { return Ok(None) };
        content_length(text).map(Some).ok_or_else(|| Refusal::bad_request("the content length is not a number"))
    }

    /// Returns `true` for `OPTIONS *`, which concerns the server and no program (RFC 9110, 9.3.7).
    pub(in crate::host) fn is_about_server(&self) -> bool {
        self.env.get("REQUEST_METHOD") == Some(b"OPTIONS") && self.env.get("REQUEST_URI") == Some(b"*")
    }

    /// Returns the request that the parameters describe; they become its [`Environ`].
    pub(in crate::host) fn request<B>(
        &mut self,
        body: B,
        accept: &Accept,
        error_log: ErrorStream,
    ) -> Result<Request<B>, Refusal> {
        if self.env.get("REQUEST_METHOD").is_none_or(<[u8]>::is_empty) {
            return Err(Refusal::bad_request("the request has no method"));
        }
        self.complete(accept)?;
        self.env =
            mem::take(&mut self.env).with_error_log(error_log).with_multi_threaded(true).with_multi_process(true);
        let refused = |error: io::Error| Refusal::bad_request(&error.to_string());
        let env = &self.env;
        let mut request = of_meta_variables(env, body).map_err(refused)?;
        if let (Some(remote), Some(local)) = (remote(env), end(env, "SERVER_NAME", "SERVER_PORT")) {
            let is_secure =
                env.get("HTTPS").is_some_and(|value| !value.eq_ignore_ascii_case(b"off") && !value.is_empty());
            request.extensions_mut().insert(Connection::new(remote, local).with_secure(is_secure));
        }
        request.extensions_mut().insert(Hosted { is_encrypted: false });
        Ok(request)
    }

    /// Returns what is known of a refused request, for the log.
    pub(in crate::host) fn known(&self) -> Request<()> {
        let mut request = Request::new(());
        let method = self.env.get("REQUEST_METHOD").unwrap_or_default();
        let unknown = || Method::from_bytes(b"-").expect("it is a token");
        *request.method_mut() = Method::from_bytes(method).unwrap_or_else(|_| unknown());
        let has_target = ["REQUEST_URI", "SCRIPT_NAME", "PATH_INFO"].iter().any(|name| self.env.get(name).is_some());
        let target = if has_target { uri(&self.env) } else { None };
        *request.uri_mut() = target.unwrap_or_else(|| Uri::from_static("-"));
        *request.version_mut() = version(self.env.get("SERVER_PROTOCOL").unwrap_or_default());
        request.extensions_mut().insert(self.env.clone());
        request
    }

    /// Splits the path, and adds the mandatory variables (RFC 3875, 4.1).
    fn complete(&mut self, accept: &Accept) -> Result<(), Refusal> {
        complete(&mut self.env)?;
        let part = |name| self.env.get(name).unwrap_or_default();
        let path = [part("SCRIPT_NAME"), part("PATH_INFO")].concat();
        check(&path)?;
        let mut set = |name: &str, value: &[u8]| {
            self.env.set(name, value).map_err(|error| Refusal::bad_request(&error.to_string()))
        };
        if let Some(mount) = &accept.mount {
            let Some(below) = mount.below(&path) else {
                return Err(Refusal::new(StatusCode::NOT_FOUND, "there is nothing here"));
            };
            set("SCRIPT_NAME", mount.prefix().as_bytes())?;
            set("PATH_INFO", below)?;
        }
        for (name, value) in [
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("PATH_INFO", ""),
            ("QUERY_STRING", ""),
            ("REMOTE_ADDR", ""),
            ("REMOTE_PORT", ""),
            ("SCRIPT_NAME", ""),
            ("SERVER_NAME", "localhost"),
            ("SERVER_PORT", "80"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_SOFTWARE", SOFTWARE),
        ] {
            if self.env.get(name).is_none() {
                self.env.set(name, value).map_err(|error| Refusal::bad_request(&error.to_string()))?;
            }
        }
        if self.env.get("REQUEST_URI").is_none()
            && let Some(target) = uri(&self.env)
        {
            self.env
                .set("REQUEST_URI", target.to_string())
                .map_err(|error| Refusal::bad_request(&error.to_string()))?;
        }
        Ok(())
    }
}

/// Returns the client's address, as the front server reports it.
pub(in crate::host) fn remote(env: &Environ) -> Option<SocketAddr> {
    end(env, "REMOTE_ADDR", "REMOTE_PORT")
}

fn end(env: &Environ, address: &str, port: &str) -> Option<SocketAddr> {
    let address: IpAddr = env.get_str(address)?.trim_matches(['[', ']']).parse().ok()?;
    let port = env.get_str(port).and_then(|port| port.parse().ok()).unwrap_or_default();
    Some(SocketAddr::new(address.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(&str, &str)], accept: &Accept) -> Result<Request<()>, Refusal> {
        let mut params = Params::default();
        for (name, value) in pairs {
            params.add(name.as_bytes(), value.as_bytes(), accept)?;
        }
        params.request((), accept, ErrorStream::default())
    }

    fn env(pairs: &[(&str, &str)], accept: &Accept) -> Environ {
        let all = [&[("REQUEST_METHOD", "GET")], pairs].concat();
        request(&all, accept).unwrap().extensions().get::<Environ>().unwrap().clone()
    }

    #[test]
    fn requirement_23_only_known_names_pass() {
        let mut accept = Accept::default();
        accept.add("DOCUMENT_ROOT");
        let harmful = [
            "LD_PRELOAD",
            "PATH",
            "BASH_ENV",
            "IFS",
            "SCRIPT_FILENAME",
            "HTTP_PROXY",
            "HTTP_PROXY_AUTHORIZATION",
            "HTTP_CONTENT_LENGTH",
            "HTTP_CONNECTION",
            "HTTP_A()",
            "http_a",
            "PYTHONPATH",
            "DOCUMENT_ROOTS",
        ];
        let env = env(&harmful.map(|name| (name, "x")), &accept);
        for name in harmful {
            assert_eq!(env.get(name), None, "{name}");
        }
        let good = [
            "HTTP_X_A",
            "HTTP_HOST",
            "HTTP_AUTHORIZATION",
            "DOCUMENT_ROOT",
            "REMOTE_USER",
            "REQUEST_URI",
            "HTTPS",
            "REQUEST_SCHEME",
        ];
        let passed = self::env(&good.map(|name| (name, "/x")), &accept);
        assert!(good.iter().all(|name| passed.get(name) == Some(b"/x")), "{passed:?}");
    }

    #[test]
    fn requirement_1_mandatory_variables_are_added() {
        let env = env(&[("CONTENT_LENGTH", ""), ("CONTENT_TYPE", "")], &Accept::default());
        for name in ["GATEWAY_INTERFACE", "PATH_INFO", "QUERY_STRING", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT"] {
            assert!(env.get(name).is_some(), "{name}");
        }
        assert_eq!(env.get("CONTENT_LENGTH"), None);
        assert_eq!(env.get("CONTENT_TYPE"), None);
    }

    #[test]
    fn requirement_2_a_mount_splits_the_path() {
        let mut accept = Accept::default();
        let path = [("SCRIPT_NAME", "/app/a"), ("PATH_INFO", "/b")];
        assert_eq!(env(&path, &accept).get("SCRIPT_NAME"), Some(&b"/app/a"[..]));
        accept.mount(Mount::at("/app").unwrap());
        let parted = env(&path, &accept);
        assert_eq!((parted.get("SCRIPT_NAME"), parted.get("PATH_INFO")), (Some(&b"/app"[..]), Some(&b"/a/b"[..])));
        let status = |path| {
            let pairs = [("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", path)];
            request(&pairs, &accept).map(drop).map_err(|refusal| refusal.status().as_u16())
        };
        assert_eq!(status("/apple"), Err(404));
        assert_eq!(status("/app/../etc"), Err(400));
    }

    #[test]
    fn requirement_24_invalid_requests_are_refused() {
        let accept = Accept::default();
        let status = |pairs: &[(&str, &str)]| request(pairs, &accept).map(drop).map_err(|it| it.status().as_u16());
        assert_eq!(status(&[]), Err(400));
        assert_eq!(status(&[("REQUEST_METHOD", "G ET")]), Err(400));
        assert_eq!(status(&[("REQUEST_METHOD", "GET"), ("HTTP_A", "a\0b")]), Err(400));
        assert_eq!(status(&[("REQUEST_METHOD", "GET"), ("HTTP_A", "a\nb")]), Err(400));
        let many: Vec<_> = (0..2000).map(|number| format!("HTTP_{number}")).collect();
        let many: Vec<_> = many.iter().map(|name| (&name[..], "x")).collect();
        assert_eq!(status(&many), Err(431));
        let mut params = Params::default();
        for text in ["four", "-1", "+1", " 1", "99999999999999999999"] {
            params.add(b"CONTENT_LENGTH", text.as_bytes(), &accept).unwrap();
            assert!(params.length().is_err(), "{text:?}");
        }
    }

    #[test]
    fn requirement_22_bytes_that_the_front_server_accepted_are_passed_on() {
        let target: &[u8] = b"/caf\xe9 \"<>\\^`{|}\x01/\xc3\xa9#a?\xff b#c";
        let field = b"a\x01\x7f\tb\xe9";
        let mut params = Params::default();
        let pairs: [(&str, &[u8]); 5] = [
            ("REQUEST_METHOD", b"GET"),
            ("REQUEST_URI", target),
            ("SCRIPT_NAME", b"/caf\xe9"),
            ("HTTP_A", field),
            ("HTTP_B", b"\xe9"),
        ];
        for (name, value) in pairs {
            params.add(name.as_bytes(), value, &Accept::default()).unwrap();
        }
        let request = params.request((), &Accept::default(), ErrorStream::default()).unwrap();
        let env = request.extensions().get::<Environ>().unwrap();
        assert_eq!((env.get("REQUEST_URI"), env.get("HTTP_A")), (Some(target), Some(&field[..])));
        let encoded = "/caf%E9%20%22%3C%3E%5C%5E%60%7B%7C%7D%01/%C3%A9%23a?%FF%20b%23c";
        assert_eq!(request.uri().to_string(), encoded);
        assert_eq!(request.headers()["b"].as_bytes(), b"\xe9");
        assert!(!request.headers().contains_key("a"));
    }

    #[test]
    fn requirement_22_without_path_variables_the_path_is_that_of_the_target() {
        let part = |target: &str, accept: &Accept| {
            let pairs = [("REQUEST_METHOD", "GET"), ("REQUEST_URI", target)];
            let request = request(&pairs, accept).map_err(|refusal| refusal.status().as_u16())?;
            let env = request.extensions().get::<Environ>().unwrap();
            let part = |name| String::from_utf8_lossy(env.get(name).unwrap()).into_owned();
            Ok([part("SCRIPT_NAME"), part("PATH_INFO"), part("QUERY_STRING")])
        };
        let parts = |parts: [&str; 3]| Ok(parts.map(str::to_owned));
        let mut accept = Accept::default();
        assert_eq!(part("/app/x%20y?q=%31", &accept), parts(["", "/app/x y", "q=%31"]));
        assert_eq!(part("http://name.example/a?b", &accept), parts(["", "/a", "b"]));
        assert_eq!(part("http://name.example", &accept), parts(["", "/", ""]));
        accept.mount(Mount::at("/app").unwrap());
        assert_eq!(part("/app/x%20y?q=1", &accept), parts(["/app", "/x y", "q=1"]));
        assert_eq!(part("/app?", &accept), parts(["/app", "", ""]));
        assert_eq!(part("/other", &accept), Err(404));
        for bad in ["/app/../a", "/app/%2e%2E", "/app%2Fa", "/a%00", "/%zz", "/app/a#b", "app", "*"] {
            assert_eq!(part(bad, &accept), Err(400), "{bad}");
        }
        // An empty path that was sent stays empty.
        let sent = env(&[("PATH_INFO", ""), ("REQUEST_URI", "/a")], &Accept::default());
        assert_eq!((sent.get_str("SCRIPT_NAME"), sent.get_str("PATH_INFO")), (Some(""), Some("")));
    }

    #[test]
    fn requirement_17_ipv4_mapped_addresses_are_canonical() {
        let pairs =
            [("REQUEST_METHOD", "GET"), ("REMOTE_ADDR", "::ffff:192.0.2.1"), ("SERVER_NAME", "::ffff:192.0.2.2")];
        let request = request(&pairs, &Accept::default()).unwrap();
        let env = request.extensions().get::<Environ>().unwrap();
        assert_eq!(env.get_str("REMOTE_ADDR"), Some("192.0.2.1"));
        let ends = request.extensions().get::<Connection>().unwrap();
        assert_eq!((ends.remote.to_string(), ends.local.to_string()), ("192.0.2.1:0".into(), "192.0.2.2:80".into()));
    }

    #[test]
    fn requirement_4_repeated_fields_are_joined() {
        let pairs = [
            ("HTTP_A", "1"),
            ("HTTP_COOKIE", "a"),
            ("HTTP_A", "2"),
            ("HTTP_COOKIE", "b"),
            ("REMOTE_USER", "x"),
            ("REMOTE_USER", "y"),
        ];
        let env = env(&pairs, &Accept::default());
        assert_eq!((env.get_str("HTTP_A"), env.get_str("HTTP_COOKIE")), (Some("1, 2"), Some("a; b")));
        assert_eq!(env.get_str("REMOTE_USER"), Some("y"));
    }

    #[test]
    fn the_request_has_the_clients_address() {
        let pairs = [("REQUEST_METHOD", "GET"), ("REMOTE_ADDR", "::1"), ("REMOTE_PORT", "7"), ("SERVER_NAME", "[::1]")];
        let request = request(&pairs, &Accept::default()).unwrap();
        let ends = request.extensions().get::<Connection>().unwrap();
        assert_eq!((ends.remote.to_string(), ends.local.port()), ("[::1]:7".to_owned(), 80));
    }
}
