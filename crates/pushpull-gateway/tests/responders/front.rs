//! A server in this process for a front server to talk to, and its log.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pushpull_gateway::ErrorStream;
use pushpull_gateway::host::{AccessRecord, Protocol, RequestBody, Server, Shutdown};
use tower_service::Service;

/// The time after which an event counts as missing.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub struct Host {
    pub address: SocketAddr,
    pub shutdown: Shutdown,
    said: Arc<Said>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

#[derive(Default)]
struct Said {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Said {
    fn add(&self, line: String) {
        self.lines.lock().unwrap().push(line);
        self.grown.notify_all();
    }
}

impl Host {
    pub fn start<P, M, S, R>(server: Server<P>, make: M) -> Host
    where
        P: Protocol,
        M: Fn() -> S + Send + Sync + 'static,
        S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        R: Body<Data = Bytes> + 'static,
        R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (shutdown, said) = (Shutdown::new(), Arc::new(Said::default()));
        let (records, troubles) = (said.clone(), said.clone());
        let server = server
            .threads(1)
            .on_answered(move |record: &AccessRecord| records.add(record.to_string()))
            .error_log(ErrorStream::new(move |line| troubles.add(line.to_owned())));
        let address = server.local_addr().unwrap_or(([127, 0, 0, 1], 0).into());
        let told = shutdown.clone();
        let thread = std::thread::spawn(move || server.run(make, &told));
        Host { address, shutdown, said, thread: Some(thread) }
    }

    /// Waits for a line, of either log, that contains `part`.
    pub fn wait_for(&self, part: &str) -> String {
        let find = |lines: &Vec<String>| lines.iter().find(|line| line.contains(part)).cloned();
        let lines = self.said.lines.lock().unwrap();
        let (lines, _) = self.said.grown.wait_timeout_while(lines, DEADLINE, |lines| find(lines).is_none()).unwrap();
        find(&lines).unwrap_or_else(|| panic!("{part:?} was not said: {lines:#?}"))
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
