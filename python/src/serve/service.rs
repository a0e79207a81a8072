//! A WSGI application as a `tower::Service`.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use pushpull_gateway::host::RequestBody;
use pushpull_gateway::{Environ, Refusal};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, Sleep, sleep};
use tower_service::Service;

use super::body::{Body, Streamed};
use super::head::Head;
use super::job::{Answer, Job, New};
use super::options::Options;
use super::upload::{Ended, Upload, too_large};
use super::workers::Workers;

/// How much of a body that is not sent is taken from its application, and for how long, so that it can end by itself.
const MAX_DRAINED: u64 = 16 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// A time that can be added to any moment.
pub(super) const MAX_TIME: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// What all requests share.
pub(super) struct Shared {
    pub(super) workers: Workers<Job>,
    pub(super) options: Options,
    permits: Arc<Semaphore>,
    running: AtomicUsize,
    idle: Notify,
    /// A line for the log.
    tell: Box<dyn Fn(&str) + Send + Sync>,
}

/// An application is running as long as this is there.
pub(super) struct Running {
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.shared.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.shared.idle.notify_waiters();
        }
    }
}

impl Shared {
    pub(super) fn new(options: Options, tell: impl Fn(&str) + Send + Sync + 'static) -> Arc<Shared> {
        let permits = options.max_programs.min(Semaphore::MAX_PERMITS);
        Arc::new(Shared {
            workers: Workers::new(),
            options,
            permits: Arc::new(Semaphore::new(permits)),
            running: AtomicUsize::new(0),
            idle: Notify::new(),
            tell: Box::new(tell),
        })
    }

    fn start(self: &Arc<Shared>) -> Result<Running, Refusal> {
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            let reason = format!("{} applications run already", self.options.max_programs);
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        };
        self.running.fetch_add(1, Ordering::SeqCst);
        Ok(Running { shared: self.clone(), _permit: permit })
    }

    /// Waits until no application runs.
    pub(super) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.running.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// A request while its application runs: the rest of its body, and its time.
pub(super) struct Exchange {
    shared: Arc<Shared>,
    upload: Option<Upload>,
    /// What was wrong with the request's body.
    refusal: Option<Refusal>,
    total: Option<Pin<Box<Sleep>>>,
    env: Environ,
}

impl Exchange {
    /// Moves the request's body. Returns what is late.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Option<String> {
        let mut moved = false;
        self.poll_upload(context, &mut moved);
        let total = self.total.as_mut()?;
        total.as_mut().poll(context).is_ready().then(|| "the response took longer than it may".to_owned())
    }

    fn poll_upload(&mut self, context: &mut Context<'_>, moved: &mut bool) {
        let Some(upload) = &mut self.upload else { return };
        if let Poll::Ready(ended) = upload.poll(context, moved) {
            self.upload = None;
            if let Ended::Refused(refusal) = ended {
                self.refusal = Some(refusal);
            }
        }
    }

    pub(super) fn idle_time(&self) -> Duration {
        self.shared.options.timeout_idle
    }

    /// Logs a line about the request.
    pub(super) fn tell(&self, what: &dyn Display) {
        let text = |name| String::from_utf8_lossy(self.env.get(name).unwrap_or_default());
        (self.shared.tell)(&format!("{} {}: {what}", text("REQUEST_METHOD"), text("REQUEST_URI")));
    }

    /// Logs why the response is cut, and returns the error that cuts it.
    pub(super) fn failure(&self, what: &dyn Display) -> io::Error {
        self.tell(what);
        io::Error::other(what.to_string())
    }
}

/// The service. Clones are one and the same.
#[derive(Clone)]
pub(super) struct Wsgi(pub(super) Arc<Shared>);

impl Service<Request<RequestBody>> for Wsgi {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move { Ok(answer(shared, request).await) })
    }
}

async fn answer(shared: Arc<Shared>, request: Request<RequestBody>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let env = match Environ::of_request(&parts, &body.size_hint(), &shared.options.mount) {
        Ok(env) => env,
        Err(refusal) => return refusal.into_response(),
    };
    let total = Some(shared.options.timeout_total).filter(|time| *time < MAX_TIME).map(|time| Box::pin(sleep(time)));
    let mut exchange = Exchange { shared: shared.clone(), upload: None, refusal: None, total, env };
    match ask(&shared, &mut exchange, body).await {
        Ok(Answer::Whole(head, body)) => whole(head, body, &parts.method, &exchange),
        Ok(Answer::Streamed(head, chunks, failed)) => {
            let drained = parts.method == Method::HEAD || head.has_no_body();
            let left = head.length.filter(|_| !drained);
            let streamed = Streamed::new(chunks, failed, left, exchange);
            if drained {
                streamed.drain(MAX_DRAINED, DRAIN_TIME).await;
                return head.into_response(Body::Whole(bytes::Bytes::new()));
            }
            head.into_response(Body::Streamed(Box::new(streamed)))
        }
        // Its failure has been told; unless it is the client's.
        Ok(Answer::Failed) => {
            let failed = || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the application failed");
            exchange.refusal.take().unwrap_or_else(failed).into_response()
        }
        Err(refusal) => {
            if refusal.status().is_server_error() {
                exchange.tell(&refusal);
            }
            refusal.into_response()
        }
    }
}

/// Runs the application until it begins to answer.
async fn ask(shared: &Arc<Shared>, exchange: &mut Exchange, body: RequestBody) -> Result<Answer, Refusal> {
    let options = &shared.options;
    if body.size_hint().lower() > options.max_body {
        return Err(too_large());
    }
    let running = shared.start()?;
    let mut input = None;
    if !body.is_end_stream() {
        let (upload, chunks, asked) = Upload::new(body, options.capacity, options.max_body);
        exchange.upload = Some(upload);
        input = Some((chunks, asked));
    }
    let (sender, mut receiver) = oneshot::channel();
    let (capacity, multi_process) = (options.capacity, options.multi_process);
    let env = exchange.env.clone();
    shared.workers.submit(Job::new(New { env, input, answer: sender, running, capacity, multi_process }));
    let mut time = Box::pin(sleep(options.timeout_first_byte));
    poll_fn(|context| {
        if let Poll::Ready(answer) = Pin::new(&mut receiver).poll(context) {
            let refused = |_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "there is no thread for the application");
            return Poll::Ready(answer.map_err(refused));
        }
        let mut moved = false;
        exchange.poll_upload(context, &mut moved);
        if moved {
            time.as_mut().reset(Instant::now() + options.timeout_first_byte);
        }
        let late = |what: &str| Poll::Ready(Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, what)));
        if time.as_mut().poll(context).is_ready() {
            return late("the application did not begin to answer in time");
        }
        let is_over = exchange.total.as_mut().is_some_and(|total| total.as_mut().poll(context).is_ready());
        if is_over { late("the application took longer than it may") } else { Poll::Pending }
    })
    .await
}

/// A response that is there as a whole.
fn whole(head: Head, mut body: bytes::Bytes, method: &Method, exchange: &Exchange) -> Response<Body> {
    if *method == Method::HEAD || head.has_no_body() {
        return head.into_response(Body::Whole(bytes::Bytes::new()));
    }
    let Some(length) = head.length else { return head.into_response(Body::Whole(body)) };
    let had = body.len() as u64;
    if had < length {
        return short(head, body, length, exchange);
    }
    if had > length {
        exchange.tell(&"the application wrote more bytes than its Content-Length");
        body.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    }
    head.into_response(Body::Whole(body))
}

/// A response that is shorter than its head says: what there is is sent, and then it is cut.
fn short(head: Head, body: bytes::Bytes, length: u64, exchange: &Exchange) -> Response<Body> {
    let (mut writer, chunks) = pushpull::Pipe::new().capacity(body.len().max(1)).open();
    let _ = writer.write_bytes(body);
    let _ = writer.finish();
    let rest = Exchange {
        shared: exchange.shared.clone(),
        upload: None,
        refusal: None,
        total: None,
        env: exchange.env.clone(),
    };
    head.into_response(Body::Streamed(Box::new(Streamed::new(chunks, Arc::default(), Some(length), rest))))
}
