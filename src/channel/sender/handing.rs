//! Handing over chunks that exist already, without a copy.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::{Sender, Short};

impl Sender {
    /// Queues `bytes` without a copy, if nothing must go before it and there is room: the way of nearly every
    /// handed-over chunk. Otherwise returns `bytes`.
    #[inline]
    pub(in crate::channel) fn hand(&mut self, bytes: Bytes) -> Result<Short, Bytes> {
        let len = bytes.len();
        if self.pending() > 0 || len == 0 {
            return Err(bytes);
        }
        if len > self.allowance() {
            return self.hand_locked(bytes);
        }
        // Looked up first: bytes that were just made should be moved late, and once, or the processor waits for them.
        let Some(place) = self.row.place() else { return self.hand_locked(bytes) };
        place.fill(bytes);
        self.before += len as u64;
        Ok(if self.channel.calls() { Short::Called } else { Short::Done })
    }

    fn hand_locked(&mut self, bytes: Bytes) -> Result<Short, Bytes> {
        let len = bytes.len();
        let granted = self.channel.push(self.accepted(), bytes)?;
        self.handed(len, granted);
        if let Some(ring) = self.row.lend() {
            self.close();
            let granted = self.channel.lend(ring, self.accepted());
            self.allow(granted);
        }
        Ok(Short::Done)
    }

    /// Records that `len` handed-over bytes were queued, and `granted` more may be.
    fn handed(&mut self, len: usize, granted: usize) {
        self.before += len as u64;
        self.allow(granted);
        if let Some(tail) = &mut self.tail {
            tail.grant(0);
        }
    }

    /// Queues the parts of `bytes` for which there is room, without a copy. Ready when all of it is queued.
    pub(in crate::channel) fn poll_hand(&mut self, bytes: &mut Bytes, context: &Context<'_>) -> Poll<io::Result<()>> {
        self.boundary();
        while !bytes.is_empty() {
            let polled = self.channel.poll_push(self.accepted(), bytes, context);
            if polled.is_pending() {
                // A caller that gives up waiting must ask too, since it is still blocked.
                self.allow(0);
            }
            self.handed(ready!(polled)?, 0);
        }
        Poll::Ready(Ok(()))
    }
}
