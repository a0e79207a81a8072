//! Moving chunks from an asynchronous source into the channel that a program reads from.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::source::{Source, Supply};
use crate::Writer;

/// A source that is being moved into a writer, and the one chunk for which there was no room yet.
pub(crate) struct Pump<S> {
    supply: Supply<S>,
    held: Bytes,
}

impl<S: Source> Pump<S> {
    pub(crate) fn new(source: S) -> Pump<S> {
        Pump { supply: Supply::new(source), held: Bytes::new() }
    }

    /// Moves the chunks that are ready. Ready when the source has ended and the writer is closed, or the program reads
    /// no more.
    pub(crate) fn poll(&mut self, writer: &mut Writer, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(writer.poll_write_bytes(&mut self.held, context)).is_err() {
                return Poll::Ready(());
            }
            match ready!(self.supply.poll(context)) {
                Some(Ok(chunk)) => self.held = chunk,
                end => {
                    writer.close(end.map_or(Ok(()), |error| error.map(drop)));
                    return Poll::Ready(());
                }
            }
        }
    }
}
