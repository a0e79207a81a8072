//! A file as a response. tower-http's `ServeDir` decides by RFC 9110 what is sent; it is handed files that are opened
//! here, beneath the root of the site.

use std::ffi::OsString;
use std::future::{Ready, ready};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, VARY,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use tower_http::services::ServeDir;
use tower_http::services::fs::Backend;

use super::content::{About, Content};
use super::range;
use super::reporter::Reporter;
use crate::cgi::refusal::{Refusal, status_of};
use crate::service::body::Body;
use crate::site::Site;
use crate::site::tree::{File, Opened};

/// The fields of a request that matter for a file.
const OF_FILES: [HeaderName; 7] =
    [ACCEPT_ENCODING, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE];

/// The maximum size of the pieces in which a file is read.
const MAX_PIECE: u64 = 64 << 10;

/// The resolution of HTTP's dates, twice: a file that was changed more recently may change again within the second.
const SETTLED: Duration = Duration::from_secs(2);

/// Sends a file, or answers by the conditions of the request.
///
/// # Errors
///
/// Returns an error if the file cannot be read.
pub(super) async fn send(
    site: &Site,
    file: File,
    path: Vec<u8>,
    parts: &Parts,
    reporter: &Reporter,
) -> Result<Response<Body>, Refusal> {
    let mut fields = fields(&parts.headers);
    let modified = file.modified;
    let opened = Handed::new(site, file, path, reporter.clone());
    let condition = fields.remove(IF_RANGE);
    // Ranges are defined for GET only (RFC 9110, 14.2).
    if let Some(range) = fields.remove(RANGE)
        && parts.method == Method::GET
    {
        // Length and validators are those of the form that would be sent, which may be precompressed.
        let accepted = fields.get(ACCEPT_ENCODING).map(|coding| (ACCEPT_ENCODING, coding.clone()));
        let whole = opened.ask(Method::HEAD, accepted.into_iter().collect()).await?;
        let length = whole.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if condition.is_none_or(|condition| is_same(&condition, whole.headers(), modified))
            && let Some(range) = length.and_then(|length| range::of(&range, length))
        {
            fields.insert(RANGE, range);
        }
    }
    let mut response = opened.ask(parts.method.clone(), fields).await?;
    let status = response.status();
    let fields = response.headers_mut();
    if let Some(kind) = fields.get(CONTENT_TYPE).and_then(with_charset) {
        fields.insert(CONTENT_TYPE, kind);
    }
    if status == StatusCode::NOT_MODIFIED {
        fields.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    // A date in the future must not be sent (RFC 9110, 8.8.2.1).
    if modified.is_some_and(|time| time > SystemTime::now()) {
        fields.remove(LAST_MODIFIED);
    }
    Ok(response)
}

/// Returns the fields that matter, each in one line.
fn fields(of_request: &HeaderMap) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for name in OF_FILES {
        let mut values = of_request.get_all(&name).iter();
        let Some(first) = values.next() else { continue };
        let joined =
            values.fold(first.as_bytes().to_vec(), |joined, value| [&joined, &b", "[..], value.as_bytes()].concat());
        if let Ok(value) = HeaderValue::from_bytes(&joined) {
            fields.insert(name, value);
        }
    }
    fields
}

/// Returns `true` if the condition of `If-Range` holds: the same strong `ETag`, or the same date of a file that has not
/// been changed just now (RFC 9110, 13.1.5).
fn is_same(condition: &HeaderValue, whole: &HeaderMap, modified: Option<SystemTime>) -> bool {
    if condition.as_bytes().starts_with(b"\"") {
        return whole.get(ETAG) == Some(condition);
    }
    let is_settled = || modified.and_then(|time| time.elapsed().ok()).is_some_and(|age| age >= SETTLED);
    whole.get(LAST_MODIFIED) == Some(condition) && is_settled()
}

/// Returns the type of a text with the coding that nearly all texts have.
fn with_charset(kind: &HeaderValue) -> Option<HeaderValue> {
    let kind = kind.to_str().ok()?;
    let is_text = kind.starts_with("text/") || kind == "application/javascript";
    (is_text && !kind.contains(';')).then(|| HeaderValue::try_from(format!("{kind}; charset=utf-8")).ok())?
}

/// An opened file, and where its precompressed forms are.
#[derive(Clone)]
struct Handed(Arc<Inner>);

struct Inner {
    site: Site,
    path: Vec<u8>,
    file: Arc<File>,
    /// The name by which tower-http knows the file: its extension decides the type.
    name: String,
    reporter: Reporter,
}

impl Handed {
    fn new(site: &Site, file: File, path: Vec<u8>, reporter: Reporter) -> Handed {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let extension = name.iter().rposition(|byte| *byte == b'.').map_or(&[][..], |at| &name[at + 1..]);
        let is_plain = extension.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+'));
        let name = match std::str::from_utf8(extension) {
            Ok(extension) if is_plain && !extension.is_empty() => format!("file.{extension}"),
            _ => "file".to_owned(),
        };
        Handed(Arc::new(Inner { site: site.clone(), path, file: Arc::new(file), name, reporter }))
    }

    async fn ask(&self, method: Method, fields: HeaderMap) -> Result<Response<Body>, Refusal> {
        let failed =
            |error: &dyn std::fmt::Display, status| Refusal::new(status, format!("cannot send the file: {error}"));
        let target = format!("/{}", self.0.name);
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .body(())
            .map_err(|error| failed(&error, StatusCode::INTERNAL_SERVER_ERROR))?;
        *request.headers_mut() = fields;
        let piece = usize::try_from(self.0.file.length.clamp(1, MAX_PIECE)).unwrap_or(1);
        let response = ServeDir::with_backend("", self.clone())
            .append_index_html_on_directories(false)
            .precompressed_br()
            .precompressed_zstd()
            .precompressed_gzip()
            .with_buf_chunk_size(piece)
            .try_call(request)
            .await;
        Ok(response.map_err(|error| failed(&error, status_of(&error)))?.map(Body::new))
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

impl Backend for Handed {
    type File = Content;
    type Metadata = About;
    type OpenFuture = Ready<io::Result<Content>>;
    type MetadataFuture = Ready<io::Result<About>>;

    fn open(&self, name: PathBuf) -> Self::OpenFuture {
        ready(self.named(&name).map(|file| Content::new(file, self.0.reporter.clone())))
    }

    fn metadata(&self, name: PathBuf) -> Self::MetadataFuture {
        ready(self.named(&name).map(|file| About::of(&file)))
    }
}
