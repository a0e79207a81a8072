//! A processor: what any app answers, packed for the clients that can unpack it.

use std::io;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, VARY};
use http::{Request, Response};
use pushpull::Local;
use pushpull::gateway::{Input, PullApp};

/// An app around another: the inner one's response goes through a `gzip` filter.
pub struct Gzip<A>(pub A);

type Blocks = Box<dyn Iterator<Item = io::Result<Bytes>>>;

impl<A: PullApp> PullApp for Gzip<A> {
    type Output = Blocks;

    fn handle(&self, req: Request<Input>) -> io::Result<Response<Blocks>> {
        let wanted = accepts_gzip(req.headers());
        let (mut parts, blocks) = self.0.handle(req)?.into_parts();
        parts.headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        if !wanted || parts.headers.contains_key(CONTENT_ENCODING) {
            return Ok(Response::from_parts(parts, Box::new(blocks)));
        }
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let gzip = Local::new().filter(|plain, packed| {
            let mut gzip = GzEncoder::new(packed, Compression::fast());
            io::copy(plain, &mut gzip)?;
            gzip.finish().map(drop)
        });
        Ok(Response::from_parts(parts, Box::new(gzip.pull_from(blocks))))
    }
}

/// Whether the client names `gzip` and does not weigh it nothing (RFC 9110, 12.5.3).
fn accepts_gzip(fields: &HeaderMap) -> bool {
    let codings = fields.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse);
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight: f32| weight > 0.0)
    })
}
