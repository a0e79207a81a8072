//! Spools the body of a request before its program starts, so that a slow client occupies no program.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body as HttpBody;

use super::blocking;
use super::limits::ProgramLimits;
use crate::app::data::poll_data;
use crate::cgi::refusal::{Refusal, status_of};
use crate::sys::files::{in_memory, unnamed};

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

fn rewound(mut file: File) -> io::Result<OwnedFd> {
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}
