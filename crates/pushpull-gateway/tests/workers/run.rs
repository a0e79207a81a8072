//! Runs workers, and asks them.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use pushpull_gateway::{Body, ErrorStream, Upstream, Workers};
use pushpull_testing::log::DEADLINE;
use tower_service::Service;

/// What the workers have logged.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Log {
    pub fn stream(&self) -> ErrorStream {
        let log = self.clone();
        ErrorStream::new(move |line| {
            log.0.0.lock().unwrap().push(line.to_owned());
            log.0.1.notify_all();
        })
    }

    pub fn lines(&self, part: &str) -> Vec<String> {
        self.0.0.lock().unwrap().iter().filter(|line| line.contains(part)).cloned().collect()
    }

    /// Waits until a number of lines contain `part`.
    pub fn wait_for(&self, part: &str, count: usize) -> Vec<String> {
        let has_fewer = |lines: &mut Vec<String>| lines.iter().filter(|line| line.contains(part)).count() < count;
        let (lines, time) = self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), DEADLINE, has_fewer).unwrap();
        assert!(!time.timed_out(), "expected {count} lines with {part:?}: {lines:#?}");
        drop(lines);
        self.lines(part)
    }
}

/// Returns workers of the test's own program, and their log.
pub fn workers() -> (Workers, Log) {
    of(&pushpull_testing::example::program("workers_app"))
}

/// Returns workers that run a shell script, and their log.
pub fn sh(script: &str) -> (Workers, Log) {
    let (workers, log) = of(&PathBuf::from("/bin/sh"));
    (workers.args(["-c", script]), log)
}

pub fn of(program: &PathBuf) -> (Workers, Log) {
    let log = Log::default();
    (Workers::new(program).unwrap().error_log(log.stream()), log)
}

/// Asks for a path. Returns the response when it has begun.
pub async fn begin(app: &Upstream, path: &str) -> Response<Body> {
    let request = Request::get(path).header("host", "a").body(Full::<Bytes>::default()).unwrap();
    app.clone().call(request).await.unwrap()
}

/// Asks for a path. Returns the status and the text, or `None` if the response is cut.
pub async fn ask(app: &Upstream, path: &str) -> (u16, Option<String>) {
    let response = begin(app, path).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.ok();
    (status, body.map(|body| String::from_utf8(body.to_bytes().to_vec()).unwrap()))
}

/// Asks for a path, and returns the text of a complete response.
pub async fn text(app: &Upstream, path: &str) -> String {
    let (status, text) = ask(app, path).await;
    assert_eq!(status, 200);
    text.unwrap()
}

pub fn signal(process: &str, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), process]).status().unwrap().success());
}

/// Returns the processes that have this word in their command line or environment.
#[cfg(target_os = "linux")]
pub fn marked(mark: &str) -> Vec<String> {
    use std::io::BufRead;

    let has_mark = |directory: &PathBuf| {
        ["cmdline", "environ"].iter().any(|file| {
            let text = std::fs::read(directory.join(file)).unwrap_or_default();
            text.split(|byte| *byte == 0)
                .any(|part| part.lines().any(|line| line.is_ok_and(|line| line.contains(mark))))
        })
    };
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()).filter(has_mark);
    let names = processes.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    names.filter(|name| name.parse::<u32>().is_ok() && *name != own).collect()
}

/// Polls until a condition is met.
pub async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let wait = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("timed out waiting for: {what}"));
}
