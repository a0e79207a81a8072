//! One connection, from its first byte to its close.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::EXPECT;
use http::{Method, Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::spawn_local;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service;

use super::ending::{LATE, drain, refuse};
use super::exchange::Answered;
use super::forwarded;
use super::lent::Lent;
use super::response_body::ResponseBody;
use super::streams::Streams;
use super::traffic::{Overdue, Traffic};
use super::transport::Transport;
use super::{CutReason, End, RequestBody};
use crate::cgi::request::{Hosted, check_host};
use crate::host::protocol::{Failure, Protocol, about_server, sealed};
use crate::host::server::{self, either, say};
use crate::host::shutdown::Stage;
use crate::host::stream::{LAST_TIME, Stream, UNREAD_TIME};

/// The maximum size of a request head, in bytes. A program could not be started with a larger one.
const MAX_HEAD: u32 = 64 * 1024;

/// The maximum number of concurrent requests on an HTTP/2 connection.
const MAX_STREAMS: u32 = 100;

/// The HTTP protocol: HTTP/1.1, and HTTP/2 with prior knowledge or chosen in the handshake of TLS.
#[derive(Debug, Clone, Default)]
pub struct Http {
    #[cfg(feature = "tls")]
    pub(super) tls: Option<super::Tls>,
}

pub(super) type Host = server::Host<Http>;

impl Http {
    fn is_encrypted(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }
}

#[cfg(feature = "tls")]
impl server::Server<Http> {
    /// Sets TLS (default: none, plain HTTP). `HTTPS` is `on` for every request. The handshake and the first head together
    /// have the [time of a head](crate::host::ClientLimits::timeout_head). A header of the PROXY protocol comes before
    /// the handshake.
    #[must_use]
    pub fn tls(mut self, tls: super::Tls) -> server::Server<Http> {
        self.protocol.tls = Some(tls);
        self
    }
}

impl sealed::Sealed for Http {}

#[allow(private_interfaces, reason = "sealed: other crates do not call it")]
impl Protocol for Http {
    const TRUSTS: bool = false;

    async fn serve<S, R>(stream: Stream, service: S, host: Rc<Host>)
    where
        S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
        S::Error: Into<Failure>,
        R: Body<Data = Bytes> + 'static,
        R::Error: Into<Failure>,
    {
        serve(stream, service, host).await;
    }

    fn refuse(&self, stream: &Stream) {
        // Without a handshake, the client could not read the response.
        if !self.is_encrypted() {
            refuse(stream);
        }
    }
}

/// Why a connection ends.
enum Outcome {
    Over(Result<(), Failure>),
    Gone,
    Overdue(Overdue),
    Stopped,
}

/// Serves a connection and closes it.
async fn serve<S, R>(stream: Stream, service: S, host: Rc<Host>)
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
    S::Error: Into<Failure>,
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Failure>,
{
    stream.set_nodelay();
    stream.take_at_once();
    let stream = Rc::new(stream);
    let traffic = Rc::new(Traffic::new(host.limits.clone()));
    let lent = Rc::new(Lent::default());
    let outcome = match Transport::open(&stream, &traffic, &lent, &host).await {
        Some(transport) => talk(transport, &stream, &traffic, &lent, service, &host).await,
        None => Outcome::Over(Ok(())),
    };
    // This is the last reference: hyper and the services have dropped theirs.
    if let Some(stream) = Rc::into_inner(stream) {
        close(stream, &traffic, outcome, &host).await;
    }
}

/// Answers requests until there is an outcome, then drops what still runs.
async fn talk<S, R>(
    transport: Transport,
    stream: &Rc<Stream>,
    traffic: &Rc<Traffic>,
    lent: &Rc<Lent>,
    service: S,
    host: &Host,
) -> Outcome
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
    S::Error: Into<Failure>,
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Failure>,
{
    let (unread, mut dropped) = unbounded_channel();
    let (asked, on_answered) = (traffic.clone(), host.on_answered.clone());
    let is_encrypted = host.protocol.is_encrypted();
    let peer = stream.ends().map(|ends| ends.with_secure(ends.secure || is_encrypted));
    let (proxies, error_log, shutdown) = (host.proxies.clone(), host.error_log.clone(), host.shutdown.clone());
    // TLS has to read what it encrypts.
    let lent = (!is_encrypted).then(|| lent.clone());
    let answer = service_fn(move |mut request: Request<Incoming>| {
        let ends = forwarded::apply(&mut request, peer, &proxies).unwrap_or_else(|malformed| {
            say(&error_log, peer.map(|peer| peer.remote), &malformed.to_string());
            peer
        });
        let answered = Answered::begin(&request, ends.map(|ends| ends.remote), asked.clone(), on_answered.clone());
        if request.version() == Version::HTTP_2 {
            asked.expect_task(answered.clone());
        }
        // On HTTP/2, an unread body does not hinder other requests. A client that expects `100 Continue` has not sent
        // the body.
        let is_drained = request.version() != Version::HTTP_2 && !request.headers().contains_key(EXPECT);
        let unread = is_drained.then(|| unread.clone());
        let mut request = request.map(|body| RequestBody::of_http(body, asked.limits.get_timeout_idle(), unread));
        if let Some(ends) = ends {
            request.extensions_mut().insert(ends);
        }
        request.extensions_mut().insert(Hosted { is_encrypted });
        request.extensions_mut().insert(shutdown.clone());
        let (mut service, lent) = (service.clone(), lent.clone());
        async move {
            if is_about_server(&request) {
                let (parts, body) = request.into_parts();
                if check_host(&parts).is_ok() {
                    return Ok(ResponseBody::watch(about_server(None), answered, lent));
                }
                request = Request::from_parts(parts, body);
            }
            let response = async {
                poll_fn(|context| service.poll_ready(context)).await?;
                service.call(request).await
            };
            match response.await {
                Ok(response) => Ok(ResponseBody::watch(response.map(Some), answered, lent)),
                Err(error) => {
                    answered.set_end(End::Cut);
                    Err(error)
                }
            }
        }
    });
    let mut builder = Builder::new(Streams(traffic.clone()));
    builder.http1().max_buf_size(MAX_HEAD as usize).header_read_timeout(None);
    builder
        .http2()
        .max_header_list_size(MAX_HEAD)
        .max_concurrent_streams(MAX_STREAMS)
        .max_send_buf_size(MAX_HEAD as usize);
    let mut served = pin!(builder.serve_connection(TokioIo::new(transport), answer));
    let mut gone = pin!(stream.gone());
    let mut unused = pin!(host.shutdown.unused());
    let mut cutting = pin!(host.shutdown.reached(Stage::Cut));
    let mut watch = Watch::new(traffic, stream);
    let mut is_closing = false;
    let outcome = poll_fn(|context| {
        if let Poll::Ready(over) = served.as_mut().poll(context) {
            return Poll::Ready(Outcome::Over(over));
        }
        if gone.as_mut().poll(context).is_ready() {
            return Poll::Ready(Outcome::Gone);
        }
        if cutting.as_mut().poll(context).is_ready() {
            traffic.cut(CutReason::Stopped);
            return Poll::Ready(Outcome::Stopped);
        }
        if let Poll::Ready(overdue) = watch.poll(context) {
            traffic.cut(CutReason::Stalled);
            return Poll::Ready(Outcome::Overdue(overdue));
        }
        take_unread(&mut dropped, context);
        let is_used = traffic.has_begun() && host.shutdown.is_at(Stage::Closing);
        if !is_closing && (unused.as_mut().poll(context).is_ready() || is_used) {
            is_closing = true;
            served.as_mut().graceful_shutdown();
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
    if matches!(outcome, Outcome::Overdue(Overdue::Head)) {
        // On HTTP/2 this tells the client.
        served.as_mut().graceful_shutdown();
        poll_fn(|context| {
            let _ = served.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
    }
    traffic.abort_streams();
    outcome
}

/// Returns `true` for `OPTIONS *`, which concerns the server and no program (RFC 9110, 9.3.7).
fn is_about_server<B>(request: &Request<B>) -> bool {
    *request.method() == Method::OPTIONS && request.uri().path() == "*"
}

/// Spawns tasks that discard the bodies dropped unread.
fn take_unread(dropped: &mut UnboundedReceiver<Incoming>, context: &mut Context<'_>) {
    while let Poll::Ready(Some(body)) = dropped.poll_recv(context) {
        spawn_local(drain(body));
    }
}

/// A timer that checks the limits of a connection.
struct Watch<'a> {
    traffic: &'a Traffic,
    stream: &'a Stream,
    time: Pin<Box<Sleep>>,
}

impl<'a> Watch<'a> {
    fn new(traffic: &'a Traffic, stream: &'a Stream) -> Watch<'a> {
        Watch { traffic, stream, time: Box::pin(sleep_until(Instant::now() + traffic.interval())) }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Overdue> {
        loop {
            ready!(self.time.as_mut().poll(context));
            let tried = || {
                self.stream.try_writes();
                // Hyper writes in its next turn.
                context.waker().wake_by_ref();
            };
            match self.traffic.check(Instant::now(), tried) {
                Ok(next) => self.time.as_mut().reset(next),
                Err(overdue) => return Poll::Ready(overdue),
            }
        }
    }
}

async fn close(stream: Stream, traffic: &Traffic, outcome: Outcome, host: &Host) {
    // If a response ends with the connection and did not end by itself, it is truncated.
    let is_delimited = traffic.is_close_delimited.get();
    match outcome {
        Outcome::Over(over) => {
            if let Err(error) = over
                && error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
            {
                host.say(&stream, &described(&*error));
            }
            if is_delimited && traffic.is_cut.get() {
                return stream.reset(UNREAD_TIME).await;
            }
        }
        Outcome::Gone if is_delimited || traffic.is_cut.get() => return stream.set_zero_linger(),
        Outcome::Gone => {}
        Outcome::Overdue(Overdue::Stalled) => return stream.set_zero_linger(),
        Outcome::Overdue(Overdue::Head) => {
            if traffic.heads.borrow().is_within() {
                host.say(&stream, "the head of a request did not arrive in time");
                if !host.protocol.is_encrypted() {
                    let _ = stream.try_write(LATE);
                }
            }
        }
        Outcome::Stopped if is_delimited => return stream.reset(LAST_TIME).await,
        Outcome::Stopped => return,
    }
    either(stream.linger(), host.shutdown.reached(Stage::Cut)).await;
}

/// Returns an error's message with that of its source.
fn described(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
