//! Requirement 14: clients that disconnect in every state, a thousand times each, leave no process, thread, descriptor,
//! file or memory behind. This test has its own binary because it counts what the whole process holds.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use pushpull::Writer;
use pushpull_gateway::{Body, BodyPolicy, ErrorStream, ProgramLimits, Script};
use tower_service::Service;

const ROUNDS: usize = 1000;

/// Marks the programs of this test in their environment.
const MARK: &str = "PUSHPULL_LEFTOVERS";

fn sh(text: &str) -> Script {
    let hour = Duration::from_secs(3600);
    let limits = ProgramLimits::new().timeout_first_byte(hour).timeout_idle(hour).timeout_client(hour).kill_grace(hour);
    let script = Script::new("/bin/sh").unwrap().args(["-c", text]);
    script.env(MARK, std::process::id().to_string()).unwrap().limits(limits).error_log(ErrorStream::new(|_| {}))
}

fn get(method: &str) -> Request<Empty<Bytes>> {
    Request::builder().method(method).uri("/").header("host", "localhost").body(Empty::new()).unwrap()
}

fn upload() -> (Writer, Request<impl http_body::Body<Data = Bytes, Error = io::Error> + Send + 'static>) {
    let (writer, chunks) = pushpull::pipe(1 << 20);
    let body = StreamBody::new(StreamExt::map(chunks, |chunk| chunk.map(Frame::data)));
    (writer, Request::post("/").header("host", "localhost").body(body).unwrap())
}

async fn ask(script: &Script, method: &str) -> Response<Body> {
    script.clone().call(get(method)).await.unwrap()
}

/// Polls at most this number of times, then drops the future.
async fn drop_after(polls: usize, mut response: impl Future + Unpin) {
    for _ in 0..polls {
        let is_over = poll_fn(|context| Poll::Ready(Pin::new(&mut response).poll(context).is_ready()));
        if is_over.await {
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// The states in which a client disconnects.
const STATES: [&str; 12] = [
    "never polled",
    "just started",
    "before the head",
    "after the head",
    "in the body",
    "at the end of the body",
    "stalled",
    "draining for HEAD",
    "redirecting",
    "spooling in memory",
    "spooling to a file",
    "streaming the request",
];

async fn go_in(state: &str, round: usize) {
    let endless = "printf 'A: b\n\nsome'; exec sleep 1000";
    let script = match state {
        "never polled" => {
            let script = sh("exec sleep 1000");
            drop(script.clone().call(get("GET")));
            script
        }
        "just started" => {
            let script = sh(endless);
            drop_after(1, script.clone().call(get("GET"))).await;
            script
        }
        "before the head" => {
            let script = sh("printf 'A: b\n'; exec sleep 1000");
            drop_after(1 + round % 50, script.clone().call(get("GET"))).await;
            script
        }
        "after the head" => {
            let script = sh(endless);
            drop(ask(&script, "GET").await);
            script
        }
        "in the body" => {
            let script = sh("printf 'A: b\n\nsome'; exec yes");
            let mut body = ask(&script, "GET").await.into_body();
            for _ in 0..1 + round % 3 {
                body.frame().await.unwrap().unwrap();
            }
            script
        }
        "at the end of the body" => {
            let script = sh("printf 'Content-Length: 4\n\nsome'");
            let mut body = ask(&script, "GET").await.into_body();
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "some");
            script
        }
        "stalled" => {
            let script = sh("printf 'A: b\n\nsome'; exec yes");
            let body = ask(&script, "GET").await.into_body();
            for _ in 0..round % 50 {
                tokio::task::yield_now().await;
            }
            drop(body);
            script
        }
        "draining for HEAD" => {
            let script = sh("printf 'A: b\n\n'; head -c 100000 /dev/zero");
            drop(ask(&script, "HEAD").await);
            script
        }
        "redirecting" => {
            let script = sh("printf 'Location: /\n\n'; exec sleep 1000");
            drop_after(1 + round % 50, script.clone().call(get("GET"))).await;
            script
        }
        "spooling in memory" | "spooling to a file" => {
            let script = sh(endless);
            let (mut writer, request) = upload();
            let bytes = if state == "spooling in memory" { 1000 } else { 600_000 };
            io::Write::write_all(&mut writer, &vec![7; bytes]).unwrap();
            drop_after(1 + round % 10, script.clone().call(request)).await;
            script
        }
        "streaming the request" => {
            let script = sh("cat >/dev/null").request_body(BodyPolicy::Stream);
            let (mut writer, request) = upload();
            io::Write::write_all(&mut writer, &[7; 200_000]).unwrap();
            drop_after(1 + round % 20, script.clone().call(request)).await;
            script
        }
        _ => unreachable!("{state}"),
    };
    script.stopped().await;
}

/// What this process holds, apart from memory.
#[derive(Debug)]
struct Held {
    programs: BTreeSet<i32>,
    threads: usize,
    descriptors: usize,
    files: usize,
}

impl Held {
    fn now(temporary: &Path) -> Held {
        Held {
            programs: programs(),
            threads: fs::read_dir("/proc/self/task").unwrap().filter(|task| !is_kept(task)).count(),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            files: fs::read_dir(temporary).unwrap().count(),
        }
    }

    fn exceeds(&self, before: &Held) -> bool {
        !self.programs.is_subset(&before.programs)
            || self.threads > before.threads
            || self.descriptors > before.descriptors
            || self.files > before.files
    }
}

/// Returns `true` for a thread that the engine keeps for the next file, of which there are a few.
fn is_kept(task: &io::Result<fs::DirEntry>) -> bool {
    let name = task.as_ref().map(|task| fs::read_to_string(task.path().join("comm")).unwrap_or_default());
    name.is_ok_and(|name| name.trim() == "pushpull")
}

/// Waits until this process holds no more than it held before: a thread may be about to close a file. It may hold less,
/// because a thread that began when `before` was counted did not have its name yet.
async fn settle(temporary: &Path, before: &Held, state: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    while Held::now(temporary).exceeds(before) && Instant::now() < until {
        tokio::task::yield_now().await;
    }
    let now = Held::now(temporary);
    assert!(!now.exceeds(before), "{state}: {now:?}, expected at most {before:?}");
}

/// Returns the children of this process, dead or alive, and living processes that they have left behind. Dead processes
/// that were left behind are for another process to reap.
fn programs() -> BTreeSet<i32> {
    let mark = format!("{MARK}={}", std::process::id());
    let own = std::process::id().to_string();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let Some(id) = path.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
        let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        if parent == Some(&own) || environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()) {
            found.insert(id);
        }
    }
    found
}

fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A single test: several would count what the others hold.
#[test]
fn requirement_14_and_16_nothing_is_left_over_and_memory_is_flat() {
    let temporary = tempfile::tempdir().unwrap();
    // SAFETY: this is the only test, and no other thread of it is running yet.
    #[allow(unsafe_code, reason = "spooled bodies must be written to this directory")]
    unsafe {
        std::env::set_var("TMPDIR", temporary.path())
    };
    let runtime = runtime();
    runtime.block_on(async {
        // The first use of everything may leave something cached.
        for state in STATES {
            go_in(state, 3).await;
        }
        let before = Held::now(temporary.path());
        for state in STATES {
            for round in 0..ROUNDS / 8 {
                let group = (0..8).map(|n| go_in(state, 8 * round + n));
                tokio::time::timeout(Duration::from_secs(60), futures_util::future::join_all(group))
                    .await
                    .unwrap_or_else(|_| panic!("{state}: a program is not stopped"));
            }
            settle(temporary.path(), &before, state).await;
        }

        // 100 stalled responses of an endless program.
        let script = sh("printf 'A: b\n\n'; exec head -c 1073741824 /dev/zero");
        let resident = resident_kib();
        let mut stalled = Vec::new();
        for _ in 0..100 {
            let mut body = ask(&script, "GET").await.into_body();
            body.frame().await.unwrap().unwrap();
            stalled.push(body);
        }
        // Wait until every program has filled its pipe.
        let mut full = 0;
        while full < 100 {
            full = programs().into_iter().filter(|id| waits_to_write(*id)).count();
            tokio::task::yield_now().await;
        }
        let grown = resident_kib().saturating_sub(resident);
        assert!(grown < 32 << 10, "{grown} KiB for 100 stalled responses");
        drop(stalled);
        script.stopped().await;
        settle(temporary.path(), &before, "stalled").await;
    });
}

/// Returns `true` if a process sleeps, which this program does only when its pipe is full.
fn waits_to_write(id: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let about = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S')) && about.trim() == "head"
}
