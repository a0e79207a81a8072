//! What a program writes, read without waiting.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{ioctl_fionbio, ioctl_fionread};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// How much is read at once: little at first, more from a program that writes much.
const MIN_BUFFER: usize = 4 << 10;
pub(super) const MAX_OUTPUT: usize = 64 << 10;
pub(super) const MAX_ERRORS: usize = 8 << 10;

/// One of a program's output streams.
#[derive(Debug)]
pub(super) struct Stream {
    pipe: Receiver,
    buffer: BytesMut,
    size: usize,
    most: usize,
    /// How many bytes of the program itself are still to be read, once it has ended.
    left: Option<usize>,
}

impl Stream {
    /// One that is read in pieces of at most `most` bytes.
    pub(super) fn new(pipe: OwnedFd, most: usize) -> io::Result<Stream> {
        let pipe = Receiver::from_owned_fd_unchecked(nonblocking(pipe)?)?;
        Ok(Stream { pipe, buffer: BytesMut::new(), size: MIN_BUFFER, most, left: None })
    }

    /// Notes what the program itself has written, now that it has ended: others may write on.
    pub(super) fn mark(&mut self) {
        let waiting = ioctl_fionread(&self.pipe).unwrap_or(0);
        self.left = Some(usize::try_from(waiting).unwrap_or(usize::MAX));
    }

    /// Returns `true` if all that the program itself has written was read.
    pub(super) fn is_past_mark(&self) -> bool {
        self.left == Some(0)
    }

    /// Returns `true` if no process holds the other end: what is in the pipe is all that will come.
    pub(super) fn is_hung_up(&self) -> bool {
        let mut asked = [PollFd::new(&self.pipe, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut asked, Some(&now)), Ok(1)) && asked[0].revents().contains(PollFlags::HUP)
    }

    /// The next bytes; `None` at the end.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.buffer.capacity() < self.size / 2 {
            self.buffer.reserve(self.size);
        }
        let room = self.buffer.capacity().min(self.size);
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
            *left = left.saturating_sub(read);
        }
        Poll::Ready(Some(self.buffer.split().freeze()))
    }
}

/// Only this end: the program's own is as it was.
pub(super) fn nonblocking(pipe: OwnedFd) -> io::Result<OwnedFd> {
    ioctl_fionbio(&pipe, true)?;
    Ok(pipe)
}
