//! The body of a response, in the asynchronous world.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

use super::data::as_io;
use crate::adapt::body::{Held, Polled};
use crate::{Chunks, local};

/// The body of a gateway's response: what a program writes, or a text of the gateway's own. It is `Send`.
///
/// It keeps the program to its `Content-Length`: what is more goes nowhere, and what is less is an error. Errors cut the
/// message, so that a client can see that it is not whole.
///
/// Any other `http_body::Body` becomes one by [`Body::new`], and a text by `From`.
pub struct Body(Kind<Chunks, BoxBody>);

/// The same for a program on [`Local`](crate::Local). It is not `Send`.
pub struct LocalBody(Kind<local::Chunks, LocalBoxBody>);

type BoxBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = io::Error> + Send>>;
type LocalBoxBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = io::Error>>>;

enum Kind<C, B> {
    Whole(Bytes),
    Program(Written<C>),
    Other(B),
}

/// Either kind of chunks, asked by a poll.
pub trait Pull {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>;

    /// Nothing more will come, and it ended well.
    fn is_over(&self) -> bool;
}

macro_rules! pulls {
    ($($chunks:ty),*) => {$(
        impl Pull for $chunks {
            fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
                self.poll_in_turn(context)
            }

            fn is_over(&self) -> bool {
                <$chunks>::is_over(self)
            }
        }
    )*};
}

pulls!(Chunks, local::Chunks);

/// What a program writes after its head.
pub(super) struct Written<C> {
    /// A chunk that has been looked at already.
    pub(super) first: Option<Bytes>,
    pub(super) chunks: C,
    /// How many bytes are still to come, if the head said how many there are.
    pub(super) left: Option<u64>,
    held: Held,
}

impl<C: Pull> Written<C> {
    pub(super) fn new(first: Option<Bytes>, chunks: C, length: Option<u64>) -> Written<C> {
        Written { first, chunks, left: length, held: Held::default() }
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Polled {
        let Written { first, chunks, left, held } = self;
        held.poll(context, |context| match left {
            Some(left) => poll_measured(first, chunks, left, context),
            None => match first.take() {
                Some(chunk) => Poll::Ready(Some(Ok(chunk))),
                None => chunks.poll_chunk(context),
            },
        })
    }

    fn is_end_stream(&self) -> bool {
        let is_all = match self.left {
            Some(left) => left == 0,
            None => self.first.is_none() && self.chunks.is_over(),
        };
        is_all && self.held.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None => {
                let first = self.first.as_ref().map_or(0, Bytes::len) as u64;
                let mut hint = SizeHint::new();
                hint.set_lower(first);
                if self.held.is_empty() && self.chunks.is_over() {
                    hint.set_exact(first);
                }
                hint
            }
        }
    }
}

/// Asks for the next chunk of a body of which `left` bytes are to come.
fn poll_measured(
    first: &mut Option<Bytes>,
    chunks: &mut impl Pull,
    left: &mut u64,
    context: &mut Context<'_>,
) -> Poll<Option<io::Result<Bytes>>> {
    if *left == 0 {
        return Poll::Ready(None);
    }
    let mut chunk = match first.take() {
        Some(chunk) => chunk,
        None => match ready!(chunks.poll_chunk(context)) {
            Some(Ok(chunk)) => chunk,
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => {
                let message = format!("the program wrote {left} bytes fewer than its content length");
                return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))));
            }
        },
    };
    chunk.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
    *left -= chunk.len() as u64;
    if *left == 0 {
        // The host will not ask again: a program that is about to end does so well, and is not told that nobody reads.
        let _ = chunks.poll_chunk(context);
    }
    Poll::Ready(Some(Ok(chunk)))
}

macro_rules! bodies {
    ($body:ident, $chunks:ty, $boxed:ident, ($($send:tt)*)) => {
        impl $body {
            /// A body without a byte.
            pub fn empty() -> $body {
                $body(Kind::Whole(Bytes::new()))
            }

            /// Any other body, in a box.
            pub fn new<B>(body: B) -> $body
            where
                B: http_body::Body<Data = Bytes> $($send)* + 'static,
                B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
            {
                $body(Kind::Other(Box::pin(body.map_err(|error| as_io(error.into())))))
            }
        }

        impl From<Written<$chunks>> for $body {
            fn from(written: Written<$chunks>) -> $body {
                match written {
                    Written { first: Some(whole), chunks, left: None, .. } if chunks.is_over() => $body::from(whole),
                    written => $body(Kind::Program(written)),
                }
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
                    Kind::Other(body) => body.as_mut().poll_frame(context),
                }
            }

            fn is_end_stream(&self) -> bool {
                match &self.0 {
                    Kind::Whole(bytes) => bytes.is_empty(),
                    Kind::Program(written) => written.is_end_stream(),
                    Kind::Other(body) => body.is_end_stream(),
                }
            }

            fn size_hint(&self) -> SizeHint {
                match &self.0 {
                    Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
                    Kind::Program(written) => written.size_hint(),
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
