//! The body of a request, on its way to the application that reads it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use http::StatusCode;
use http_body::Body;
use pushpull::{Chunks, Pipe, Writer};
use pushpull_gateway::Refusal;
use pushpull_gateway::host::RequestBody;
use pyo3::prelude::*;

/// Whether the application has begun to read, and whether its client is gone before the end. A client that waits to be asked
/// for its body is asked at the first read.
#[derive(Default)]
pub(super) struct Asked {
    asked: AtomicBool,
    is_gone: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Asked {
    fn set(&self) {
        // ORDERING: the waker is registered before the mark is looked at, and taken after it was set.
        self.asked.store(true, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Returns `true` if the client is gone in the middle of its body.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        if self.asked.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        if self.asked.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Called by the first read.
#[pyclass(module = "pushpull._pushpull", frozen)]
pub(crate) struct Begin(pub(super) Arc<Asked>);

#[pymethods]
impl Begin {
    fn __call__(&self) {
        self.0.set();
    }
}

/// What moves the body to the application.
pub(super) struct Upload {
    body: Pin<Box<RequestBody>>,
    writer: Writer,
    /// What has come and is not accepted yet.
    rest: Bytes,
    asked: Arc<Asked>,
    left: u64,
}

/// How an upload ended.
pub(super) enum Ended {
    /// All is handed over, or is not wanted.
    Well,
    /// The client did not send what it should have.
    Refused(Refusal),
}

impl Upload {
    pub(super) fn new(body: RequestBody, capacity: usize, max_body: u64) -> (Upload, Chunks, Arc<Asked>) {
        let (writer, chunks) = Pipe::new().capacity(capacity).open();
        let asked = Arc::new(Asked::default());
        let upload = Upload { body: Box::pin(body), writer, rest: Bytes::new(), asked: asked.clone(), left: max_body };
        (upload, chunks, asked)
    }

    /// Moves what there is. `moved` is set if that was something.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, moved: &mut bool) -> Poll<Ended> {
        if self.asked.poll(context).is_pending() {
            return Poll::Pending;
        }
        loop {
            if !self.rest.is_empty() {
                let before = self.rest.len();
                let accepted = self.writer.poll_write_bytes(&mut self.rest, context);
                *moved |= self.rest.len() < before;
                match accepted {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Ended::Well),
                    Poll::Pending => return Poll::Pending,
                }
            }
            match self.body.as_mut().poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    let _ = std::mem::take(&mut self.writer).finish();
                    return Poll::Ready(Ended::Well);
                }
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(mut data) = frame.into_data() else { continue };
                    self.rest = data.copy_to_bytes(data.remaining());
                    match self.left.checked_sub(self.rest.len() as u64) {
                        Some(left) => self.left = left,
                        None => return Poll::Ready(self.refuse(too_large())),
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>()).cloned();
                    let is_refused = refusal.is_some() && error.kind() == io::ErrorKind::InvalidInput;
                    let refusal = refusal.unwrap_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()));
                    if is_refused {
                        return Poll::Ready(self.refuse(refusal));
                    }
                    // The client is gone. The reader sees a truncation.
                    self.asked.is_gone.store(true, Ordering::Release);
                    drop(std::mem::take(&mut self.writer));
                    return Poll::Ready(Ended::Refused(refusal));
                }
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> Ended {
        std::mem::take(&mut self.writer).abort(io::Error::other(refusal.to_string()));
        Ended::Refused(refusal)
    }
}

pub(super) fn too_large() -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the request's body is too large")
}
