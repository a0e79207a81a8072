//! Requests and their results.

use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use pushpull_gateway::{Body, ErrorStream, ProgramLimits, Upstream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tower_service::Service;

/// Runs a test with a time limit.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let limited = async { tokio::time::timeout(Duration::from_secs(120), test).await.expect("the test hangs") };
    local.block_on(&runtime, limited)
}

/// Limits that a test does not reach, except those that it sets itself.
pub fn limits(set: impl FnOnce(ProgramLimits) -> ProgramLimits) -> ProgramLimits {
    let hour = Duration::from_secs(3600);
    let limits = ProgramLimits::new().timeout_first_byte(hour).timeout_idle(hour).timeout_client(hour);
    set(limits.timeout_work(hour))
}

pub fn upstream(address: &str) -> Upstream {
    Upstream::fastcgi(address).unwrap().limits(limits(|limits| limits)).error_log(ErrorStream::new(|_| {}))
}

/// An upstream that keeps connections.
pub fn keeping(address: &str) -> Upstream {
    upstream(address).max_idle(8).idle_timeout(Duration::from_secs(3600))
}

/// Returns the upstream with its error log, line by line.
pub fn heard(upstream: Upstream) -> (Upstream, UnboundedReceiver<String>) {
    let (sender, receiver) = unbounded_channel();
    (upstream.error_log(ErrorStream::new(move |line| drop(sender.send(line.to_owned())))), receiver)
}

pub fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "localhost")
}

pub fn get(path: &str) -> Request<Empty<Bytes>> {
    request("GET", path).body(Empty::new()).unwrap()
}

pub fn post(path: &str, bytes: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let bytes = bytes.into();
    request("POST", path).header("content-length", bytes.len()).body(Full::new(bytes)).unwrap()
}

pub async fn ask<B>(upstream: &Upstream, request: Request<B>) -> Response<Body>
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    upstream.clone().call(request).await.unwrap()
}

/// Returns all bytes, and the error after them.
pub async fn collect(mut body: Body) -> (Vec<u8>, Option<io::Error>) {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(frame.data_ref().unwrap()),
            Err(error) => {
                assert!(body.frame().await.is_none(), "an error is the last");
                return (bytes, Some(error));
            }
        }
    }
    (bytes, None)
}

/// Returns status, text and error of the response to a GET.
pub async fn got(upstream: &Upstream, path: &str) -> (u16, String, Option<io::ErrorKind>) {
    let response = ask(upstream, get(path)).await;
    let status = response.status().as_u16();
    let (bytes, error) = collect(response.into_body()).await;
    (status, String::from_utf8(bytes).unwrap(), error.map(|error| error.kind()))
}

/// Returns the next chunk of a body.
pub async fn chunk(body: &mut Body) -> Bytes {
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}
