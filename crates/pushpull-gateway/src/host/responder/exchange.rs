//! One request and its response: calls the service, then writes the head as a CGI response and the body up to its
//! length.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use super::params::{Accept, Params, remote};
use crate::cgi::environ::Environ;
use crate::cgi::error_stream::ErrorStream;
use crate::cgi::head::{ResponseHead, has_no_body};
use crate::cgi::refusal::Refusal;
use crate::host::protocol::{Failure, about_server};
use crate::host::server::{Host, OnAnswered};
use crate::host::{AccessRecord, CutReason, End, RequestBody};

/// A request in progress.
pub(in crate::host) struct Exchange<R> {
    stage: Stage<R>,
    is_head: bool,
    logged: Logged,
    error_log: ErrorStream,
}

enum Stage<R> {
    Asked(Pin<Box<dyn Future<Output = Result<Response<R>, Failure>>>>),
    /// `left` is the number of bytes still to come, if the head declares a length.
    Body {
        body: Pin<Box<R>>,
        left: Option<u64>,
    },
    /// A response of the server itself.
    Text(Bytes),
    Over,
}

/// The next part of a response.
#[derive(Debug)]
pub(in crate::host) enum Piece {
    Bytes(Bytes),
    /// The response is complete.
    End,
    /// The response is truncated and must be visibly so. The log has the reason.
    Cut,
}

impl<R> Exchange<R>
where
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Failure>,
{
    /// Calls the service.
    pub(in crate::host) fn begin<S, P>(
        mut params: Params,
        body: RequestBody,
        accept: &Accept,
        mut service: S,
        error_log: ErrorStream,
        host: &Host<P>,
    ) -> Exchange<R>
    where
        S: Service<Request<RequestBody>, Response = Response<R>> + 'static,
        S::Error: Into<Failure>,
    {
        if params.is_about_server() {
            let logged = Logged::of(&params.known(), host);
            let mut exchange = Exchange { stage: Stage::Over, is_head: false, logged, error_log };
            exchange.answer(about_server(String::new()));
            return exchange;
        }
        let mut request = match params.request(body, accept, error_log.clone()) {
            Ok(request) => request,
            Err(refusal) => return Exchange::refused(refusal, &params, error_log, host),
        };
        request.extensions_mut().insert(host.shutdown.clone());
        let logged = Logged::of(&request, host);
        let is_head = *request.method() == Method::HEAD;
        let answer = async move {
            poll_fn(|context| service.poll_ready(context)).await.map_err(Into::into)?;
            service.call(request).await.map_err(Into::into)
        };
        Exchange { stage: Stage::Asked(Box::pin(answer)), is_head, logged, error_log }
    }

    /// Answers in place of the service, even if some parameters are missing.
    pub(in crate::host) fn refused<P>(
        refusal: Refusal,
        params: &Params,
        error_log: ErrorStream,
        host: &Host<P>,
    ) -> Exchange<R> {
        error_log.say(&format!("a request was refused: {refusal}"));
        let known = params.known();
        let is_head = *known.method() == Method::HEAD;
        let mut exchange = Exchange { stage: Stage::Over, is_head, logged: Logged::of(&known, host), error_log };
        exchange.answer(refusal.into_response());
        exchange
    }

    /// Sets the response to send in place of the service's.
    fn answer(&mut self, response: Response<String>) {
        let (parts, text) = response.into_parts();
        self.logged.record.status = Some(parts.status);
        let mut bytes = Vec::with_capacity(256);
        ResponseHead::of_response(&parts).write(&mut bytes);
        if !self.is_head {
            bytes.extend_from_slice(text.as_bytes());
            self.logged.record.bytes += text.len() as u64;
        }
        self.stage = Stage::Text(bytes.into());
    }

    /// Sets how the request ends, unless it ends by itself, and why if it is cut.
    pub(in crate::host) fn set_end(&mut self, end: End, reason: CutReason) {
        self.logged.record.end = end;
        self.logged.record.cut = (end == End::Cut).then_some(reason);
    }

    pub(in crate::host) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        loop {
            match &mut self.stage {
                Stage::Asked(answer) => match ready!(answer.as_mut().poll(context)) {
                    Ok(response) => return Poll::Ready(Piece::Bytes(self.open(response))),
                    Err(error) => {
                        let error: Failure = error;
                        self.error_log.say(&format!("the service failed: {error}"));
                        let refusal = Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the service failed");
                        self.answer(refusal.into_response());
                    }
                },
                Stage::Body { body, left } => {
                    if *left == Some(0) || (left.is_none() && body.is_end_stream()) {
                        return Poll::Ready(self.end(End::Done));
                    }
                    match ready!(body.as_mut().poll_frame(context)) {
                        Some(Ok(frame)) => {
                            let Ok(mut data) = frame.into_data() else { continue };
                            if let Some(left) = left {
                                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                                *left -= data.len() as u64;
                            }
                            if !data.is_empty() {
                                self.logged.record.bytes += data.len() as u64;
                                return Poll::Ready(Piece::Bytes(data));
                            }
                        }
                        None if left.is_none() => return Poll::Ready(self.end(End::Done)),
                        // The creator of the body has logged the reason.
                        Some(Err(_)) | None => return Poll::Ready(self.end(End::Cut)),
                    }
                }
                Stage::Text(text) if !text.is_empty() => return Poll::Ready(Piece::Bytes(mem::take(text))),
                Stage::Text(_) => return Poll::Ready(self.end(End::Done)),
                Stage::Over => return Poll::Ready(Piece::End),
            }
        }
    }

    /// Returns the head of a response and starts its body.
    fn open(&mut self, response: Response<R>) -> Bytes {
        let (parts, body) = response.into_parts();
        self.logged.record.status = Some(parts.status);
        let mut head = ResponseHead::of_response(&parts);
        let has_none = self.is_head || has_no_body(parts.status);
        if !has_none && !body.is_end_stream() {
            head.set_unknown_type();
        }
        let said = head.length();
        let left = if has_none { Some(0) } else { said.or_else(|| body.size_hint().exact()) };
        let mut bytes = Vec::with_capacity(512);
        head.write(&mut bytes);
        self.stage = Stage::Body { body: Box::pin(body), left };
        bytes.into()
    }

    fn end(&mut self, end: End) -> Piece {
        self.stage = Stage::Over;
        self.set_end(end, CutReason::Service);
        if end == End::Done { Piece::End } else { Piece::Cut }
    }
}

/// The log record of a request, written on drop however the request ended.
struct Logged {
    record: AccessRecord,
    began: Instant,
    on_answered: Option<Arc<OnAnswered>>,
}

impl Logged {
    fn of<B, P>(request: &Request<B>, host: &Host<P>) -> Logged {
        let record = AccessRecord {
            remote: request.extensions().get::<Environ>().and_then(remote),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            status: None,
            bytes: 0,
            time: Default::default(),
            end: End::Gone,
            cut: None,
        };
        Logged { record, began: Instant::now(), on_answered: host.on_answered.clone() }
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        if self.record.end == End::Gone && std::thread::panicking() {
            (self.record.end, self.record.cut) = (End::Cut, Some(CutReason::Service));
        }
        if let Some(on_answered) = &self.on_answered {
            self.record.time = self.began.elapsed();
            on_answered(&self.record);
        }
    }
}
