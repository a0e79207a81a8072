//! The polls of the writing end, for an asynchronous producer.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::writer::{Outlet, Writer};
#[cfg(feature = "stream")]
use crate::buf::chunker::poll_write_each;
use crate::error::Error;
use crate::runtime::fairness::Turn;
use crate::runtime::stop_waker::StopWaker;

/// The state of a writer that is polled.
#[derive(Debug, Default)]
pub(super) struct WrittenByTask {
    /// The bytes that the task has moved since it last waited.
    turn: Turn,
    stop: StopWaker,
}

impl Writer {
    /// Hands over `bytes` without a copy, and removes what is accepted. Ready when all bytes are accepted. If the bridge is
    /// full, the waker is woken when there is room.
    ///
    /// ```
    /// use std::task::{Context, Waker};
    ///
    /// let (mut writer, mut chunks) = pushpull::pipe(4);
    /// let mut context = Context::from_waker(Waker::noop());
    /// let mut bytes = bytes::Bytes::from_static(b"abcdef");
    /// assert!(writer.poll_write_bytes(&mut bytes, &mut context).is_pending());
    /// assert_eq!(bytes, "ef");
    /// assert_eq!(chunks.next().unwrap()?, "abcd");
    /// assert!(writer.poll_write_bytes(&mut bytes, &mut context).is_ready());
    /// assert_eq!(chunks.next().unwrap()?, "ef");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for every write: see [`Writer`].
    pub fn poll_write_bytes(&mut self, bytes: &mut Bytes, context: &Context<'_>) -> Poll<io::Result<()>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.polled.turn.poll_yield(context));
        let handed = match &mut self.outlet {
            Outlet::Channel(sender) => sender.poll_hand(bytes, context),
            Outlet::Sink(sink) => return Poll::Ready(sink.write_all(bytes)),
            Outlet::Closed => return Poll::Ready(Err(Error::disconnected())),
        };
        self.settle_poll(handed, context)
    }

    /// Counts accepted bytes (law 13). A task that waits gets a new turn afterwards.
    fn settle_poll<T>(&mut self, polled: Poll<io::Result<T>>, context: &Context<'_>) -> Poll<io::Result<T>> {
        let polled = self.polled.stop.watch(polled, context);
        let polled = polled.map(|polled| polled.unwrap_or_else(|_| Err(Error::disconnected())));
        match (&polled, &mut self.outlet) {
            (Poll::Ready(Ok(_)), Outlet::Channel(sender)) => self.polled.turn.count(sender.count()),
            _ => self.polled.turn = Turn::new(),
        }
        polled.map_err(|error| self.refuse(error))
    }
}

#[cfg(feature = "stream")]
impl Writer {
    /// Writes as many bytes as there is room for, at least one. If there is no room, registers the waker.
    #[inline]
    pub(crate) fn poll_write(&mut self, buf: &[u8], context: &Context<'_>) -> Poll<io::Result<usize>> {
        if self.write_short(buf)? { Poll::Ready(Ok(buf.len())) } else { self.poll_write_slow(buf, context) }
    }

    fn poll_write_slow(&mut self, buf: &[u8], context: &Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.polled.turn.poll_yield(context));
        let written = match &mut self.outlet {
            Outlet::Channel(sender) => sender.poll_write(buf, Some(context)),
            Outlet::Sink(sink) => return Poll::Ready(sink.write(buf)),
            Outlet::Closed => return Poll::Ready(Err(Error::disconnected())),
        };
        self.settle_poll(written, context)
    }

    pub(crate) fn poll_write_vectored(
        &mut self,
        bufs: &[io::IoSlice<'_>],
        context: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        poll_write_each(bufs, |buf| self.poll_write(buf, context))
    }
}
