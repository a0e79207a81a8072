//! The response of a service: waits for the head, and for what follows it.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::{Method, Response};
use tokio::runtime::Handle;
use tokio::time::Sleep;

use super::body::{Pull, Written};
use crate::app::output::{Held, Mark, Slot};
use crate::cgi::head::{HeadError, ResponseHead, has_no_body};
use crate::cgi::refusal::Refusal;

/// How many bytes are drained from a program whose output is not sent, so that the program can end by itself.
pub(crate) const MAX_DRAINED: u64 = 16 << 20;

/// How long draining may take.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(10);

/// The future of a [`Service`](crate::Service)'s response.
pub struct ResponseFuture<C, R> {
    state: State<C>,
    body: PhantomData<fn() -> R>,
}

enum State<C> {
    Refused(Refusal),
    /// Waits for the mark of the head.
    Asked(Asked<C>),
    /// The head is complete, and something may follow it already.
    Headed(Headed<C>),
    Draining(Draining<C>),
    Answered,
}

struct Asked<C> {
    chunks: C,
    slot: Slot,
    is_head: bool,
}

struct Headed<C> {
    chunks: C,
    head: ResponseHead,
    mark: Option<Mark>,
}

/// Drains an output that is not sent.
struct Draining<C> {
    chunks: C,
    head: ResponseHead,
    left: u64,
    began: Instant,
    /// Wakes a drain that waits, in a tokio runtime.
    time: Option<Pin<Box<Sleep>>>,
}

impl<C: Pull, R> ResponseFuture<C, R> {
    pub(crate) fn new(chunks: C, slot: Slot, method: &Method) -> ResponseFuture<C, R> {
        ResponseFuture::in_state(State::Asked(Asked { chunks, slot, is_head: *method == Method::HEAD }))
    }

    pub(crate) fn refused(refusal: Refusal) -> ResponseFuture<C, R> {
        ResponseFuture::in_state(State::Refused(refusal))
    }

    fn in_state(state: State<C>) -> ResponseFuture<C, R> {
        ResponseFuture { state, body: PhantomData }
    }
}

impl<C: Pull> Asked<C> {
    /// Polls for the head and its mark. There is no mark if the program waits with its head complete.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(ResponseHead, Option<Mark>), Refusal>> {
        let Poll::Ready(first) = self.chunks.poll_chunk(context) else {
            return self.poll_waiting(context).map(|head| Ok((head, None)));
        };
        Poll::Ready(match (first, self.slot.lock().take()) {
            (Some(Ok(mark)), Some(Held { head, .. })) => Ok((head, Some(Mark::of(&mark)))),
            (Some(Err(error)), _) => Err(Refusal::of_failure(&error)),
            (_, _) => Err(Refusal::of_failure(&HeadError::Incomplete.into())),
        })
    }

    /// Polls for the head of a program that has waited since its head was complete.
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<ResponseHead> {
        // Registers the waker first, so that a wait in between is not missed.
        let _ = self.chunks.poll_blocked(u64::MAX, context);
        let mut slot = self.slot.lock();
        let Some(Held { waits, .. }) = &*slot else { return Poll::Pending };
        ready!(self.chunks.poll_blocked(*waits, context));
        slot.take().map_or(Poll::Pending, |held| Poll::Ready(held.head))
    }
}

impl<C: Pull> Headed<C> {
    /// Polls for what has followed the head so far.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<bytes::Bytes>, Refusal>> {
        if matches!(self.mark, None | Some(Mark::Flush)) {
            return Poll::Ready(Ok(None));
        }
        match self.chunks.poll_chunk(context) {
            Poll::Ready(Some(Ok(chunk))) => Poll::Ready(Ok(Some(chunk))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Err(Refusal::of_failure(&error))),
            Poll::Ready(None) => Poll::Ready(Ok(None)),
            Poll::Pending if self.mark == Some(Mark::Failure) => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(None)),
        }
    }
}

impl<C: Pull> Draining<C> {
    fn new(chunks: C, head: ResponseHead) -> Draining<C> {
        Draining { chunks, head, left: MAX_DRAINED, began: Instant::now(), time: None }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        while self.began.elapsed() < DRAIN_TIME {
            match self.chunks.poll_chunk(context) {
                Poll::Ready(Some(Ok(chunk))) if self.left > chunk.len() as u64 => self.left -= chunk.len() as u64,
                Poll::Ready(Some(Ok(_)) | None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Refusal::of_failure(&error))),
                Poll::Pending => {
                    if self.time.is_none() && Handle::try_current().is_ok() {
                        self.time = Some(Box::pin(tokio::time::sleep(DRAIN_TIME.saturating_sub(self.began.elapsed()))));
                    }
                    return self.time.as_mut().map_or(Poll::Pending, |time| time.as_mut().poll(context).map(Ok));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<C, R> Future for ResponseFuture<C, R>
where
    C: Pull + Unpin,
    R: From<Written<C>> + From<String>,
{
    type Output = Result<Response<R>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            let state = std::mem::replace(&mut this.state, State::Answered);
            this.state = match state {
                State::Refused(refusal) => return Poll::Ready(Ok(refusal.into_response())),
                State::Asked(mut asked) => match asked.poll(context) {
                    Poll::Pending => return this.pending(State::Asked(asked)),
                    Poll::Ready(Err(refusal)) => State::Refused(refusal),
                    Poll::Ready(Ok((head, _))) if asked.is_head || has_no_body(head.status) => {
                        State::Draining(Draining::new(asked.chunks, head))
                    }
                    Poll::Ready(Ok((head, mark))) => State::Headed(Headed { chunks: asked.chunks, head, mark }),
                },
                State::Headed(mut headed) => match headed.poll(context) {
                    Poll::Pending => return this.pending(State::Headed(headed)),
                    Poll::Ready(Err(refusal)) => State::Refused(refusal),
                    Poll::Ready(Ok(first)) => {
                        let Headed { chunks, head, mark } = headed;
                        let written = Written::new(chunks, first, mark.is_none(), head.length());
                        return Poll::Ready(Ok(head.into_response(R::from(written))));
                    }
                },
                State::Draining(mut draining) => match draining.poll(context) {
                    Poll::Pending => return this.pending(State::Draining(draining)),
                    Poll::Ready(Err(refusal)) => State::Refused(refusal),
                    Poll::Ready(Ok(())) => {
                        return Poll::Ready(Ok(draining.head.into_response(R::from(String::new()))));
                    }
                },
                State::Answered => panic!("the response future was polled after completion"),
            };
        }
    }
}

impl<C, R> ResponseFuture<C, R> {
    fn pending(&mut self, state: State<C>) -> Poll<Result<Response<R>, Infallible>> {
        self.state = state;
        Poll::Pending
    }
}

impl<C, R> fmt::Debug for ResponseFuture<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Refused(_) => "Refused",
            State::Asked(_) => "Asked",
            State::Headed(_) => "Headed",
            State::Draining(_) => "Draining",
            State::Answered => "Answered",
        })
    }
}
