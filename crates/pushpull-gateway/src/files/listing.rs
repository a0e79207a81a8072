//! Reads a directory, to show it as a page.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::SystemTime;

use http::header::X_CONTENT_TYPE_OPTIONS;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response};
use rustix::fs::{AtFlags, Dir, FileType, statat};
use rustix::io::Errno;

use super::page::{Order, Page};
use super::place::Place;
use crate::cgi::refusal::{Refusal, status_of};
use crate::external::blocking;
use crate::service::body::Body;
use crate::site::Site;

/// The maximum number of entries of a page. Of a larger directory, as many are shown as were found first.
const MAX_ENTRIES: usize = 10_000;

/// An entry of a directory: a file or a directory.
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) is_directory: bool,
    pub(super) length: u64,
    pub(super) modified: Option<SystemTime>,
}

/// Sends a page that lists a directory.
///
/// # Errors
///
/// Returns an error if the directory cannot be read.
pub(super) async fn send(
    site: &Site,
    directory: OwnedFd,
    place: &Place,
    parts: &Parts,
) -> Result<Response<Body>, Refusal> {
    let (site, path) = (site.clone(), place.path.clone());
    let read = blocking::run(move || read(&site, directory, &path)).await.and_then(|read| read);
    let (entries, is_complete) =
        read.map_err(|error| Refusal::new(status_of(&error), format!("cannot read the directory: {error}")))?;
    let order = Order::of(parts.uri.query());
    let page = Page { mount: &place.mount, path: &place.path, order, is_complete }.html(entries);
    let length = page.len();
    let mut response = Response::new(if parts.method == Method::HEAD { Body::empty() } else { Body::from(page) });
    let fields = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Nothing but the page's own style: a name that slipped through as HTML could load and run nothing.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"),
        (CACHE_CONTROL, "no-cache"),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

/// Returns the entries that the site shows, and whether they are all.
fn read(site: &Site, directory: OwnedFd, path: &[u8]) -> io::Result<(Vec<Entry>, bool)> {
    let at = directory.try_clone()?;
    let flags = if site.follows_links() { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let mut entries = Vec::new();
    for entry in Dir::new(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !site.is_shown(&[path, name].concat()) {
            continue;
        }
        let about = match statat(&at, OsStr::from_bytes(name), flags) {
            Ok(about) => about,
            // It may be gone by now, or be a link to nothing.
            Err(Errno::NOENT | Errno::ACCESS | Errno::LOOP | Errno::NOTDIR) => continue,
            // A page that leaves out a file looks like all of them.
            Err(error) => return Err(error.into()),
        };
        let is_directory = match FileType::from_raw_mode(about.st_mode) {
            FileType::Directory => true,
            FileType::RegularFile => false,
            _ => continue,
        };
        if entries.len() == MAX_ENTRIES {
            return Ok((entries, false));
        }
        let since = u64::try_from(about.st_mtime).ok().map(std::time::Duration::from_secs);
        entries.push(Entry {
            name: name.to_vec(),
            is_directory,
            length: u64::try_from(about.st_size).unwrap_or_default(),
            modified: since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)),
        });
    }
    Ok((entries, true))
}
