//! What an application answers, out of its records.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};

use super::connection::Socket;
use super::sending::ID;
use crate::fastcgi::{Decoder, Malformed, ProtocolStatus, Record, Stream};

/// How much is read at once: little at first, more from an application that writes much.
const MIN_BUFFER: usize = 4 << 10;
const MAX_BUFFER: usize = 64 << 10;

/// An answer that comes.
#[derive(Debug)]
pub(super) struct Receiving {
    decoder: Decoder,
    buffer: BytesMut,
    size: usize,
    has_begun: bool,
    /// What was read and could not be taken.
    held: Option<Heard>,
}

/// A part of it.
#[derive(Debug)]
pub(super) enum Heard {
    Output(Bytes),
    Errors(Bytes),
    /// No output follows, and the end of the request may still be far.
    Closed,
    End(Ended),
}

/// How an application ended a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) app_status: u32,
    /// `None` for a number that the specification does not have.
    pub(super) status: Option<ProtocolStatus>,
}

impl Receiving {
    pub(super) fn new() -> Receiving {
        Receiving { decoder: Decoder::new(), buffer: BytesMut::new(), size: MIN_BUFFER, has_begun: false, held: None }
    }

    /// A byte has come.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The next part of what has been read. What is for another request, or of a type that no application sends, is passed
    /// over (3.3, 3.4).
    ///
    /// # Errors
    ///
    /// When it is no record.
    pub(super) fn next(&mut self) -> Result<Option<Heard>, Malformed> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        while let Some(record) = self.decoder.decode(&mut self.buffer)? {
            return Ok(Some(match record {
                Record::Stream { stream: Stream::Stdout, id: ID, content } if content.is_empty() => Heard::Closed,
                // The end of the messages says nothing that the end of the request does not.
                Record::Stream { content, .. } if content.is_empty() => continue,
                Record::Stream { stream: Stream::Stdout, id: ID, content } => Heard::Output(content),
                Record::Stream { stream: Stream::Stderr, id: ID, content } => Heard::Errors(content),
                Record::End { id: ID, app_status, status } => Heard::End(Ended { app_status, status }),
                _ => continue,
            }));
        }
        Ok(None)
    }

    /// It cannot be taken yet: it is the next again.
    pub(super) fn hold(&mut self, heard: Heard) {
        self.held = Some(heard);
    }

    /// Reads more: `false` at the end.
    pub(super) fn poll_read(&mut self, socket: &mut Socket, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.buffer.capacity() - self.buffer.len() < self.size / 2 {
            self.buffer.reserve(self.size);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let read = ready!(socket.poll_read(&mut self.buffer, context))?;
        self.has_begun |= read > 0;
        if read == room {
            self.size = (2 * self.size).min(MAX_BUFFER);
        }
        Poll::Ready(Ok(read > 0))
    }

    /// Nothing has come after the last record.
    pub(super) fn is_clean(&mut self) -> bool {
        matches!(self.decoder.decode(&mut self.buffer), Ok(None)) && self.decoder.finish(&self.buffer).is_ok()
    }
}
