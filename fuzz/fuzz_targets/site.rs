//! No path reaches what must not be sent.

#![no_main]

use std::sync::OnceLock;

use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use pushpull_fuzz::{SECRET, get, plant, site};
use pushpull_gateway::{Files, Site};
use tempfile::TempDir;

static TREE: OnceLock<(TempDir, Site)> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let (_, site) = TREE.get_or_init(|| {
        let directory = TempDir::new().expect("a directory");
        plant(directory.path());
        let site = site(directory.path());
        (directory, site)
    });
    let path = [b"/", data].concat();
    let Some((status, _, body)) = get(&mut Files::new(site.clone()), &path, &HeaderMap::new()) else { return };
    let body = body.expect("nothing changes while it is read");
    let is_secret = body.windows(SECRET.len()).any(|part| part == SECRET);
    assert!(!is_secret, "{} was sent: {status}", path.escape_ascii());
    assert!([200, 301, 400, 403, 404].contains(&status.as_u16()), "{status}");
});
