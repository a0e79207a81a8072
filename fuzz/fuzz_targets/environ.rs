//! A request becomes meta-variables, or is refused.

#![no_main]

use http::Request;
use http_body::SizeHint;
use libfuzzer_sys::fuzz_target;
use pushpull_gateway::{Environ, Mount};

/// Builds a request from lines: the target, and then fields.
fn request(text: &[u8]) -> Option<http::request::Parts> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut request = Request::builder().uri(lines.next()?);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], &line[colon + 1..]);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, text)) = data.split_first() else { return };
    let Some(parts) = request(text) else { return };
    let mount = match choice % 3 {
        0 => Mount::root(),
        1 => Mount::at("/app").expect("it is a path"),
        _ => Mount::at("/a%20b/c").unwrap_or_else(|_| Mount::root()).pass_authorization(true),
    };
    let Ok(environ) = Environ::of_request(&parts, &SizeHint::with_exact(u64::from(*choice)), &mount) else { return };
    let mut seen = Vec::new();
    for (name, value) in environ.iter() {
        let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        assert!(!name.is_empty() && name.iter().all(is_name), "{:?}", name.escape_ascii().to_string());
        assert!(!value.contains(&0), "a NUL in {}", name.escape_ascii());
        assert_ne!(name, b"HTTP_PROXY", "httpoxy");
        assert!(!seen.contains(&name), "{} twice", name.escape_ascii());
        seen.push(name);
    }
    let variable = |name: &str| environ.get(name).unwrap_or_default().to_vec();
    for name in ["GATEWAY_INTERFACE", "REQUEST_METHOD", "SERVER_NAME", "SERVER_PROTOCOL"] {
        assert!(!variable(name).is_empty(), "{name} is missing");
    }
    let path = variable("PATH_INFO");
    assert!(path.is_empty() || path.starts_with(b"/"), "{}", path.escape_ascii());
    let has_dots = path.split(|byte| *byte == b'/').any(|segment| segment == b".." || segment == b".");
    assert!(!has_dots, "a dot segment in {}", path.escape_ascii());
    assert!(variable("SCRIPT_NAME").is_empty() || variable("SCRIPT_NAME").starts_with(b"/"));
    assert_eq!(variable("HTTP_AUTHORIZATION").is_empty() || choice % 3 == 2, true, "a secret got through");
});
