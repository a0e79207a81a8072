//! The body of a request, written to its program at the pace of both sides.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use tokio::net::unix::pipe::Sender;

use super::streams::nonblocking;
use crate::cgi::refusal::Refusal;
use crate::external::body_policy::{self, Source};
use crate::external::turn::{TURN, yield_turn};

/// A body on its way to a program's standard input.
pub(super) struct Upload {
    body: Source,
    chunk: Bytes,
    pipe: Sender,
    /// How many more bytes the body may have.
    left: u64,
    /// Whether the client must send something before the upload can continue.
    waits: bool,
}

impl Upload {
    pub(super) fn new(body: Source, stdin: OwnedFd, max: u64) -> io::Result<Upload> {
        let pipe = Sender::from_owned_fd_unchecked(nonblocking(stdin)?)?;
        Ok(Upload { body, chunk: Bytes::new(), pipe, left: max, waits: false })
    }

    /// Returns `true` if the program waits for the client.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// Moves what can be moved, and adds the number of bytes to `moved`. Ready when nothing is left to do. If the
    /// program has closed its input, the rest of the body is dropped, which is not a failure.
    pub(super) fn poll(&mut self, moved: &mut u64, context: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        for _ in 0..TURN {
            self.waits = self.chunk.is_empty();
            if !self.waits {
                match ready!(Pin::new(&mut self.pipe).poll_write(context, &self.chunk)) {
                    Ok(written) => {
                        self.chunk.advance(written);
                        *moved += written as u64;
                    }
                    Err(_) => return Poll::Ready(Ok(())),
                }
                continue;
            }
            match ready!(self.body.as_mut().poll_data(context)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(body_policy::failed(&error))),
                Some(Ok(data)) => {
                    let Some(left) = self.left.checked_sub(data.len() as u64) else {
                        return Poll::Ready(Err(body_policy::too_large()));
                    };
                    self.left = left;
                    self.chunk = data;
                }
            }
        }
        yield_turn(context);
        Poll::Pending
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("waits", &self.waits).finish_non_exhaustive()
    }
}
