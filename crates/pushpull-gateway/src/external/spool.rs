//! Spools the body of a request before its program starts, so that a slow client occupies no program.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::pin::Pin;
use std::process;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body as HttpBody;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::pwrite;

use super::blocking;
use super::descriptors::with_room;
use super::limits::ProgramLimits;
use crate::app::data::poll_data;
use crate::cgi::refusal::{Refusal, status_of};

/// How much is written to the temporary file at once: a hop to another thread costs as much as writing a part of this
/// amount.
const BATCH: usize = 256 << 10;

/// A spooled body.
#[derive(Debug)]
pub(crate) struct Spooled {
    /// Positioned at its beginning. `None` if the body is empty.
    pub(crate) file: Option<OwnedFd>,
    pub(crate) length: u64,
}

/// Spools a body.
///
/// # Errors
///
/// Returns 408 or 413, or 400 if the body fails. If the body cannot be stored, returns 503 if threads or descriptors
/// are exhausted, 507 if storage is, and 500 otherwise.
pub(crate) async fn spool<B>(body: B, limits: &ProgramLimits) -> Result<Spooled, Refusal>
where
    B: HttpBody,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if body.is_end_stream() {
        return Ok(Spooled { file: None, length: 0 });
    }
    let mut body = Box::pin(body);
    let (mut held, mut length, mut file) = (Held::default(), 0, None);
    while let Some(data) = next(body.as_mut(), limits.get_timeout_idle()).await? {
        length += data.len() as u64;
        if length > limits.get_max_body() {
            return Err(too_large());
        }
        held.add(data);
        let max = if file.is_some() { BATCH } else { limits.get_max_memory() };
        if held.len() > max {
            file = Some(append(file, held.take()).await.map_err(not_kept)?);
        }
    }
    let file = match file {
        Some(file) => Some(append(Some(file), held.take()).await.and_then(rewound).map_err(not_kept)?),
        None if length == 0 => None,
        None => Some(in_memory(&held.take()).map_err(not_kept)?),
    };
    Ok(Spooled { file, length })
}

async fn next<B>(mut body: Pin<&mut B>, idle: Duration) -> Result<Option<Bytes>, Refusal>
where
    B: HttpBody,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match tokio::time::timeout(idle, poll_fn(|context| poll_data(body.as_mut(), context))).await {
        Ok(data) => data.transpose().map_err(|error| failed(&error)),
        Err(_) => Err(stalled()),
    }
}

pub(crate) fn too_large() -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the request's body is too large")
}

pub(crate) fn stalled() -> Refusal {
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "the client stopped sending the request's body")
}

/// Returns the refusal for a body that failed: that of the host, if the host knows what the client did wrong.
pub(crate) fn failed(error: &io::Error) -> Refusal {
    if let Some(refusal) = error.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>()) {
        return refusal.clone();
    }
    Refusal::bad_request(&format!("the request's body failed: {error}"))
}

fn not_kept(error: io::Error) -> Refusal {
    Refusal::new(status_of(&error), format!("the request's body cannot be kept: {error}"))
}

/// The bytes that have arrived and are not in a file. The first piece is kept as it arrived: usually there is only one.
#[derive(Default)]
struct Held {
    first: Bytes,
    more: Vec<u8>,
}

impl Held {
    fn len(&self) -> usize {
        self.first.len() + self.more.len()
    }

    fn add(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.more.is_empty() {
            self.more.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.more.extend_from_slice(&data);
    }

    fn take(&mut self) -> Bytes {
        if self.more.is_empty() { std::mem::take(&mut self.first) } else { std::mem::take(&mut self.more).into() }
    }
}

/// Appends to a temporary file, on a thread that may block on the disk.
async fn append(file: Option<File>, data: Bytes) -> io::Result<File> {
    let write = move || {
        let mut file = file.map_or_else(unnamed, Ok)?;
        file.write_all(&data)?;
        Ok(file)
    };
    blocking::run(write).await?
}

/// Creates a temporary file that no other user can open.
pub(crate) fn unnamed() -> io::Result<File> {
    let directory = env::temp_dir();
    // Otherwise, a program of another user could open the file again through `/proc`.
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    let nameless = with_room(|| options.clone().custom_flags(libc::O_TMPFILE | libc::O_EXCL).open(&directory));
    match nameless {
        // The file system or the kernel does not support files without a name.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOENT)) => {
            with_room(|| named_once(&directory, options.clone().create_new(true)))
        }
        made => made,
    }
}

/// Creates a temporary file and removes its name at once. The name is unpredictable, and an existing file is not
/// opened.
fn named_once(directory: &Path, options: &OpenOptions) -> io::Result<File> {
    loop {
        let path = directory.join(format!(".pushpull-{:016x}", RandomState::new().hash_one(process::id())));
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            file => {
                let file = file?;
                fs::remove_file(&path)?;
                return Ok(file);
            }
        }
    }
}

fn rewound(mut file: File) -> io::Result<OwnedFd> {
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

/// Creates a file in memory. Unlike a pipe, it takes any amount of data, and keeps it until the end.
fn in_memory(data: &[u8]) -> io::Result<OwnedFd> {
    let file = with_room(|| Ok(memfd_create(c"request body", MemfdFlags::CLOEXEC)?))?;
    let mut at = 0;
    while at < data.len() {
        at += pwrite(&file, &data[at..], at as u64)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_temporary_file_has_no_name_and_belongs_to_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600).create_new(true);
        for mut file in [unnamed().unwrap(), named_once(directory.path(), &options).unwrap()] {
            file.write_all(b"body").unwrap();
            let metadata = file.metadata().unwrap();
            assert_eq!((metadata.nlink(), metadata.mode() & 0o777, metadata.len()), (0, 0o600, 4));
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
