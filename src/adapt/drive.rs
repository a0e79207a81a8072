//! The loops that move a stream's chunks into asynchronous sinks.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use super::source::{OfStream, Source, Supply};
use crate::buf::write_batch::Gathered;
use crate::error::Error;
use crate::error::uninterrupted;
use crate::runtime::stop_waker::StopWaker;

/// As [`drive`](crate::drive), from a stream into a `tokio::io::AsyncWrite`: writes everything that `source` gives to
/// `sink`, and says how many bytes went in.
///
/// Small chunks that are there at once, by the source's own `size_hint`, are gathered into vectored writes. The sink is
/// flushed whenever the source pauses, and at the end; it is not shut down.
///
/// ```
/// use std::io::Write;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let chunks = pushpull::Local::new().pull(|w| w.write_all(b"as it is"));
/// let mut sink = Vec::new();
/// assert_eq!(pushpull::drive_tokio(chunks, &mut sink).await?, 8);
/// assert_eq!(sink, b"as it is");
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// The source's error, after everything that came before it was written and flushed. Or the sink's: it has the sink's
/// kind and says how many bytes had gone ([`Error::bytes_moved`](crate::Error::bytes_moved)); the source is dropped,
/// which stops the program behind it.
///
/// # Caveats
///
/// Dropping the future drops the source, and up to 64 KiB and a chunk that the sink had not taken yet.
#[cfg(feature = "tokio")]
pub async fn drive_tokio<S, B, E, W>(source: S, sink: &mut W) -> io::Result<u64>
where
    S: Stream<Item = Result<B, E>>,
    B: Into<Bytes>,
    E: Into<Box<dyn StdError + Send + Sync>>,
    W: tokio::io::AsyncWrite + Unpin + ?Sized,
{
    Driven::new(OfStream::new(source)).into(OfTokio(sink)).await
}

/// As `drive_tokio`, into an `AsyncWrite` of `futures_io`.
///
/// # Errors
///
/// The source's error, after everything that came before it was written and flushed. Or the sink's: it has the sink's
/// kind and says how many bytes had gone ([`Error::bytes_moved`](crate::Error::bytes_moved)); the source is dropped,
/// which stops the program behind it.
pub async fn drive_futures<S, B, E, W>(source: S, sink: &mut W) -> io::Result<u64>
where
    S: Stream<Item = Result<B, E>>,
    B: Into<Bytes>,
    E: Into<Box<dyn StdError + Send + Sync>>,
    W: futures_io::AsyncWrite + Unpin + ?Sized,
{
    Driven::new(OfStream::new(source)).into(OfFutures(sink)).await
}

/// What both worlds' sinks can do.
trait PollWrite {
    fn poll_write(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

#[cfg(feature = "tokio")]
struct OfTokio<'a, W: ?Sized>(&'a mut W);

struct OfFutures<'a, W: ?Sized>(&'a mut W);

macro_rules! sinks {
    ($($(#[$gate:meta])? $sink:ident: $trait:path),*) => {$(
        $(#[$gate])?
        impl<W: $trait + Unpin + ?Sized> PollWrite for $sink<'_, W> {
            fn poll_write(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
                match slices {
                    [slice] => Pin::new(&mut *self.0).poll_write(context, slice),
                    slices => Pin::new(&mut *self.0).poll_write_vectored(context, slices),
                }
            }

            fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut *self.0).poll_flush(context)
            }
        }
    )*};
}

sinks!(#[cfg(feature = "tokio")] OfTokio: tokio::io::AsyncWrite, OfFutures: futures_io::AsyncWrite);

/// A source on its way into a sink.
struct Driven<S> {
    supply: Supply<S>,
    gathered: Gathered,
    moved: u64,
    /// Something was written and not flushed.
    unflushed: bool,
    /// How the source ended, if it has.
    end: Option<io::Result<()>>,
}

impl<S: Source> Driven<S> {
    fn new(source: S) -> Driven<S> {
        let supply = Supply::new(source);
        Driven { supply, gathered: Gathered::default(), moved: 0, unflushed: false, end: None }
    }

    async fn into(mut self, mut sink: impl PollWrite) -> io::Result<u64> {
        let mut stop = StopWaker::default();
        let written = poll_fn(|context| stop.watch(self.poll(&mut sink, context), context)).await;
        let written = written.unwrap_or_else(|_| Err(Error::disconnected()));
        match (self.end, written) {
            (Some(Err(error)), _) => Err(uninterrupted(error)),
            (_, Err(error)) => Err(Error::sink(self.moved, error)),
            (_, Ok(())) => Ok(self.moved),
        }
    }

    /// Ready when the source has ended and everything is written and flushed, or the sink has failed.
    fn poll(&mut self, sink: &mut impl PollWrite, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.gather(context);
            if !self.gathered.is_empty() {
                let written = ready!(self.gathered.with_slices(|slices| sink.poll_write(context, slices)));
                self.moved += self.gathered.settle(written)?;
                self.unflushed = true;
                continue;
            }
            if self.unflushed || self.end.is_some() {
                match ready!(sink.poll_flush(context)) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    flushed => flushed?,
                }
                self.unflushed = false;
            }
            return if self.end.is_some() { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
    }

    /// Takes what is there, up to what one write is good for. Nothing, when the source pauses or has ended.
    fn gather(&mut self, context: &mut Context<'_>) {
        while self.end.is_none() && !self.gathered.is_full() && (self.gathered.is_empty() || self.supply.has_more()) {
            match self.supply.poll(context) {
                Poll::Ready(Some(Ok(chunk))) => self.gathered.push(chunk),
                Poll::Ready(end) => self.end = Some(end.map_or(Ok(()), |error| error.map(drop))),
                Poll::Pending => break,
            }
        }
    }
}
