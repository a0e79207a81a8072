//! `http_body::Body`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::{Chunks, local};

/// An HTTP body of what a program writes, made by [`Chunks::into_body`].
///
/// The body's error cuts the message, so that a client can see that it is not whole. Before it gives an error the body
/// waits one poll: hyper then sends everything that came before, instead of throwing it away.
#[derive(Debug)]
pub struct Body {
    chunks: Chunks,
    held: HeldError,
}

/// An HTTP body of what a program on [`Local`](crate::Local) writes, made by
/// [`local::Chunks::into_body`](crate::local::Chunks::into_body). It is not `Send`: poll it on the thread that made it.
///
/// The body's error cuts the message, so that a client can see that it is not whole. Before it gives an error the body
/// waits one poll: hyper then sends everything that came before, instead of throwing it away.
#[derive(Debug)]
pub struct LocalBody {
    chunks: local::Chunks,
    held: HeldError,
}

/// An error that waits one poll.
#[derive(Debug, Default)]
pub(crate) struct HeldError(Option<io::Error>);

pub(crate) type PolledFrame = Poll<Option<Result<Frame<Bytes>, io::Error>>>;

impl HeldError {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What is to be said of the length, with so many bytes there, and whether that is all.
    fn size_hint(&self, (waiting, is_all): (usize, bool)) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(waiting as u64);
        if is_all && self.is_empty() {
            hint.set_exact(waiting as u64);
        }
        hint
    }

    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        mut next: impl FnMut(&mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>,
    ) -> PolledFrame {
        if let Some(error) = self.0.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(next(context)) {
            Some(Ok(chunk)) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            None => Poll::Ready(None),
            Some(Err(error)) => {
                self.0 = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Chunks {
    /// The same bytes as an HTTP body, for hyper, axum and whoever else speaks `http_body`.
    ///
    /// ```
    /// use http_body_util::BodyExt;
    /// use std::io::Write;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let body = pushpull::Thread::new().pull(|w| w.write_all(b"hello")).into_body();
    /// assert_eq!(body.collect().await?.to_bytes(), "hello");
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_body(self) -> Body {
        Body { chunks: self, held: HeldError::default() }
    }
}

impl local::Chunks {
    /// The same bytes as an HTTP body, for hyper and whoever else speaks `http_body` on the thread that made it. The
    /// program runs inside the body's poll.
    ///
    /// ```
    /// use http_body_util::BodyExt;
    /// use std::io::Write;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let body = pushpull::Local::new().pull(|w| w.write_all(b"hello")).into_body();
    /// assert_eq!(body.collect().await?.to_bytes(), "hello");
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_body(self) -> local::Body {
        LocalBody { chunks: self, held: HeldError::default() }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> PolledFrame {
        let Body { chunks, held } = self.get_mut();
        held.poll(context, |context| chunks.poll_in_turn(context))
    }

    /// True only when everything was pulled, and so was the error, if it ended with one.
    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.chunks.is_over()
    }

    /// At least what has been written and not yet pulled; exactly that, once the program has ended well. See
    /// [`Chunks::head`].
    fn size_hint(&self) -> SizeHint {
        self.held.size_hint(self.chunks.waiting())
    }
}

impl http_body::Body for LocalBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> PolledFrame {
        let LocalBody { chunks, held } = self.get_mut();
        held.poll(context, |context| chunks.poll_in_turn(context))
    }

    /// True only when the program has ended and everything was pulled, and so was its error, if it failed.
    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.chunks.is_over()
    }

    /// Nothing is known before the program has run. After [`local::Chunks::head`] it is at least the first chunk, and
    /// exactly that when the program has ended well with it.
    fn size_hint(&self) -> SizeHint {
        self.held.size_hint(self.chunks.waiting())
    }
}
