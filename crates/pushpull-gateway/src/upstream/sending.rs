//! Sends a request to an application: its parameters and its body, as records.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};

use super::connection::Socket;
use crate::cgi::environ::Environ;
use crate::cgi::refusal::Refusal;
use crate::external::body_policy::{self, Source, Taken};
use crate::external::turn::{TURN, yield_turn};
use crate::fastcgi::{MAX_SLICES, Queue, Records, Role, Stream, begin_request, put_pair, records};

/// The id of every request. Each connection has one request at a time: many applications, such as php-fpm, support no
/// more.
pub(super) const ID: u16 = 1;

/// While this number of bytes is queued, no more of a body is read.
const MAX_QUEUED: usize = 64 * 1024;

/// How much of a file is read at once.
const PIECE: usize = 64 * 1024;

/// A request that is being sent.
pub(super) struct Sending {
    /// The records before the body.
    preamble: Bytes,
    body: Body,
    /// How many more bytes the body may have.
    left: u64,
    queue: Queue,
    /// Whether the client must send something before the request can continue.
    waits: bool,
    /// Whether the application accepts no more data.
    is_refused: bool,
}

enum Body {
    /// A spooled body, which can be read again.
    File {
        file: File,
        at: u64,
        is_ended: bool,
    },
    /// A streamed body. If `has_begun`, a part was read already, and cannot be sent again.
    Coming {
        source: Source,
        has_begun: bool,
        is_ended: bool,
    },
    Nothing,
}

impl Sending {
    /// Creates a request with these meta-variables, and a body of up to `max` bytes. If `keep` is set, the application
    /// keeps the connection open.
    pub(super) fn new(env: &Environ, body: Taken, max: u64, keep: bool) -> Sending {
        let mut preamble = BytesMut::new();
        preamble.put_slice(&begin_request(ID, Role::Responder, keep));
        let mut parameters = BytesMut::new();
        env.iter().for_each(|(name, value)| put_pair(&mut parameters, name, value));
        records(Stream::Params, ID, parameters.freeze()).put(&mut preamble);
        preamble.put_slice(&Records::end(Stream::Params, ID));
        let body = match body {
            Taken::Nothing => {
                preamble.put_slice(&Records::end(Stream::Stdin, ID));
                Body::Nothing
            }
            Taken::Whole(file) => Body::File { file: file.into(), at: 0, is_ended: false },
            Taken::Coming(source) => Body::Coming { source, has_begun: false, is_ended: false },
        };
        let preamble = preamble.freeze();
        let mut queue = Queue::new();
        queue.put_slice(&preamble);
        Sending { preamble, body, left: max, queue, waits: false, is_refused: false }
    }

    /// Begins again on another connection. Returns `false` if a part of the body was read already.
    pub(super) fn rewind(&mut self) -> bool {
        match &mut self.body {
            Body::File { at, is_ended, .. } => {
                self.left += *at;
                (*at, *is_ended) = (0, false);
            }
            Body::Coming { has_begun: true, .. } => return false,
            Body::Coming { .. } | Body::Nothing => {}
        }
        self.queue = Queue::new();
        self.queue.put_slice(&self.preamble);
        self.is_refused = false;
        true
    }

    /// Returns `true` if the whole request has been sent.
    pub(super) fn is_sent(&self) -> bool {
        self.body.is_ended() && self.queue.is_empty()
    }

    /// Returns `true` if the application waits for the client.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// Sends what can be sent, and adds the number of bytes to `moved`. If the application accepts no more data, it may
    /// have answered, which is not a failure.
    ///
    /// # Errors
    ///
    /// Returns an error if the body fails, or is too long.
    pub(super) fn poll(
        &mut self,
        socket: &mut Socket,
        moved: &mut u64,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        for _ in 0..TURN {
            if self.is_refused || self.is_sent() {
                return Ok(());
            }
            self.fill(context)?;
            self.waits = self.queue.is_empty();
            if self.waits {
                return Ok(());
            }
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = self.queue.slices(&mut slices);
            match socket.poll_write(&slices[..count], context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(written)) => {
                    self.queue.advance(written);
                    *moved += written as u64;
                }
                Poll::Ready(Err(_)) => self.is_refused = true,
            }
        }
        yield_turn(context);
        Ok(())
    }

    fn fill(&mut self, context: &mut Context<'_>) -> Result<(), Refusal> {
        while self.queue.len() < MAX_QUEUED && !self.body.is_ended() {
            match self.body.poll_data(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Some(Err(error))) => return Err(body_policy::failed(&error)),
                Poll::Ready(Some(Ok(data))) => {
                    let left = self.left.checked_sub(data.len() as u64);
                    self.left = left.ok_or_else(body_policy::too_large)?;
                    self.queue.put(Stream::Stdin, ID, data);
                }
                Poll::Ready(None) => {
                    self.queue.put_slice(&Records::end(Stream::Stdin, ID));
                }
            }
        }
        Ok(())
    }
}

impl Body {
    fn is_ended(&self) -> bool {
        match self {
            Body::Nothing => true,
            Body::File { is_ended, .. } | Body::Coming { is_ended, .. } => *is_ended,
        }
    }

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match self {
            Body::Nothing => Poll::Ready(None),
            Body::Coming { source, has_begun, is_ended } => {
                let data = ready!(source.as_mut().poll_data(context));
                (*has_begun, *is_ended) = (true, data.is_none());
                Poll::Ready(data)
            }
            // The file has just been written, so this hardly ever waits for a disk.
            Body::File { file, at, is_ended } => {
                let mut piece = BytesMut::zeroed(PIECE);
                match file.read_at(&mut piece, *at) {
                    Ok(0) => {
                        *is_ended = true;
                        Poll::Ready(None)
                    }
                    Ok(read) => {
                        *at += read as u64;
                        piece.truncate(read);
                        Poll::Ready(Some(Ok(piece.freeze())))
                    }
                    Err(error) => Poll::Ready(Some(Err(error))),
                }
            }
        }
    }
}
