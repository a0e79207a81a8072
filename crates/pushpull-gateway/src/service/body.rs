//! The body of a response.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::stream::FusedStream;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

use super::delayed::{Delayed, Polled};
use crate::app::data::as_io;
#[cfg(all(feature = "files", unix))]
use crate::files::content::Content;
use pushpull::{Chunks, local};

/// The body of a response: the output of a program, or a text of the gateway. It is `Send`.
///
/// An error aborts the response, so that the client sees that it is truncated.
///
/// [`Body::new`] converts any other `http_body::Body`; `From` converts a text.
pub struct Body(Kind<Chunks, BoxBody>);

/// The body of a response whose program runs on [`Local`](pushpull::Local). It is not `Send`.
pub struct LocalBody(Kind<local::Chunks, LocalBoxBody>);

type BoxBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = io::Error> + Send>>;
type LocalBoxBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = io::Error>>>;

enum Kind<C, B> {
    Whole(Bytes),
    Program(Written<C>),
    #[cfg(all(feature = "files", unix))]
    File(Box<Content>),
    Other(B),
}

/// The chunks of a bridge of either kind, polled.
pub trait Pull: FusedStream<Item = io::Result<Bytes>> + Unpin {
    /// Polls for the number of times that the program has waited; ready when it exceeds `after`. Call it after a poll
    /// for a chunk returned `Pending`.
    fn poll_blocked(&mut self, after: u64, context: &mut Context<'_>) -> Poll<u64>;

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        Pin::new(self).poll_next(context)
    }
}

impl Pull for Chunks {
    fn poll_blocked(&mut self, after: u64, context: &mut Context<'_>) -> Poll<u64> {
        // If the caller itself is to stop, its next poll returns the error.
        pin!(self.blocked().after(after)).poll(context).map(|waits| waits.unwrap_or(u64::MAX))
    }
}

impl Pull for local::Chunks {
    /// The poll for a chunk has run the program up to a wait.
    fn poll_blocked(&mut self, after: u64, _: &mut Context<'_>) -> Poll<u64> {
        Poll::Ready(after.saturating_add(1))
    }
}

/// The output of a program after its head.
pub(crate) struct Written<C> {
    pub(crate) chunks: C,
    /// A chunk that was pulled already.
    pub(crate) first: Option<Bytes>,
    /// Whether the mark of the head is still to come.
    pub(crate) marked: bool,
    /// How many bytes are still to come, if the head has a length.
    pub(crate) left: Option<u64>,
    held: Delayed,
}

impl<C: Pull> Written<C> {
    pub(crate) fn new(chunks: C, first: Option<Bytes>, marked: bool, length: Option<u64>) -> Written<C> {
        Written { chunks, first, marked, left: length, held: Delayed::default() }
    }

    /// Returns the whole body, if it is complete.
    fn into_whole(mut self) -> Result<Bytes, Written<C>> {
        let is_whole = self.left.is_none() && !self.marked && self.chunks.is_terminated();
        if is_whole { Ok(self.first.take().unwrap_or_default()) } else { Err(self) }
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Polled {
        let Written { chunks, first, marked, left, held } = self;
        held.poll(context, |context| match left {
            Some(0) => Poll::Ready(None),
            Some(left) => {
                let chunk = ready!(poll_chunk(chunks, first, marked, context));
                // Nothing follows an error, or an end before the length is reached.
                *left =
                    chunk.as_ref().and_then(|chunk| chunk.as_ref().ok()).map_or(0, |chunk| *left - chunk.len() as u64);
                Poll::Ready(chunk)
            }
            None => poll_chunk(chunks, first, marked, context),
        })
    }

    fn is_end_stream(&self) -> bool {
        let is_all = match self.left {
            Some(left) => left == 0,
            None => self.first.is_none() && !self.marked && self.chunks.is_terminated(),
        };
        is_all && self.held.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None if self.is_end_stream() => SizeHint::with_exact(0),
            None => {
                let mut hint = SizeHint::new();
                hint.set_lower(self.first.as_ref().map_or(0, Bytes::len) as u64);
                hint
            }
        }
    }
}

/// Polls for the next chunk of the body. Skips the mark of the head.
fn poll_chunk(
    chunks: &mut impl Pull,
    first: &mut Option<Bytes>,
    marked: &mut bool,
    context: &mut Context<'_>,
) -> Poll<Option<io::Result<Bytes>>> {
    if let Some(first) = first.take() {
        return Poll::Ready(Some(Ok(first)));
    }
    loop {
        match ready!(chunks.poll_chunk(context)) {
            Some(Ok(_)) if *marked => *marked = false,
            polled => return Poll::Ready(polled),
        }
    }
}

pin_project! {
    /// A body of another kind, whose errors are converted to `io::Error`.
    struct Other<B> {
        #[pin]
        body: B,
    }
}

impl<B> http_body::Body for Other<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        self.project().body.poll_frame(context).map_err(|error| as_io(error.into()))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(all(feature = "files", unix))]
impl Body {
    /// Creates a body of a file.
    pub(crate) fn of_file(content: Content) -> Body {
        Body(Kind::File(Box::new(content)))
    }

    /// Takes the file of a body that is one, and leaves the body empty.
    #[cfg(all(feature = "server", target_os = "linux"))]
    pub(crate) fn take_file(&mut self) -> Option<Box<Content>> {
        match std::mem::take(self).0 {
            Kind::File(content) => Some(content),
            other => {
                self.0 = other;
                None
            }
        }
    }
}

macro_rules! bodies {
    ($body:ident, $chunks:ty, $boxed:ident, ($($send:tt)*)) => {
        impl $body {
            /// Creates an empty body.
            pub fn empty() -> $body {
                $body(Kind::Whole(Bytes::new()))
            }

            /// Creates a body from any other body, in a box.
            pub fn new<B>(body: B) -> $body
            where
                B: http_body::Body<Data = Bytes> $($send)* + 'static,
                B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
            {
                $body(Kind::Other(Box::pin(Other { body })))
            }
        }

        impl From<Written<$chunks>> for $body {
            fn from(written: Written<$chunks>) -> $body {
                written.into_whole().map_or_else(|written| $body(Kind::Program(written)), $body::from)
            }
        }

        impl From<Bytes> for $body {
            fn from(bytes: Bytes) -> $body {
                $body(Kind::Whole(bytes))
            }
        }

        impl From<String> for $body {
            fn from(text: String) -> $body {
                $body::from(Bytes::from(text))
            }
        }

        impl From<&'static str> for $body {
            fn from(text: &'static str) -> $body {
                $body::from(Bytes::from(text))
            }
        }

        impl Default for $body {
            fn default() -> $body {
                $body::empty()
            }
        }

        impl http_body::Body for $body {
            type Data = Bytes;
            type Error = io::Error;

            fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
                match &mut self.get_mut().0 {
                    Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
                    Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
                    Kind::Program(written) => written.poll_frame(context),
                    #[cfg(all(feature = "files", unix))]
                    Kind::File(content) => content.poll_frame(context),
                    Kind::Other(body) => body.as_mut().poll_frame(context),
                }
            }

            fn is_end_stream(&self) -> bool {
                match &self.0 {
                    Kind::Whole(bytes) => bytes.is_empty(),
                    Kind::Program(written) => written.is_end_stream(),
                    #[cfg(all(feature = "files", unix))]
                    Kind::File(content) => content.is_end_stream(),
                    Kind::Other(body) => body.is_end_stream(),
                }
            }

            fn size_hint(&self) -> SizeHint {
                match &self.0 {
                    Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
                    Kind::Program(written) => written.size_hint(),
                    #[cfg(all(feature = "files", unix))]
                    Kind::File(content) => content.size_hint(),
                    Kind::Other(body) => body.size_hint(),
                }
            }
        }

        impl fmt::Debug for $body {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Body").field("size_hint", &http_body::Body::size_hint(self)).finish_non_exhaustive()
            }
        }
    };
}

bodies!(Body, Chunks, BoxBody, (+ Send));
bodies!(LocalBody, local::Chunks, LocalBoxBody, ());
