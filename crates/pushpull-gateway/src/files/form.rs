//! The forms of a file, plain and precompressed, and what is to be sent of which. tower-http's `ServeDir` decides by
//! RFC 9110. It gets only metadata: the files are opened here, beneath the root of the site, and read elsewhere.

use std::ffi::OsString;
use std::future::{Ready, ready};
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use http::header::HeaderMap;
use http::{Method, Request, Response, StatusCode};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::ServeDir;
use tower_http::services::fs::{self, Backend};

use crate::cgi::refusal::{Refusal, status_of};
use crate::site::Site;
use crate::site::tree::{File, Opened};

/// An opened file, and where its precompressed forms are.
#[derive(Clone)]
pub(super) struct Forms(Arc<Inner>);

struct Inner {
    site: Site,
    path: Vec<u8>,
    file: Arc<File>,
    /// The name by which tower-http knows the file: its extension decides the type.
    name: String,
    /// The form that was found last.
    found: Mutex<Arc<File>>,
}

impl Forms {
    pub(super) fn new(site: &Site, file: File, path: Vec<u8>) -> Forms {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let extension = name.iter().rposition(|byte| *byte == b'.').map_or(&[][..], |at| &name[at + 1..]);
        let is_plain = extension.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+'));
        let name = match std::str::from_utf8(extension) {
            Ok(extension) if is_plain && !extension.is_empty() => format!("file.{extension}"),
            _ => "file".to_owned(),
        };
        let file = Arc::new(file);
        Forms(Arc::new(Inner { site: site.clone(), path, found: Mutex::new(file.clone()), file, name }))
    }

    /// Returns the response to a request with these fields, without its body.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read.
    pub(super) async fn ask(&self, fields: HeaderMap) -> Result<Response<()>, Refusal> {
        let failed =
            |error: &dyn std::fmt::Display, status| Refusal::new(status, format!("cannot send the file: {error}"));
        let mut request = Request::builder()
            .method(Method::HEAD)
            .uri(format!("/{}", self.0.name))
            .body(())
            .map_err(|error| failed(&error, StatusCode::INTERNAL_SERVER_ERROR))?;
        *request.headers_mut() = fields;
        let response = ServeDir::with_backend("", self.clone())
            .append_index_html_on_directories(false)
            .precompressed_br()
            .precompressed_zstd()
            .precompressed_gzip()
            .try_call(request)
            .await;
        Ok(response.map_err(|error| failed(&error, status_of(&error)))?.map(drop))
    }

    /// Returns the form that the last response is about.
    pub(super) fn sent(&self) -> Arc<File> {
        self.0.found.lock().clone()
    }

    /// Returns the file with this name: the one that was opened, or a precompressed form of it.
    fn named(&self, name: &Path) -> io::Result<Arc<File>> {
        let not_found = || io::Error::from(io::ErrorKind::NotFound);
        let name =
            name.file_name().map(OsString::from).and_then(|name| name.into_string().ok()).ok_or_else(not_found)?;
        let Inner { site, path, file, name: own, .. } = &*self.0;
        match name.strip_prefix(own.as_str()) {
            Some("") => Ok(file.clone()),
            Some(suffix) => match site.compressed(&[path, suffix.as_bytes()].concat())? {
                Opened::File(file) => Ok(Arc::new(file)),
                _ => Err(not_found()),
            },
            None => Err(not_found()),
        }
    }
}

/// The metadata of a form.
#[derive(Clone, Copy)]
pub(super) struct About {
    length: u64,
    modified: Option<SystemTime>,
}

impl Backend for Forms {
    type File = Unopened;
    type Metadata = About;
    type OpenFuture = Ready<io::Result<Unopened>>;
    type MetadataFuture = Ready<io::Result<About>>;

    fn open(&self, _: PathBuf) -> Self::OpenFuture {
        ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn metadata(&self, name: PathBuf) -> Self::MetadataFuture {
        ready(self.named(&name).map(|file| {
            let about = About { length: file.length, modified: file.modified };
            *self.0.found.lock() = file;
            about
        }))
    }
}

impl fs::Metadata for About {
    fn is_dir(&self) -> bool {
        false
    }

    fn modified(&self) -> io::Result<SystemTime> {
        self.modified.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> u64 {
        self.length
    }
}

/// The file that tower-http would read. No value of it exists.
pub(super) enum Unopened {}

impl AsyncRead for Unopened {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }
}

impl AsyncSeek for Unopened {
    fn start_seek(self: Pin<&mut Self>, _: SeekFrom) -> io::Result<()> {
        match *self {}
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        match *self {}
    }
}

impl fs::File for Unopened {
    type Metadata = About;
    type MetadataFuture<'a> = Ready<io::Result<About>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        match *self {}
    }
}
