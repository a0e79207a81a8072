//! What the fuzz targets for directories share: a tree with secrets, and requests for it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use pushpull_gateway::{Files, PathSet, Site};
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;

/// In every file that must not be sent.
pub const SECRET: &[u8] = b"SECRET";

/// What `hello.txt` contains.
pub const HELLO: &[u8] = b"hello, world: 0123456789abcdefghijklmnopqrstuvwxyz\n";

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
}

/// Makes a tree in which some files are to be sent and others are not.
pub fn plant(directory: &Path) {
    let root = directory.join("root");
    fs::create_dir_all(root.join("sub/deep")).expect("a directory can be made");
    fs::create_dir_all(root.join("cgi-bin")).expect("a directory can be made");
    for (name, bytes) in [
        ("hello.txt", HELLO),
        ("sub/index.html", b"<p>index</p>"),
        ("sub/a b.css", b"a {}"),
        ("sub/a b.css.gz", b"\x1f\x8b"),
        ("sub/.hidden", SECRET),
        (".env", SECRET),
        ("old.txt~", SECRET),
        ("program.cgi", SECRET),
        ("cgi-bin/run", SECRET),
        ("cgi-bin/run.txt", SECRET),
        ("../outside.txt", SECRET),
    ] {
        fs::write(root.join(name), bytes).expect("a file can be written");
    }
    symlink("../outside.txt", root.join("link.txt")).expect("a link can be made");
    symlink("..", root.join("up")).expect("a link can be made");
    fs::set_permissions(root.join("program.cgi"), fs::Permissions::from_mode(0o755)).expect("a mode can be set");
}

/// Returns the site of a planted tree.
pub fn site(directory: &Path) -> Site {
    let programs = PathSet::new().named("*.cgi").and_then(|set| set.below("/cgi-bin/")).expect("it is a set");
    Site::new(directory.join("root")).expect("it is there").programs(programs).listing(true).index(["index.html"])
}

/// Sends a request to a site. Returns `None` if it cannot be built.
pub fn get(files: &mut Files, path: &[u8], fields: &HeaderMap) -> Option<(StatusCode, HeaderMap, Option<Vec<u8>>)> {
    let mut request = Request::get(path).body(Empty::<bytes::Bytes>::new()).ok()?;
    *request.headers_mut() = fields.clone();
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let response = files.call(request).await.expect("every failure is a response");
            let (parts, body) = response.into_parts();
            let body = body.collect().await.ok().map(|body| body.to_bytes().to_vec());
            Some((parts.status, parts.headers, body))
        })
    })
}
