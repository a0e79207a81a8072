//! The asynchronous sources of chunks: streams and HTTP bodies.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

#[cfg(feature = "http")]
use bytes::Buf;
use bytes::Bytes;

use crate::error::Error;
use crate::runtime::fairness::Turn;
use crate::runtime::wait;

/// A source that is polled for chunks.
pub(crate) trait Source {
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>;

    /// Returns `true` if the source's size hint says that more chunks are ready.
    #[cfg(feature = "stream")]
    fn has_more(&self) -> bool;
}

#[cfg(feature = "stream")]
pub(crate) struct OfStream<S>(Pin<Box<S>>);

#[cfg(feature = "stream")]
impl<S> OfStream<S> {
    pub(crate) fn new(stream: S) -> OfStream<S> {
        OfStream(Box::pin(stream))
    }
}

#[cfg(feature = "stream")]
impl<S, B, E> Source for OfStream<S>
where
    S: futures_core::Stream<Item = Result<B, E>>,
    B: Into<Bytes>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let item = ready!(self.0.as_mut().poll_next(context));
        Poll::Ready(item.map(|item| item.map(Into::into).map_err(|error| as_io(error.into()))))
    }

    fn has_more(&self) -> bool {
        self.0.size_hint().0 > 0
    }
}

#[cfg(feature = "http")]
pub(crate) struct OfBody<B>(Pin<Box<B>>);

#[cfg(feature = "http")]
impl<B> OfBody<B> {
    pub(crate) fn new(body: B) -> OfBody<B> {
        OfBody(Box::pin(body))
    }
}

#[cfg(feature = "http")]
impl<B> Source for OfBody<B>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        poll_data(self.0.as_mut(), context)
    }

    #[cfg(feature = "stream")]
    fn has_more(&self) -> bool {
        self.0.size_hint().lower() > 0
    }
}

/// Polls for the next bytes of a body. Skips trailers, which a program that reads cannot use.
#[cfg(feature = "http")]
pub(crate) fn poll_data<B>(mut body: Pin<&mut B>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    loop {
        match ready!(body.as_mut().poll_frame(context)) {
            Some(Ok(frame)) => {
                let Ok(mut data) = frame.into_data() else { continue };
                return Poll::Ready(Some(Ok(data.copy_to_bytes(data.remaining()))));
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(as_io(error.into())))),
            None => return Poll::Ready(None),
        }
    }
}

/// Converts the error of a stream or a body into an `io::Error`.
pub(crate) fn as_io(error: Box<dyn StdError + Send + Sync>) -> io::Error {
    match error.downcast::<io::Error>() {
        Ok(error) => *error,
        Err(error) => io::Error::other(error),
    }
}

/// A source without empty chunks, without anything after its end or error, and which yields to the executor in turn.
pub(crate) struct Supply<S> {
    /// `None` after the end.
    source: Option<S>,
    turn: Turn,
}

impl<S: Source> Supply<S> {
    pub(crate) fn new(source: S) -> Supply<S> {
        Supply { source: Some(source), turn: Turn::new() }
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        while let Some(source) = &mut self.source {
            ready!(self.turn.poll_yield(context));
            let polled = source.poll_data(context);
            self.turn.count_polled(&polled);
            match ready!(polled) {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => return Poll::Ready(Some(Ok(chunk))),
                end => {
                    self.source = None;
                    return Poll::Ready(end);
                }
            }
        }
        Poll::Ready(None)
    }

    #[cfg(feature = "stream")]
    pub(crate) fn has_more(&self) -> bool {
        self.source.as_ref().is_some_and(Source::has_more)
    }
}

/// A supply as an iterator for a program, which waits for each chunk as its engine waits.
pub(crate) struct Waited<S>(pub(crate) Supply<S>);

impl<S: Source> Iterator for Waited<S> {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        let Ok(item) = wait::until(|context| self.0.poll(context)) else {
            return Some(Err(Error::disconnected()));
        };
        if let Some(Ok(chunk)) = &item {
            wait::count(chunk.len());
        }
        item
    }
}
