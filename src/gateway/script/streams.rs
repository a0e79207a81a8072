//! What a program writes, read without waiting.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use rustix::io::{ioctl_fionbio, ioctl_fionread};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// How much is read at once: little at first, more from a program that writes much.
const LEAST: usize = 4 << 10;
pub(super) const MOST_OUTPUT: usize = 64 << 10;
pub(super) const MOST_ERRORS: usize = 8 << 10;

/// One of a program's output streams.
#[derive(Debug)]
pub(super) struct Stream {
    pipe: Receiver,
    buffer: BytesMut,
    size: usize,
    most: usize,
    /// How many bytes are still to be read, when no more than these are.
    left: Option<usize>,
}

impl Stream {
    /// One that is read in pieces of at most `most` bytes.
    pub(super) fn new(pipe: OwnedFd, most: usize) -> io::Result<Stream> {
        let pipe = Receiver::from_owned_fd_unchecked(nonblocking(pipe)?)?;
        Ok(Stream { pipe, buffer: BytesMut::new(), size: LEAST, most, left: None })
    }

    /// The program has ended: what is in the pipe now is all that is read. Another process may hold the pipe open, and may
    /// even be writing.
    pub(super) fn finish(&mut self) {
        let waiting = ioctl_fionread(&self.pipe).unwrap_or(0);
        self.left = Some(usize::try_from(waiting).unwrap_or(usize::MAX));
    }

    /// The next bytes; `None` at the end.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let most = self.left.unwrap_or(usize::MAX).min(self.size);
        if most == 0 {
            return Poll::Ready(None);
        }
        if self.buffer.capacity() < self.size / 2 {
            self.buffer.reserve(self.size);
        }
        let room = self.buffer.capacity().min(most);
        let mut buffer = (&mut self.buffer).limit(room);
        // A pipe that cannot be read has nothing more to give.
        let read = ready!(pin!(self.pipe.read_buf(&mut buffer)).poll(context)).unwrap_or(0);
        if read == 0 {
            return Poll::Ready(None);
        }
        if read == room {
            self.size = (2 * self.size).min(self.most);
        }
        if let Some(left) = &mut self.left {
            *left -= read;
        }
        Poll::Ready(Some(self.buffer.split().freeze()))
    }
}

/// Only this end: the program's own is as it was.
pub(super) fn nonblocking(pipe: OwnedFd) -> io::Result<OwnedFd> {
    ioctl_fionbio(&pipe, true)?;
    Ok(pipe)
}
