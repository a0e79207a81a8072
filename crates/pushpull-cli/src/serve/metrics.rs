//! The figures of `--metrics`, in the text format of OpenMetrics 1.0, on a listener of their own.

use std::convert::Infallible;
use std::fmt::{Display, Write};
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use pushpull_gateway::ErrorStream;
use pushpull_gateway::host::http::Server;
use pushpull_gateway::host::{AccessRecord, Address, ClientLimits, CutReason, End, Listener, ServerStats, Shutdown};
use tower_service::Service;

use super::served::Served;

/// The upper bounds of the histogram, in seconds.
const BOUNDS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

const STATUSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

const ENDS: [&str; 5] = ["done", "gone", "cut_service", "cut_stalled", "cut_stopped"];

/// What is counted of each answered request. Clones share the counters.
#[derive(Clone, Default)]
pub struct Requests(Arc<Counters>);

#[derive(Default)]
struct Counters {
    statuses: [AtomicU64; STATUSES.len()],
    ends: [AtomicU64; ENDS.len()],
    body_bytes: AtomicU64,
    /// The requests up to each bound, and above the last; each request is counted once.
    durations: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Requests {
    /// Counts an answered request.
    pub fn count(&self, record: &AccessRecord) {
        let one = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        let status = record.status.map_or(0, |status| usize::from(status.as_u16() / 100));
        one(self.0.statuses.get(status).unwrap_or(&self.0.statuses[0]));
        one(&self.0.ends[match (record.end, record.cut) {
            (End::Done, _) => 0,
            (End::Cut, Some(CutReason::Stalled)) => 3,
            (End::Cut, Some(CutReason::Stopped)) => 4,
            (End::Cut, _) => 2,
            _ => 1,
        }]);
        self.0.body_bytes.fetch_add(record.bytes, Ordering::Relaxed);
        let seconds = record.time.as_secs_f64();
        one(&self.0.durations[BOUNDS.partition_point(|bound| *bound < seconds)]);
        let microseconds = u64::try_from(record.time.as_micros()).unwrap_or(u64::MAX);
        self.0.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }
}

/// Everything that is reported.
#[derive(Clone)]
pub struct Metrics {
    pub requests: Requests,
    pub server: ServerStats,
    pub served: Served,
}

impl Metrics {
    fn text(&self) -> String {
        let mut text = Text(String::with_capacity(4096));
        let counters = &self.requests.0;
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        text.family("requests", "counter", "Requests that were answered or ended otherwise, by status.");
        for (status, counter) in STATUSES.iter().zip(&counters.statuses) {
            text.sample("requests_total", Some(("status", status)), value(counter));
        }
        text.family("responses", "counter", "Responses by how they ended.");
        for (end, counter) in ENDS.iter().zip(&counters.ends) {
            text.sample("responses_total", Some(("end", end)), value(counter));
        }
        text.family("response_body_bytes", "counter", "Bytes of response bodies.");
        text.sample("response_body_bytes_total", None, value(&counters.body_bytes));
        text.family(
            "request_duration_seconds",
            "histogram",
            "Time from the head of a request to the end of its response.",
        );
        let mut sum = 0;
        let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, counter) in bounds.zip(&counters.durations) {
            sum += value(counter);
            text.sample("request_duration_seconds_bucket", Some(("le", &bound)), sum);
        }
        text.sample("request_duration_seconds_sum", None, value(&counters.microseconds) as f64 / 1e6);
        text.sample("request_duration_seconds_count", None, sum);
        text.gauge("connections", "Open connections.", self.server.connections());
        text.counter("connections_accepted", "Connections accepted.", self.server.accepted());
        text.counter("connections_refused", "Connections refused because there were too many.", self.server.refused());
        text.counter("received_bytes", "Bytes received from clients, heads included.", self.server.received());
        text.counter("sent_bytes", "Bytes sent to clients, heads included.", self.server.sent());
        let (max, running, waiting) = self.served.load();
        text.gauge("programs", "Programs, or requests to the upstream, that run.", running);
        text.gauge("programs_max", "The maximum of programs.", max);
        text.gauge("queue", "Requests that wait for a program to end.", waiting);
        text.0.push_str("# EOF\n");
        text.0
    }
}

/// The text of an exposition.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# TYPE pushpull_{name} {kind}\n# HELP pushpull_{name} {help}");
        if let Some(unit) = ["bytes", "seconds"].iter().find(|unit| name.ends_with(**unit)) {
            let _ = writeln!(self.0, "# UNIT pushpull_{name} {unit}");
        }
    }

    fn sample(&mut self, name: &str, label: Option<(&str, &str)>, value: impl Display) {
        let label = label.map(|(label, value)| format!("{{{label}=\"{value}\"}}")).unwrap_or_default();
        let _ = writeln!(self.0, "pushpull_{name}{label} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, None, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(&format!("{name}_total"), None, value);
    }
}

/// The server of the figures. It runs until this value is dropped, longer than what it reports.
pub struct Exporter {
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Starts to answer on a thread of its own. Returns the address too.
    pub fn start(listen: &Address, metrics: Metrics, error_log: ErrorStream) -> Result<(Exporter, Address), String> {
        let failed = |error: std::io::Error| {
            format!("cannot listen on {listen} for --metrics: {error}; expected a free local address")
        };
        let server = Server::new(Listener::bind(listen).map_err(failed)?).map_err(failed)?;
        let address = server.address().map_err(failed)?;
        let limits = ClientLimits::new().max_connections(100).timeout_client(Duration::from_secs(10));
        let server = server.threads(1).limits(limits).error_log(error_log.clone());
        let shutdown = Shutdown::new();
        let until = shutdown.clone();
        let serve = move || {
            if let Err(error) = server.run(|| Scrape(metrics.clone()), &until) {
                let _ = std::io::Write::write_all(&mut error_log.clone(), format!("--metrics: {error}\n").as_bytes());
            }
        };
        let thread = Some(thread::Builder::new().name("metrics".to_owned()).spawn(serve).map_err(failed)?);
        Ok((Exporter { shutdown, thread }, address))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.shutdown.cut();
        // It removes the file of its socket.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Answers `GET /metrics`.
#[derive(Clone)]
struct Scrape(Metrics);

impl<B> Service<Request<B>> for Scrape {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_asked = request.uri().path() == "/metrics";
        let (status, kind, text) = match *request.method() {
            Method::GET | Method::HEAD if is_asked => {
                (StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", self.0.text())
            }
            _ if is_asked => (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "expected GET\n".to_owned()),
            _ => (StatusCode::NOT_FOUND, "text/plain", "the figures are at /metrics\n".to_owned()),
        };
        let mut response = Response::new(text);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_of_the_figures_goes_with_their_server() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("figures");
        let served = Served::new(pushpull_gateway::Mounts::new());
        let metrics = Metrics { requests: Requests::default(), server: ServerStats::default(), served };
        let (exporter, _) = Exporter::start(&Address::Unix(path.clone()), metrics, ErrorStream::default()).unwrap();
        assert!(path.exists());
        drop(exporter);
        assert!(!path.exists());
    }
}
