//! Reads a file without blocking the thread.
//!
//! Bytes in memory are read at once, where the system and the file system can tell. For others, which would keep this
//! thread waiting for a disk, another thread reads. So it is for all bytes on `tmpfs`, on FUSE, and elsewhere than on
//! Linux.

use std::future::{self, Ready};
use std::io::{self, ErrorKind, SeekFrom};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs;

use super::reporter::Reporter;
use crate::external::blocking;
use crate::site::tree::File;
use crate::sys::files::read_cached;

/// A file at a position, up to the length that it had when it was opened.
pub(super) struct Content {
    file: Arc<File>,
    position: u64,
    /// Whether another thread has to read.
    is_slow: bool,
    /// The bytes that another thread reads. The lock is for `Sync` alone: it is never contended.
    waiting: Option<Mutex<Waiting>>,
    reporter: Reporter,
}

type Waiting = Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send>>;

/// What tower-http asks about a file.
#[derive(Clone, Copy)]
pub(super) struct About {
    length: u64,
    modified: Option<SystemTime>,
}

impl Content {
    pub(super) fn new(file: Arc<File>, reporter: Reporter) -> Content {
        Content { file, position: 0, is_slow: false, waiting: None, reporter }
    }

    /// Starts to read on another thread.
    fn wait_for(&mut self, length: usize) {
        let (file, position) = (self.file.clone(), self.position);
        let read = move || {
            let mut bytes = vec![0; length];
            let length = file.content.read_at(&mut bytes, position)?;
            bytes.truncate(length);
            Ok(bytes)
        };
        self.waiting = Some(Mutex::new(Box::pin(async move { blocking::run(read).await? })));
    }
}

impl About {
    pub(super) fn of(file: &File) -> About {
        About { length: file.length, modified: file.modified }
    }
}

impl AsyncRead for Content {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let left = usize::try_from(this.file.length.saturating_sub(this.position)).unwrap_or(usize::MAX);
        let wanted = left.min(into.remaining());
        if wanted == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if let Some(waiting) = &mut this.waiting {
                let read = ready!(waiting.get_mut().as_mut().poll(context));
                this.waiting = None;
                let mut bytes = read.map_err(|error| this.failed(error))?;
                bytes.truncate(wanted);
                into.put_slice(&bytes);
                return Poll::Ready(this.advance(bytes.len()));
            }
            if this.is_slow {
                this.wait_for(wanted);
                continue;
            }
            match read_cached(&this.file.content, into.initialize_unfilled_to(wanted), this.position) {
                Ok(length) => {
                    into.advance(length);
                    return Poll::Ready(this.advance(length));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => this.wait_for(wanted),
                Err(error) if error.kind() == ErrorKind::Unsupported => this.is_slow = true,
                Err(error) => return Poll::Ready(Err(this.failed(error))),
            }
        }
    }
}

impl Content {
    /// Moves the position. A file that ends before its length has been truncated, which must not look like its end.
    fn advance(&mut self, length: usize) -> io::Result<()> {
        self.position += length as u64;
        if length > 0 {
            return Ok(());
        }
        Err(self.failed(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter")))
    }

    /// Reports an error, which the client sees only as a response that is cut.
    fn failed(&self, error: io::Error) -> io::Error {
        self.reporter.failure(&error);
        error
    }
}

impl AsyncSeek for Content {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let SeekFrom::Start(position) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        self.get_mut().position = position;
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position))
    }
}

impl fs::File for Content {
    type Metadata = About;
    type MetadataFuture<'a> = Ready<io::Result<About>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        future::ready(Ok(About::of(&self.file)))
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
