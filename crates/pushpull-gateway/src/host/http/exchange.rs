//! One request and its response.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::{Method, Request, StatusCode, Uri, Version};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::traffic::Traffic;
use super::{AccessRecord, CutReason, End};
use crate::host::server::OnAnswered;

/// A request in progress. The request ends, in whatever way, when the last reference is dropped.
pub(super) struct Answered {
    pub(super) traffic: Rc<Traffic>,
    /// Who is told of the request, with its target.
    on_answered: Option<(Arc<OnAnswered>, Uri)>,
    remote: Option<SocketAddr>,
    pub(super) method: Method,
    pub(super) version: Version,
    began: Instant,
    status: Cell<Option<StatusCode>>,
    bytes: Cell<u64>,
    end: Cell<Option<End>>,
    reason: Cell<CutReason>,
    /// When hyper last stopped asking for more of the body.
    waits_since: Cell<Option<Instant>>,
    task: RefCell<Option<AbortHandle>>,
}

impl Answered {
    pub(super) fn begin<B>(
        request: &Request<B>,
        remote: Option<SocketAddr>,
        traffic: Rc<Traffic>,
        on_answered: Option<Arc<OnAnswered>>,
    ) -> Rc<Answered> {
        traffic.begin();
        Rc::new(Answered {
            traffic,
            on_answered: on_answered.map(|on_answered| (on_answered, request.uri().clone())),
            remote,
            method: request.method().clone(),
            version: request.version(),
            began: Instant::now(),
            status: Cell::new(None),
            bytes: Cell::new(0),
            end: Cell::new(None),
            reason: Cell::new(CutReason::Service),
            waits_since: Cell::new(None),
            task: RefCell::new(None),
        })
    }

    pub(super) fn set_status(&self, status: StatusCode) {
        self.status.set(Some(status));
    }

    pub(super) fn count(&self, len: usize) {
        self.bytes.set(self.bytes.get() + len as u64);
    }

    pub(super) fn set_end(&self, end: End) {
        self.end.set(Some(end));
    }

    /// Sets whether the response waits for the client. On HTTP/2 a client can stall one response while it reads others.
    pub(super) fn waits(&self, waits: bool) {
        if self.version == Version::HTTP_2 {
            self.waits_since.set(waits.then(Instant::now));
        }
    }

    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.waits_since.get()
    }

    pub(super) fn set_task(&self, task: AbortHandle) {
        *self.task.borrow_mut() = Some(task);
    }

    /// Aborts the request's task. Records `end` unless the request has ended already.
    pub(super) fn abort(&self, end: End, reason: CutReason) {
        if self.end.get().is_none() {
            self.end.set(Some(end));
            self.reason.set(reason);
        }
        if let Some(task) = &*self.task.borrow() {
            task.abort();
        }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        let now = Instant::now();
        self.traffic.end(now);
        let (end, reason) = match self.end.get() {
            Some(end) => (end, self.reason.get()),
            None if std::thread::panicking() => (End::Cut, CutReason::Service),
            None => (self.traffic.unfinished.get(), self.traffic.reason.get()),
        };
        if end != End::Done {
            self.traffic.is_cut.set(true);
        }
        if let Some((on_answered, uri)) = &self.on_answered {
            on_answered(&AccessRecord {
                remote: self.remote,
                method: self.method.clone(),
                uri: uri.clone(),
                version: self.version,
                status: self.status.get(),
                bytes: self.bytes.get(),
                time: now - self.began,
                end,
                cut: (end == End::Cut).then_some(reason),
            });
        }
    }
}
