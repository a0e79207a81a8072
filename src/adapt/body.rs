//! The trait `http_body::Body`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::{Chunks, local};

/// An HTTP body of what a program writes, from [`Chunks::into_body`].
///
/// If the program fails, the body ends with an error, and the client sees a truncated message. The body returns
/// `Pending` once before its error: hyper then sends everything written before the error, instead of discarding it.
#[derive(Debug)]
pub struct Body {
    chunks: Chunks,
    held: HeldError,
}

/// An HTTP body of what a program on [`Local`](crate::Local) writes, from
/// [`local::Chunks::into_body`](crate::local::Chunks::into_body).
///
/// It is not `Send`: poll it on the thread that created it. Errors are as with [`pushpull::Body`](crate::Body).
#[derive(Debug)]
pub struct LocalBody {
    chunks: local::Chunks,
    held: HeldError,
}

/// An error that is held back for one poll.
#[derive(Debug, Default)]
pub(crate) struct HeldError(Option<io::Error>);

pub(crate) type PolledFrame = Poll<Option<Result<Frame<Bytes>, io::Error>>>;

impl HeldError {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the size hint for `waiting` bytes that are ready; it is exact if `is_all`.
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
    /// Converts the chunks into an HTTP body, for hyper, axum and every other user of `http_body`.
    ///
    /// # Examples
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
    /// Converts the chunks into an HTTP body, for hyper and every other user of `http_body` on this thread.
    ///
    /// The program runs inside the body's poll.
    ///
    /// # Examples
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

    /// Returns `true` if everything was pulled, including the error of a program that failed.
    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.chunks.is_over()
    }

    /// Returns the number of bytes written and not yet pulled as the lower bound. It is exact once the program has
    /// ended well: see [`Chunks::head`].
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

    /// Returns `true` if everything was pulled, including the error of a program that failed.
    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.chunks.is_over()
    }

    /// Returns the size of the first chunk as the lower bound after [`local::Chunks::head`], and 0 before. It is exact
    /// if the program has ended well with that chunk.
    fn size_hint(&self) -> SizeHint {
        self.held.size_hint(self.chunks.waiting())
    }
}
