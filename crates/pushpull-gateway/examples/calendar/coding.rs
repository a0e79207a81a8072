//! The content codings that a client accepts.

use http::header::{ACCEPT_ENCODING, HeaderMap};

/// Returns `true` if the client lists `gzip` with a weight above zero (RFC 9110, 12.5.3).
pub fn accepts_gzip(fields: &HeaderMap) -> bool {
    let codings = fields.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse);
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight: f32| weight > 0.0)
    })
}
