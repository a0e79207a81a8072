//! Conditional requests and ranges of a file, beside what its bytes are.

#![no_main]

use std::sync::OnceLock;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use pushpull_fuzz::{HELLO, get, plant, site};
use pushpull_gateway::{Files, Site};
use tempfile::TempDir;

static TREE: OnceLock<(TempDir, Site, HeaderMap)> = OnceLock::new();

const FIELDS: [&str; 7] =
    ["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "accept-encoding"];

/// Reads `bytes 3-9/51`.
fn range(value: &HeaderValue) -> Option<(usize, usize, usize)> {
    let (range, length) = value.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, length.parse().ok()?))
}

fuzz_target!(|data: &[u8]| {
    let (_, site, known) = TREE.get_or_init(|| {
        let directory = TempDir::new().expect("a directory");
        plant(directory.path());
        let site = site(directory.path());
        let (_, known, _) = get(&mut Files::new(site.clone()), b"/hello.txt", &HeaderMap::new()).expect("it is there");
        (directory, site, known)
    });
    let mut fields = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some((name, value)) = line.split_first() else { continue };
        // The tag and the time of the file itself are hard to guess.
        let value = match value {
            b"=" => known.get(ETAG).cloned(),
            b"@" => known.get("last-modified").cloned(),
            value => HeaderValue::from_bytes(value).ok(),
        };
        let Some(value) = value else { continue };
        fields.append(HeaderName::from_static(FIELDS[usize::from(*name) % FIELDS.len()]), value);
    }
    let (status, head, body) = get(&mut Files::new(site.clone()), b"/hello.txt", &fields).expect("it is a request");
    let body = body.expect("the file does not change");
    match status.as_u16() {
        200 => assert_eq!(body, HELLO),
        206 => {
            let (first, last, length) = range(&head[CONTENT_RANGE]).expect("it says which range");
            assert_eq!((length, &body[..]), (HELLO.len(), &HELLO[first..=last]));
        }
        304 | 412 => assert!(body.is_empty()),
        416 => assert_eq!(head[CONTENT_RANGE], format!("bytes */{}", HELLO.len())),
        other => panic!("{other}"),
    }
    if let (200 | 206, Some(length)) = (status.as_u16(), head.get(CONTENT_LENGTH)) {
        assert_eq!(length.to_str().ok().and_then(|text| text.parse().ok()), Some(body.len()));
    }
});
