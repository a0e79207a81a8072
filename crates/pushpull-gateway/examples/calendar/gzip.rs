//! A processor: compresses any app's response for clients that accept it.

#[path = "coding.rs"]
mod coding;

use std::io;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue, VARY};
use http::{Request, Response};
use pushpull::Local;
use pushpull_gateway::{Input, PullApp};

/// An app around another app, whose response passes through a `gzip` filter.
pub struct Gzip<A>(pub A);

type Blocks = Box<dyn Iterator<Item = io::Result<Bytes>>>;

impl<A: PullApp> PullApp for Gzip<A> {
    type Output = Blocks;

    fn handle(&self, req: Request<Input>) -> io::Result<Response<Blocks>> {
        let wanted = coding::accepts_gzip(req.headers());
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
