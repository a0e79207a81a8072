//! The body of a request, written to its program as both sides allow.

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
    /// How many bytes more it may be long.
    left: u64,
    /// The client has to send something before it can go on.
    waits: bool,
}

impl Upload {
    pub(super) fn new(body: Source, stdin: OwnedFd, most: u64) -> io::Result<Upload> {
        let pipe = Sender::from_owned_fd_unchecked(nonblocking(stdin)?)?;
        Ok(Upload { body, chunk: Bytes::new(), pipe, left: most, waits: false })
    }

    /// Whether the program waits for the client.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// Moves what can be moved, and says how many bytes that were: ready when there is nothing more to be done. A program
    /// that has closed its input wants no more, which is no failure.
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
