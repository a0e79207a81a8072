//! Reads an application's response from its records.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};

use super::connection::Socket;
use super::sending::ID;
use crate::fastcgi::{Decoder, Malformed, ProtocolStatus, Record, Stream};

/// How much is read at once: little at first, more if the application writes much.
const MIN_BUFFER: usize = 4 << 10;
const MAX_BUFFER: usize = 64 << 10;

/// A response that is arriving.
#[derive(Debug)]
pub(super) struct Receiving {
    decoder: Decoder,
    buffer: BytesMut,
    size: usize,
    has_begun: bool,
    /// A part that could not be taken yet.
    held: Option<Heard>,
}

/// A part of a response.
#[derive(Debug)]
pub(super) enum Heard {
    Output(Bytes),
    Errors(Bytes),
    /// No output follows, but the request may take much longer.
    Closed,
    End(Ended),
}

/// How an application ended a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) app_status: u32,
    /// `None` if the specification does not define the number.
    pub(super) status: Option<ProtocolStatus>,
}

impl Receiving {
    pub(super) fn new() -> Receiving {
        Receiving { decoder: Decoder::new(), buffer: BytesMut::new(), size: MIN_BUFFER, has_begun: false, held: None }
    }

    /// Returns `true` if a byte has arrived.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Returns the next part that has been read. Skips records of other requests, and of types that no application
    /// sends (FastCGI 3.3, 3.4).
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not a record.
    pub(super) fn next(&mut self) -> Result<Option<Heard>, Malformed> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        while let Some(record) = self.decoder.decode(&mut self.buffer)? {
            return Ok(Some(match record {
                Record::Stream { stream: Stream::Stdout, id: ID, content } if content.is_empty() => Heard::Closed,
                // The end of the request implies the end of the messages.
                Record::Stream { content, .. } if content.is_empty() => continue,
                Record::Stream { stream: Stream::Stdout, id: ID, content } => Heard::Output(content),
                Record::Stream { stream: Stream::Stderr, id: ID, content } => Heard::Errors(content),
                Record::End { id: ID, app_status, status } => Heard::End(Ended { app_status, status }),
                _ => continue,
            }));
        }
        Ok(None)
    }

    /// Puts back a part that cannot be taken yet. `next` returns it again.
    pub(super) fn hold(&mut self, heard: Heard) {
        self.held = Some(heard);
    }

    /// Reads more bytes. Returns `false` at the end.
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

    /// Returns `true` if nothing has arrived after the last record.
    pub(super) fn is_clean(&mut self) -> bool {
        matches!(self.decoder.decode(&mut self.buffer), Ok(None)) && self.decoder.finish(&self.buffer).is_ok()
    }
}
