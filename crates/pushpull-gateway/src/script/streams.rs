//! The output streams of a program, read without blocking.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{ioctl_fionbio, ioctl_fionread};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// How much is read at once: little at first, more if the program writes much.
const MIN_BUFFER: usize = 4 << 10;
pub(super) const MAX_OUTPUT: usize = 64 << 10;
pub(crate) const MAX_ERRORS: usize = 8 << 10;

/// One of a program's output streams.
#[derive(Debug)]
pub(crate) struct Stream {
    pipe: Receiver,
    buffer: BytesMut,
    size: usize,
    max: usize,
    /// How many bytes that the program itself wrote are still to be read, once it has ended.
    left: Option<usize>,
}

impl Stream {
    /// Creates a stream that is read in pieces of up to `max` bytes.
    pub(crate) fn new(pipe: OwnedFd, max: usize) -> io::Result<Stream> {
        let pipe = Receiver::from_owned_fd_unchecked(nonblocking(pipe)?)?;
        Ok(Stream { pipe, buffer: BytesMut::new(), size: MIN_BUFFER, max, left: None })
    }

    /// Notes what the program itself has written, now that it has ended: other processes may continue to write.
    pub(crate) fn mark(&mut self) {
        let waiting = ioctl_fionread(&self.pipe).unwrap_or(0);
        self.left = Some(usize::try_from(waiting).unwrap_or(usize::MAX));
    }

    /// Returns `true` if all that the program itself wrote has been read.
    pub(crate) fn is_past_mark(&self) -> bool {
        self.left == Some(0)
    }

    /// Returns `true` if no process holds the other end: only what is in the pipe is left.
    pub(super) fn is_hung_up(&self) -> bool {
        let mut asked = [PollFd::new(&self.pipe, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut asked, Some(&now)), Ok(1)) && asked[0].revents().contains(PollFlags::HUP)
    }

    /// Polls for the next bytes; `None` at the end.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.buffer.capacity() < self.size / 2 {
            self.buffer.reserve(self.size);
        }
        let room = self.buffer.capacity().min(self.size);
        let mut buffer = (&mut self.buffer).limit(room);
        // An error counts as the end.
        let read = ready!(pin!(self.pipe.read_buf(&mut buffer)).poll(context)).unwrap_or(0);
        if read == 0 {
            return Poll::Ready(None);
        }
        if read == room {
            self.size = (2 * self.size).min(self.max);
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(read);
        }
        Poll::Ready(Some(self.buffer.split().freeze()))
    }
}

/// Makes this end of a pipe nonblocking. The program's end is unchanged.
pub(super) fn nonblocking(pipe: OwnedFd) -> io::Result<OwnedFd> {
    ioctl_fionbio(&pipe, true)?;
    Ok(pipe)
}
