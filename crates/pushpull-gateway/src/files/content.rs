//! The bytes of a file as a body, read without blocking the thread.
//!
//! Bytes in memory are read at once, where the system and the file system can tell. For others, which would keep this
//! thread waiting for a disk, another thread reads. So it is for all bytes on `tmpfs`, on FUSE, and elsewhere than on
//! Linux.

use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};

use super::reporter::Reporter;
use crate::external::blocking;
use crate::service::delayed::Polled;
use crate::site::tree::File;
use crate::sys::files::read_cached;

/// The maximum size of the pieces in which a file is read.
const MAX_PIECE: u64 = 64 << 10;

/// The maximum size of a part that the system sends by itself. Below the minimum, a read costs less.
#[cfg(all(target_os = "linux", feature = "server"))]
pub(crate) const MAX_PART: usize = 1 << 20;
#[cfg(all(target_os = "linux", feature = "server"))]
const MIN_PART: usize = 32 << 10;

/// The distance of the bytes that are looked at before a part is sent.
#[cfg(all(target_os = "linux", feature = "server"))]
const STEP: usize = 256 << 10;

/// A part of a file: the bytes that a response is still to send.
pub(crate) struct Content {
    file: Arc<File>,
    position: u64,
    left: u64,
    /// Whether another thread has to read.
    is_slow: bool,
    /// The bytes that another thread reads.
    waiting: Option<Waiting>,
    reporter: Reporter,
}

type Waiting = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

impl Content {
    pub(super) fn new(file: Arc<File>, position: u64, length: u64, reporter: Reporter) -> Content {
        Content { file, position, left: length, is_slow: false, waiting: None, reporter }
    }

    /// Returns the bytes, if they are few and in memory.
    pub(super) fn whole(&self) -> Option<Bytes> {
        let length = usize::try_from(self.left).ok().filter(|_| self.left <= MAX_PIECE / 4)?;
        let mut bytes = BytesMut::zeroed(length);
        let is_whole = length == 0
            || matches!(read_cached(&self.file.content, &mut bytes, self.position), Ok(read) if read == length);
        is_whole.then(|| bytes.freeze())
    }

    /// Polls for the next bytes.
    pub(crate) fn poll_frame(&mut self, context: &mut Context<'_>) -> Polled {
        let Ok(length @ 1..) = usize::try_from(self.left.min(MAX_PIECE)) else { return Poll::Ready(None) };
        let read = loop {
            if let Some(waiting) = &mut self.waiting {
                let read = ready!(waiting.as_mut().poll(context));
                self.waiting = None;
                break read;
            }
            if self.is_slow {
                self.wait_for(length);
                continue;
            }
            let mut bytes = BytesMut::zeroed(length);
            match read_cached(&self.file.content, &mut bytes, self.position) {
                Ok(length) => {
                    bytes.truncate(length);
                    break Ok(bytes.freeze());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait_for(length),
                Err(error) if error.kind() == ErrorKind::Unsupported => self.is_slow = true,
                Err(error) => break Err(error),
            }
        };
        let bytes = read.and_then(|bytes| not_empty(bytes.len()).map(|_| bytes));
        if let Ok(bytes) = &bytes {
            self.advance(bytes.len());
        }
        Poll::Ready(Some(bytes.map(Frame::data).map_err(|error| failed(&self.reporter, error))))
    }

    /// Starts to read on another thread.
    fn wait_for(&mut self, length: usize) {
        let (file, position) = (self.file.clone(), self.position);
        let read = move || {
            let mut bytes = BytesMut::zeroed(length);
            let length = file.content.read_at(&mut bytes, position)?;
            bytes.truncate(length);
            Ok(bytes.freeze())
        };
        self.waiting = Some(Box::pin(async move { blocking::run(read).await? }));
    }

    fn advance(&mut self, length: usize) {
        self.position += length as u64;
        self.left -= length as u64;
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Refuses a read of nothing: a file that ends before its length has been truncated, which must not look like its end.
fn not_empty(length: usize) -> io::Result<usize> {
    match length {
        0 => Err(io::Error::new(ErrorKind::UnexpectedEof, "the file became shorter")),
        length => Ok(length),
    }
}

/// Reports an error, which the client sees only as a response that is cut.
fn failed(reporter: &Reporter, error: io::Error) -> io::Error {
    reporter.failure(&error);
    error
}

/// A part of a file that the system sends from memory to a socket, without a copy in this process.
#[cfg(all(target_os = "linux", feature = "server"))]
pub(crate) struct Part {
    file: Arc<File>,
    position: u64,
    left: usize,
    reporter: Reporter,
}

#[cfg(all(target_os = "linux", feature = "server"))]
impl Content {
    /// Takes the next part, if it is large and in memory. Of each step one byte is looked at. The system may remove a
    /// page of memory between them, and then the socket's thread waits for it.
    pub(crate) fn take_part(&mut self) -> Option<Part> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(MAX_PART);
        if self.is_slow || self.waiting.is_some() || most < MIN_PART {
            return None;
        }
        let is_cached = |at: usize| read_cached(&self.file.content, &mut [0], self.position + at as u64).is_ok();
        let cached = (0..most).step_by(STEP).take_while(|at| is_cached((at + STEP).min(most) - 1)).count();
        let length = (cached * STEP).min(most);
        if length == 0 || !is_cached(0) {
            return None;
        }
        let part =
            Part { file: self.file.clone(), position: self.position, left: length, reporter: self.reporter.clone() };
        self.advance(length);
        Some(part)
    }
}

#[cfg(all(target_os = "linux", feature = "server"))]
impl Part {
    /// Returns the number of bytes that are not sent.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Returns `true` for an error of [`send`](Part::send) that is the file's and not the socket's: it could not be read, or
    /// has become shorter.
    pub(crate) fn is_broken(error: &io::Error) -> bool {
        error.kind() == ErrorKind::UnexpectedEof || error.raw_os_error() == Some(libc::EIO)
    }

    /// Sends as much as the socket accepts. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the socket has no room.
    pub(crate) fn send(&mut self, socket: &impl std::os::fd::AsFd) -> io::Result<usize> {
        let sent = crate::sys::files::send(&self.file.content, self.position, self.left, socket).and_then(not_empty);
        let sent = sent.map_err(|error| if Part::is_broken(&error) { failed(&self.reporter, error) } else { error })?;
        self.position += sent as u64;
        self.left -= sent;
        Ok(sent)
    }
}
