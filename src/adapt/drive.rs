//! Moving the chunks of a stream into asynchronous sinks.

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

/// Writes all chunks of a stream into a `tokio::io::AsyncWrite`, and returns the number of bytes written.
///
/// This is the asynchronous form of [`drive`](fn@crate::drive). If the source's `size_hint` says that more chunks are
/// ready, small chunks are gathered into vectored writes. The sink is flushed whenever the source pauses, and at the
/// end. It is not shut down.
///
/// # Examples
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
/// If the source fails, returns its error, after everything before it is written and flushed. If the sink fails,
/// returns an error of the sink's kind, with the number of bytes written
/// ([`Error::bytes_moved`](crate::Error::bytes_moved)). The source is dropped then, which stops its program.
///
/// # Caveats
///
/// Dropping the future drops the source, and up to 64 KiB and a chunk that the sink has not taken.
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

/// Writes all chunks of a stream into a `futures_io::AsyncWrite`, and returns the number of bytes written.
///
/// Otherwise like `drive_tokio`.
///
/// # Errors
///
/// If the source fails, returns its error, after everything before it is written and flushed. If the sink fails,
/// returns an error of the sink's kind, with the number of bytes written
/// ([`Error::bytes_moved`](crate::Error::bytes_moved)). The source is dropped then, which stops its program.
///
/// # Caveats
///
/// As with `drive_tokio`, dropping the future drops the source and the bytes that the sink has not taken.
pub async fn drive_futures<S, B, E, W>(source: S, sink: &mut W) -> io::Result<u64>
where
    S: Stream<Item = Result<B, E>>,
    B: Into<Bytes>,
    E: Into<Box<dyn StdError + Send + Sync>>,
    W: futures_io::AsyncWrite + Unpin + ?Sized,
{
    Driven::new(OfStream::new(source)).into(OfFutures(sink)).await
}

/// The methods that the `AsyncWrite` traits of tokio and `futures_io` share.
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

/// A source that is being written into a sink.
struct Driven<S> {
    supply: Supply<S>,
    gathered: Gathered,
    moved: u64,
    /// Some bytes are written and not flushed.
    unflushed: bool,
    /// The result of a source that has ended.
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
        match (self.end, written) {
            (Some(Err(error)), _) => Err(uninterrupted(error)),
            (_, Err(_refused)) => Err(Error::disconnected()),
            (_, Ok(Err(error))) => Err(Error::sink(self.moved, error)),
            (_, Ok(Ok(()))) => Ok(self.moved),
        }
    }

    /// Moves what is ready. Ready when the source has ended and everything is flushed, or the sink has failed.
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

    /// Gathers the chunks that are ready, up to a full batch.
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
