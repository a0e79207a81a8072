//! What is left of workers when they are stopped.

use std::time::{Duration, Instant};

use http_body_util::BodyExt;

use super::run::{begin, sh, workers};
#[cfg(target_os = "linux")]
use super::run::{marked, until};

#[tokio::test]
async fn a_request_is_finished_before_its_worker_ends() {
    let (workers, _log) = workers();
    let running = workers.count(1).kill_grace(Duration::from_secs(60)).start().unwrap();
    let app = running.upstream();
    let place = tempfile::tempdir().unwrap();
    let go = place.path().join("go");
    let path = format!("/wait?{}", go.display());
    let response = begin(&app, &path).await;
    // SIGTERM arrives in the middle of it.
    running.stop();
    std::fs::write(&go, "").unwrap();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert!(text.starts_with(b"begun ") && text.len() > b"begun ".len());
    running.stopped().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn neither_processes_nor_files_are_left() {
    let mark = format!("workers-{}", std::process::id());
    let script = "trap '' TERM; sleep 1000 & while :; do wait; done";
    let (workers, _log) = sh(script);
    let workers = workers.count(3).env("MARK", &mark).unwrap().kill_grace(Duration::from_millis(100));
    let running = workers.clone().start().unwrap();
    until("workers and their children", || marked(&mark).len() == 6).await;
    let socket = format!("{running:?}").split('"').nth(1).map(std::path::PathBuf::from).unwrap();
    assert!(socket.exists());
    running.stop();
    running.stopped().await;
    // The children were killed, which the system does in its own time.
    until("their end", || marked(&mark).is_empty()).await;
    assert!(!socket.parent().unwrap().exists());
    // If the last handle is dropped, they are killed.
    let running = workers.start().unwrap();
    until("workers and their children", || marked(&mark).len() == 6).await;
    drop(running);
    until("their end", || marked(&mark).is_empty()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_worker_has_started_ends_with_it() {
    let mark = format!("child-{}", std::process::id());
    let (workers, log) = sh("sleep 1000 & exit 1");
    let running = workers.count(1).env("MARK", &mark).unwrap().start().unwrap();
    log.wait_for("exited with status 1", 2);
    until("the end of the children", || marked(&mark).is_empty()).await;
    running.stop();
    running.stopped().await;
}

#[tokio::test]
async fn a_stop_during_a_pause_does_not_wait_for_it() {
    let (workers, log) = sh("exit 1");
    let running = workers.count(1).start().unwrap();
    log.wait_for("in 2 s", 1);
    let before = Instant::now();
    running.stop();
    running.stopped().await;
    assert!(before.elapsed() < Duration::from_secs(2));
}
