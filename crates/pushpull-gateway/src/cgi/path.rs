//! Decodes and checks request paths (RFC 3875, 4.1.5 and 4.1.13), and finds where in them an application is mounted.

use std::fmt;
use std::sync::Arc;

use super::refusal::Refusal;

/// The path prefix of an application, and whether the application receives `Authorization`.
///
/// ```
/// use pushpull_gateway::Mount;
///
/// let mount = Mount::at("/git")?;
/// assert!(Mount::at("git").is_err());
/// # let _ = mount;
/// # Ok::<(), pushpull_gateway::BadMount>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    prefix: Arc<str>,
    authorization: bool,
}

/// The error for a prefix at which nothing can be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadMount {
    prefix: String,
}

impl Mount {
    /// Creates a mount at the root: `SCRIPT_NAME` is empty.
    pub fn root() -> Mount {
        Mount { prefix: "".into(), authorization: false }
    }

    /// Creates a mount at a decoded prefix, such as `/git`; `/` is the root. The prefix matches on segment boundaries:
    /// `/gitlab` is not below `/git`.
    ///
    /// # Errors
    ///
    /// Returns an error if `prefix` does not begin with `/`, or contains an empty segment, a dot segment or a control
    /// character.
    pub fn at(prefix: &str) -> Result<Mount, BadMount> {
        let bare = prefix.strip_suffix('/').unwrap_or(prefix);
        let segments_are_good = bare.split('/').skip(1).all(|segment| !matches!(segment, "" | "." | ".."));
        let starts_well = bare.is_empty() || bare.starts_with('/');
        if prefix.is_empty() || !starts_well || !segments_are_good || bare.chars().any(char::is_control) {
            return Err(BadMount { prefix: prefix.to_owned() });
        }
        Ok(Mount { prefix: bare.into(), ..Mount::root() })
    }

    /// Sets whether the application receives `Authorization` (default: `false`; RFC 3875, 4.1.18).
    #[must_use]
    pub fn pass_authorization(mut self, pass: bool) -> Mount {
        self.authorization = pass;
        self
    }

    pub(crate) fn passes_authorization(&self) -> bool {
        self.authorization
    }

    /// Returns the prefix, which is empty at the root.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the part of a decoded path that is below the mount; `None` if the path is elsewhere.
    pub(crate) fn below<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        let rest = path.strip_prefix(self.prefix.as_bytes())?;
        matches!(rest, [] | [b'/', ..]).then_some(rest)
    }
}

impl Default for Mount {
    fn default() -> Mount {
        Mount::root()
    }
}

impl fmt::Display for BadMount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid mount {:?}: expected a path such as /name or /a/b, without empty or dot segments",
            self.prefix
        )
    }
}

impl std::error::Error for BadMount {}

/// Decodes the path of a request.
///
/// # Errors
///
/// Returns 400 if the path could trick a program: it contains an invalid escape, a NUL, an encoded slash or a dot
/// segment.
pub(crate) fn decode(path: &[u8]) -> Result<Vec<u8>, Refusal> {
    let bad = |reason| Err(Refusal::bad_request(reason));
    if !path.starts_with(b"/") {
        return bad("the path does not begin with a slash");
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let Some(value) = rest.split_at_checked(2).and_then(|(digits, _)| hex(digits)) else {
            return bad("the path contains an invalid percent escape");
        };
        rest = &rest[2..];
        match value {
            0 => return bad("the path contains a NUL"),
            b'/' => return bad("the path contains an encoded slash"),
            value => decoded.push(value),
        }
    }
    check(&decoded)?;
    Ok(decoded)
}

/// Checks a decoded path.
///
/// # Errors
///
/// Returns 400 if the path contains a dot segment.
pub(crate) fn check(path: &[u8]) -> Result<(), Refusal> {
    if path.split(|byte| *byte == b'/').any(|segment| matches!(segment, b"." | b"..")) {
        return Err(Refusal::bad_request("the path contains a dot segment"));
    }
    Ok(())
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

/// Percent-encodes a decoded path for a URI.
pub(crate) fn encode(path: &[u8]) -> String {
    encode_but(path, |byte| is_of_path(byte) || byte == b'/')
}

/// Percent-encodes the bytes that no target may contain (RFC 9112, 3.2). Keeps existing escapes.
pub(crate) fn encode_target(target: &[u8]) -> String {
    encode_but(target, |byte| is_of_path(byte) || matches!(byte, b'/' | b'?' | b'%' | b'[' | b']'))
}

/// Returns `true` if a path segment may contain the byte unescaped (RFC 3986, 3.3).
fn is_of_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

fn encode_but(bytes: &[u8], stays: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for byte in bytes {
        if stays(*byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[test]
    fn requirement_2_a_path_that_could_trick_a_program_is_refused() {
        for path in [
            "", "a", "*", "/%", "/%2", "/%zz", "/%+1", "/a%00", "/a%2Fb", "/a%2fb", "/.", "/..", "/a/../b", "/%2e%2E",
            "/a/.%2e", "/./a",
        ] {
            assert_eq!(decode(path.as_bytes()).map_err(|refusal| refusal.status().as_u16()), Err(400), "{path}");
        }
        assert_eq!(decode(b"/a%20b/...//%c3%a9").unwrap(), "/a b/...//\u{e9}".as_bytes());
    }

    #[test]
    fn requirement_2_mounts_match_on_segment_boundaries() {
        let mount = Mount::at("/git/").unwrap();
        assert_eq!(mount.below(b"/git"), Some(&b""[..]));
        assert_eq!(mount.below(b"/git/a"), Some(&b"/a"[..]));
        assert_eq!(mount.below(b"/gitlab"), None);
        assert_eq!(mount.below(b"/"), None);
        assert_eq!(Mount::at("/").unwrap(), Mount::root());
        assert_eq!(Mount::root().below(b"/a"), Some(&b"/a"[..]));
        for bad in ["", "a", "//", "/a//b", "/a/../b", "/.", "/a\n"] {
            assert!(Mount::at(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn an_encoded_path_is_decoded_again(path in proptest::collection::vec(1_u8.., 0..40)) {
            let path: Vec<u8> = std::iter::once(b'/').chain(path).collect();
            let dots = path.split(|byte| *byte == b'/').any(|segment| matches!(segment, b"." | b".."));
            prop_assert_eq!(decode(encode(&path).as_bytes()).ok(), (!dots).then_some(path));
        }
    }
}
