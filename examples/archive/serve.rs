//! The HTTP server: one current-thread runtime per core.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

use cap_std::fs::{Dir, File};
use hyper::header::{ALLOW, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, LOCATION, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use pushpull::{Local, local};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::encode::{Format, write_file};
use super::page;
use super::progress::Downloads;
use super::reply::Reply;
use super::tree::{Found, Tree, entries};

/// The maximum that hyper buffers for a response, in addition to the socket buffer.
const MAX_BUFFERED: usize = 64 * 1024;

/// Serves until the process is stopped.
pub fn run(listener: &TcpListener, tree: &Tree, downloads: &Downloads) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let others = (1..cores)
        .map(|_| {
            let (listener, tree, downloads) = (listener.try_clone()?, tree.clone(), downloads.clone());
            thread::Builder::new().spawn(move || serve(listener, &tree, &downloads))
        })
        .collect::<io::Result<Vec<_>>>()?;
    serve(listener.try_clone()?, tree, downloads)?;
    for other in others {
        other.join().map_err(|_| io::Error::other("a server thread panicked"))??;
    }
    Ok(())
}

/// Serves on one core. Every accepted connection stays on this thread, and so do its programs.
fn serve(listener: TcpListener, tree: &Tree, downloads: &Downloads) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::task::spawn_local(connection(stream, tree.clone(), downloads.clone()))),
                Err(error) => {
                    // Probably no descriptors are left. Wait until others are closed.
                    downloads.log(&format!("cannot accept a connection: {error}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    })
}

fn connection(stream: TcpStream, tree: Tree, downloads: Downloads) -> impl Future<Output = ()> {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let response = respond(&request, &tree, &downloads);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .max_buf_size(MAX_BUFFERED)
        .serve_connection(TokioIo::new(stream), service);
    async move {
        // A failed download is reported on its own line.
        let _ = served.await;
    }
}

fn respond<B>(request: &Request<B>, tree: &Tree, downloads: &Downloads) -> Response<Reply> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "This server only supports GET and HEAD.");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let url = request.uri();
    let wanted = url.query().map(|query| Format::ALL.into_iter().find(|format| format.extension() == query));
    let downloads = (request.method() == Method::GET).then_some(downloads);
    let found = match (tree.find(url.path()), wanted) {
        (Ok(Found::Directory { dir, path }), Some(Some(format))) => Ok(archive(tree, dir, &path, format, downloads)),
        (Ok(Found::Directory { .. }), None) if !url.path().ends_with('/') => Ok(redirect(url.path())),
        (Ok(Found::Directory { dir, path }), None) => listing(tree, &dir, &path),
        (Ok(Found::File { file, path, size }), None) => Ok(whole_file(file, &path, size, downloads)),
        (Ok(_), Some(_)) => Err(io::ErrorKind::NotFound.into()),
        (Err(error), _) => Err(error),
    };
    found.unwrap_or_else(|failed| match failed.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            error(StatusCode::NOT_FOUND, "There is no such file or directory.")
        }
        io::ErrorKind::InvalidInput => error(StatusCode::BAD_REQUEST, "This is not the path of a file or directory."),
        // Unreadable, or a link that leads outside.
        io::ErrorKind::PermissionDenied => error(StatusCode::FORBIDDEN, "This may not be read."),
        _ => error(StatusCode::INTERNAL_SERVER_ERROR, "This cannot be read."),
    })
}

fn listing(tree: &Tree, dir: &Dir, path: &Path) -> io::Result<Response<Reply>> {
    let entries = entries(dir)?;
    let (root, name, path) = (tree.name_of(Path::new("")), tree.name_of(path), path.to_owned());
    Ok(html(Local::new().pull(move |w| page::write_listing(w, &root, &path, &name, &entries))))
}

fn archive(tree: &Tree, dir: Dir, path: &Path, format: Format, downloads: Option<&Downloads>) -> Response<Reply> {
    let top = tree.name_of(path);
    let mut file = top.clone();
    file.push(".");
    file.push(format.extension());
    let download = downloads.map(|downloads| downloads.begin(&file.to_string_lossy()));
    let log = downloads.cloned();
    let chunks = Local::new().pull(move |w| {
        format.write(dir, Path::new(&top), w, |skipped| {
            if let Some(log) = &log {
                log.log(&format!("skipped  {}: not a file", skipped.to_string_lossy().escape_debug()));
            }
        })
    });
    let mut response = Response::new(Reply::download(chunks, None, download));
    describe(&mut response, format.media_type(), "attachment", &file);
    response
}

fn whole_file(file: File, path: &Path, size: u64, downloads: Option<&Downloads>) -> Response<Reply> {
    let download = downloads.map(|downloads| downloads.begin(&path.to_string_lossy()));
    let chunks = Local::new().pull(move |w| write_file(file, size, w));
    let mut response = Response::new(Reply::download(chunks, Some(size), download));
    let kind = mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream");
    // Show as text what a browser would run: the file does not belong to this server's pages.
    let kind = if kind.contains("html") || kind.contains("svg") { "text/plain; charset=utf-8" } else { kind };
    describe(&mut response, kind, "inline", path.file_name().unwrap_or_default());
    response
}

/// Sets the headers of a download (RFC 6266), with the name encoded by RFC 8187.
fn describe(response: &mut Response<Reply>, kind: &'static str, disposition: &str, name: &OsStr) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let disposition = format!("{disposition}; filename*=UTF-8''{}", page::segment(name));
    if let Ok(disposition) = HeaderValue::try_from(disposition) {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
}

/// Redirects to the same directory with a trailing slash, which relative links need.
fn redirect(path: &str) -> Response<Reply> {
    let mut response = error(StatusCode::MOVED_PERMANENTLY, "A directory's address ends with a slash.");
    // A `Location` of `//host/` would lead to another host.
    if let Ok(location) = HeaderValue::try_from(format!("/{}/", path.trim_start_matches('/'))) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn error(status: StatusCode, reason: &'static str) -> Response<Reply> {
    let title = status.to_string();
    let mut response = html(Local::new().pull(move |w| page::write_error(w, &title, reason)));
    *response.status_mut() = status;
    response
}

fn html(chunks: local::Chunks) -> Response<Reply> {
    let mut response = Response::new(Reply::page(chunks));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
