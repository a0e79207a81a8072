//! A server in this process, on its own port, and its log.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pushpull_gateway::ErrorStream;
use pushpull_gateway::host::http::{AccessRecord, ClientLimits, RequestBody, Server, Shutdown};
use tower_service::Service;

/// The time after which an event counts as missing.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub struct Host {
    pub address: SocketAddr,
    pub shutdown: Shutdown,
    pub said: Arc<Said>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// The log of the server so far.
#[derive(Default)]
pub struct Said {
    records: Mutex<Vec<AccessRecord>>,
    troubles: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Said {
    /// Waits until `count` requests have ended.
    pub fn records(&self, count: usize) -> Vec<AccessRecord> {
        let records = self.records.lock().unwrap();
        let (records, _) = self.grown.wait_timeout_while(records, DEADLINE, |records| records.len() < count).unwrap();
        assert!(records.len() >= count, "{count} requests did not end: {records:#?}");
        records.clone()
    }

    pub fn count(&self) -> usize {
        self.records.lock().unwrap().len()
    }

    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    pub fn troubles(&self) -> Vec<String> {
        self.troubles.lock().unwrap().clone()
    }
}

impl Host {
    pub fn start<M, S, R>(limits: ClientLimits, make: M) -> Host
    where
        M: Fn() -> S + Send + Sync + 'static,
        S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        R: Body<Data = Bytes> + 'static,
        R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Host::start_as(|server| server.limits(limits), make)
    }

    /// Starts a server with these settings.
    pub fn start_as<M, S, R>(settings: impl FnOnce(Server) -> Server, make: M) -> Host
    where
        M: Fn() -> S + Send + Sync + 'static,
        S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        R: Body<Data = Bytes> + 'static,
        R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (shutdown, said) = (Shutdown::new(), Arc::new(Said::default()));
        let (records, troubles) = (said.clone(), said.clone());
        let server = settings(Server::bind("127.0.0.1:0").unwrap().threads(2));
        let server = server
            .on_answered(move |record| {
                records.records.lock().unwrap().push(record.clone());
                records.grown.notify_all();
            })
            .error_log(ErrorStream::new(move |line| troubles.troubles.lock().unwrap().push(line.to_owned())));
        let (address, told) = (server.local_addr().unwrap(), shutdown.clone());
        let thread = std::thread::spawn(move || server.run(make, &told));
        Host { address, shutdown, said, thread: Some(thread) }
    }

    /// Waits until the server has stopped.
    pub fn stopped(mut self) -> io::Result<()> {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.shutdown.cut();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

/// A closure as a service.
#[derive(Clone)]
pub struct Answer<F>(pub F);

impl<F, Fut, R> Service<Request<RequestBody>> for Answer<F>
where
    F: Fn(Request<RequestBody>) -> Fut,
    Fut: Future<Output = Response<R>> + 'static,
{
    type Response = Response<R>;
    type Error = std::convert::Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<R>, Self::Error>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let answer = (self.0)(request);
        Box::pin(async move { Ok(answer.await) })
    }
}

/// Polls until the condition holds.
pub fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !reached() {
        assert!(Instant::now() < until, "{what}: did not happen in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}
