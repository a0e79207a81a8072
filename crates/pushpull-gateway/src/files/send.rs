//! A file as a response. tower-http decides by RFC 9110 what is sent: see `form.rs`.

use std::time::{Duration, SystemTime};

use http::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, VARY,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::content::Content;
use super::form::Forms;
use super::range;
use super::reporter::Reporter;
use crate::cgi::refusal::Refusal;
use crate::service::body::Body;
use crate::site::Site;
use crate::site::tree::File;

/// The fields of a request that matter for a file.
const OF_FILES: [HeaderName; 7] =
    [ACCEPT_ENCODING, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE];

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
    let forms = Forms::new(site, file, path);
    let condition = fields.remove(IF_RANGE);
    // Ranges are defined for GET only (RFC 9110, 14.2).
    if let Some(range) = fields.remove(RANGE)
        && parts.method == Method::GET
    {
        // Length and validators are those of the form that would be sent, which may be precompressed.
        let accepted = fields.get(ACCEPT_ENCODING).map(|coding| (ACCEPT_ENCODING, coding.clone()));
        let whole = forms.ask(accepted.into_iter().collect()).await?;
        if condition.is_none_or(|condition| is_same(&condition, whole.headers(), modified))
            && let Some(range) = length(whole.headers()).and_then(|length| range::of(&range, length))
        {
            fields.insert(RANGE, range);
        }
    }
    let mut response = forms.ask(fields).await?;
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
    let length = length(fields).filter(|_| parts.method == Method::GET && status.is_success());
    let Some(length) = length else { return Ok(response.map(|()| Body::empty())) };
    let content = Content::new(forms.sent(), first(fields), length, reporter.clone());
    Ok(response.map(|()| content.whole().map_or_else(|| Body::of_file(content), Body::from)))
}

/// Returns the number of bytes that are sent.
fn length(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Returns the position in the file from which it is sent.
fn first(fields: &HeaderMap) -> u64 {
    let range = fields.get(CONTENT_RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes "));
    range.and_then(|range| range.split_once('-')?.0.parse().ok()).unwrap_or(0)
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
