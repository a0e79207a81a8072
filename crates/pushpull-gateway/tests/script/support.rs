//! Programs, requests to them, and the results.

use std::fs::File;
use std::future::Future;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use pushpull::Writer;
use pushpull_gateway::{Body, ErrorStream, ProgramLimits, Script};
use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tower_service::Service;

/// Runs a test with a time limit.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(120), test).await.expect("the test hangs") })
}

/// A shell script.
pub fn sh(text: &str) -> Script {
    Script::new("/bin/sh").unwrap().args(["-c", text])
}

/// Limits that a test does not reach, except those that it sets itself.
pub fn limits(set: impl FnOnce(ProgramLimits) -> ProgramLimits) -> ProgramLimits {
    let hour = Duration::from_secs(3600);
    let limits = ProgramLimits::new().timeout_first_byte(hour).timeout_idle(hour).timeout_client(hour);
    set(limits.timeout_work(hour).kill_grace(hour))
}

/// The standard error of a script's programs, line by line.
pub struct Lines(UnboundedReceiver<String>);

pub fn heard(script: Script) -> (Script, Lines) {
    let (sender, receiver) = unbounded_channel();
    let errors = ErrorStream::new(move |line| drop(sender.send(line.to_owned())));
    (script.error_log(errors), Lines(receiver))
}

/// A script that cannot be started. An attempt would be a 500 and be logged.
pub fn cannot_start() -> (Script, Lines) {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("link");
    std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
    heard(Script::new(&program).unwrap())
}

impl Lines {
    pub async fn next(&mut self) -> String {
        self.0.recv().await.expect("a line")
    }

    /// Returns the remaining lines once no more can be added.
    pub fn rest(mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

pub fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "localhost")
}

pub fn get() -> Request<Empty<Bytes>> {
    request("GET", "/").body(Empty::new()).unwrap()
}

pub fn post(bytes: Vec<u8>) -> Request<Full<Bytes>> {
    let length = bytes.len();
    request("POST", "/").header("content-length", length).body(Full::new(bytes.into())).unwrap()
}

/// A request whose body is written by the test and has no known length.
pub fn upload() -> (Writer, Request<impl http_body::Body<Data = Bytes, Error = io::Error> + Send + 'static>) {
    let (writer, chunks) = pushpull::pipe(1 << 20);
    let body = StreamBody::new(StreamExt::map(chunks, |chunk| chunk.map(Frame::data)));
    (writer, request("POST", "/").body(body).unwrap())
}

pub async fn ask<B>(script: &Script, request: Request<B>) -> Response<Body>
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    script.clone().call(request).await.unwrap()
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

/// Returns the body of a response that must succeed.
pub async fn text(script: &Script, request: Request<Empty<Bytes>>) -> String {
    let (bytes, error) = collect(ask(script, request).await.into_body()).await;
    assert!(error.is_none(), "{error:?}");
    String::from_utf8(bytes).unwrap()
}

/// Returns the next chunk of a body.
pub async fn chunk(body: &mut Body) -> Bytes {
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

/// A named pipe: it ends once all programs that opened it for writing have ended.
pub struct Lifeline(File);

impl Lifeline {
    pub fn new(path: &Path) -> Lifeline {
        mkfifoat(CWD, path, Mode::RWXU).unwrap();
        Lifeline(open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).unwrap().into())
    }

    fn pipe(&self) -> Receiver {
        Receiver::from_file(self.0.try_clone().unwrap()).unwrap()
    }

    /// Returns the next line. A program must have opened the pipe already.
    pub async fn line(&self) -> String {
        let (mut pipe, mut text) = (self.pipe(), String::new());
        while !text.ends_with('\n') {
            text.push(char::from(pipe.read_u8().await.unwrap()));
        }
        text
    }

    /// Returns what all programs wrote into the pipe, once they have ended. A program must have opened the pipe
    /// already.
    pub async fn end(self) -> String {
        let mut text = String::new();
        self.pipe().read_to_string(&mut text).await.unwrap();
        text
    }
}
