//! If the client disconnects or the server stops, in any state, the program and its process group are stopped, and
//! reaped.

use std::io::Write;
use std::time::Duration;

use http_body_util::Empty;
use pushpull_gateway::{BodyPolicy, Script};
use tempfile::TempDir;
use tower_service::Service;

use crate::support::{
    Lifeline, Lines, ask, cannot_start, chunk, collect, get, heard, limits, request, run, sh, upload,
};
use pushpull_testing::needed::there;

/// A script whose processes all hold the lifeline and report when they do.
struct Held {
    _directory: TempDir,
    lifeline: Lifeline,
    script: Script,
    lines: Lines,
}

fn held(text: &str, grace: Duration) -> Held {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("line");
    let lifeline = Lifeline::new(&path);
    let script = sh(&format!("exec 9>\"$LINE\"; {text}")).env("LINE", &path).unwrap();
    let (script, lines) = heard(script.limits(limits(|limits| limits.kill_grace(grace))));
    Held { _directory: directory, lifeline, script, lines }
}

/// Disconnects within the body; returns when the program has ended too.
async fn leave_within_the_body(script: &Script) {
    let mut body = ask(script, get()).await.into_body();
    chunk(&mut body).await;
    drop(body);
    script.stopped().await;
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn requirement_14_a_disconnect_before_the_head_stops_the_program() {
    for text in ["echo ready >&2; exec sleep 1000", "printf 'A: b\n'; sleep 1000 & echo ready >&2; wait"] {
        let mut held = held(text, HOUR);
        run(async {
            let asked = held.script.clone();
            let response = tokio::spawn(async move { ask(&asked, get()).await });
            assert_eq!(held.lines.next().await, "ready");
            response.abort();
            held.script.stopped().await;
            held.lifeline.end().await;
        });
    }
}

#[test]
fn requirement_14_a_disconnect_after_the_head_stops_a_silent_program_like_a_chatty_one() {
    for text in ["sleep 1000", "yes", "sleep 1000 | cat", "yes | cat", "exec >&-; sleep 1000", "while :; do :; done"] {
        let held = held(&format!("printf 'A: b\n\nsome'; {text}"), HOUR);
        run(async {
            leave_within_the_body(&held.script).await;
            held.lifeline.end().await;
        });
    }
}

#[test]
fn requirement_14_a_response_that_is_dropped_unread_stops_the_program() {
    let held = held("printf 'A: b\n\n'; exec sleep 1000", HOUR);
    run(async {
        drop(ask(&held.script, get()).await);
        held.script.stopped().await;
        held.lifeline.end().await;
    });
}

#[test]
fn requirement_14_sigterm_comes_first_and_the_pipes_are_closed_before_it() {
    // The output after the signal is discarded and does not block the program. Standard error is closed too: reporting
    // there that its child was killed would end the shell.
    let text = "exec 2>/dev/null; trap 'echo told >&9; head -c 1000000 /dev/zero; exit' TERM; printf 'A: b\n\nsome'; \
                while :; do sleep 1000 & wait $!; done";
    let held = held(text, HOUR);
    run(async {
        leave_within_the_body(&held.script).await;
        assert_eq!(held.lifeline.end().await, "told\n");
    });
}

#[test]
fn requirement_14_sigterm_is_sent_once() {
    let text =
        "exec 2>/dev/null; trap 'echo told >&9' TERM; printf 'A: b\n\nsome'; while :; do sleep 1000 & wait $!; done";
    let held = held(text, Duration::from_millis(50));
    run(async {
        leave_within_the_body(&held.script).await;
        // The line is missing if the shell was not scheduled within the grace.
        assert!(["told\n", ""].contains(&&held.lifeline.end().await[..]));
    });
}

/// A program whose child joins another process group before it writes.
const IN_ANOTHER_GROUP: &str = r#"
import os, signal, time
joined, join = os.pipe()
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    os.write(join, b"x")
    time.sleep(1000)
os.read(joined, 1)
def told(*_):
    os.write(9, b"told\n")
    os.kill(child, signal.SIGKILL)
    os._exit(0)
signal.signal(signal.SIGTERM, told)
os.setpgid(0, child)
os.write(1, b"A: b\n\nsome")
while True:
    # A signal that comes just before a sleep does not end it.
    time.sleep(0.05)
"#;

#[test]
fn requirement_14_a_leader_in_another_group_receives_the_signal_too() {
    if !there(&["python3"]) {
        return;
    }
    let held = held(&format!("exec python3 -c '{IN_ANOTHER_GROUP}'"), HOUR);
    run(async {
        leave_within_the_body(&held.script).await;
        assert_eq!(held.lifeline.end().await, "told\n");
    });
}

#[test]
fn requirement_14_sigkill_follows_after_the_grace() {
    let text = "trap '' TERM; sleep 1000 & printf 'A: b\n\nsome'; while :; do sleep 1000; done";
    let held = held(text, Duration::from_millis(50));
    run(async {
        leave_within_the_body(&held.script).await;
        held.lifeline.end().await;
    });
}

#[test]
fn requirement_14_a_child_that_outlives_its_leader_is_killed_before_the_leader_is_reaped() {
    // The leader ends at once, the child ignores the signal.
    let text = "(trap '' TERM; while :; do sleep 1000; done) & trap - TERM; printf 'A: b\n\nsome'; wait";
    let held = held(text, HOUR);
    run(async {
        leave_within_the_body(&held.script).await;
        held.lifeline.end().await;
    });
}

#[test]
fn requirement_14_a_disconnect_during_the_upload_stops_the_program() {
    let mut held = held("echo ready >&2; cat >/dev/null", HOUR);
    let script = held.script.clone().request_body(BodyPolicy::Stream);
    run(async {
        let (mut writer, request) = upload();
        writer.write_all(b"some").unwrap();
        let asked = script.clone();
        let response = tokio::spawn(async move { ask(&asked, request).await });
        assert_eq!(held.lines.next().await, "ready");
        // Hosts report a disconnect like this.
        writer.abort(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(response.await.unwrap().status(), 400);
        script.stopped().await;
        held.lifeline.end().await;
    });
}

#[test]
fn requirement_14_a_disconnect_during_a_redirect_stops_the_program() {
    let mut held = held("printf 'Location: /a\n\n'; echo ready >&2; exec sleep 1000", HOUR);
    run(async {
        let asked = held.script.clone();
        let response = tokio::spawn(async move { ask(&asked, get()).await });
        assert_eq!(held.lines.next().await, "ready");
        response.abort();
        held.script.stopped().await;
        held.lifeline.end().await;
    });
}

#[test]
fn nothing_is_started_before_the_first_poll() {
    let (script, lines) = cannot_start();
    run(async {
        drop(script.clone().call(get()));
        script.stopped().await;
    });
    drop(script);
    assert!(lines.rest().is_empty());
}

#[test]
fn requirement_17_stop_cuts_running_requests_and_refuses_new_ones() {
    let held = held("printf 'A: b\n\nsome'; exec sleep 1000", HOUR);
    run(async {
        let mut body = ask(&held.script, get()).await.into_body();
        assert_eq!(chunk(&mut body).await, "some");
        held.script.stop();
        held.script.stopped().await;
        held.lifeline.end().await;
        assert_eq!(collect(body).await.1.unwrap().kind(), std::io::ErrorKind::ConnectionAborted);
        let asked = request("HEAD", "/").body(Empty::<bytes::Bytes>::new()).unwrap();
        assert_eq!(ask(&held.script, asked).await.status(), 503);
    });
}

#[test]
fn requirement_17_a_runtime_that_is_shut_down_leaves_nothing_behind() {
    // One program runs, one is in its grace period; both ignore SIGTERM.
    let text = "trap '' TERM; printf 'A: b\n\nsome'; sleep 1000 & while :; do sleep 1000; done";
    for workers in [0, 2] {
        let (one, other) = (held(text, HOUR), held(text, HOUR));
        let runtime = match workers {
            0 => tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            _ => tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap(),
        };
        let body = runtime.block_on(async {
            let mut stays = ask(&one.script, get()).await.into_body();
            chunk(&mut stays).await;
            let mut goes = ask(&other.script, get()).await.into_body();
            chunk(&mut goes).await;
            drop(goes);
            // The watching task has closed the pipes and waits for the grace period.
            tokio::task::yield_now().await;
            stays
        });
        drop(runtime);
        run(async {
            one.script.stopped().await;
            other.script.stopped().await;
            assert!(collect(body).await.1.is_some());
            one.lifeline.end().await;
            other.lifeline.end().await;
        });
    }
}
