//! Requests that workers answer, and what they write.

use std::collections::BTreeSet;

use http_body_util::BodyExt;

use super::run::{ask, begin, text, until, workers};

#[tokio::test]
async fn several_processes_answer_on_one_socket() {
    let (workers, _log) = workers();
    let running = workers.count(3).start().unwrap();
    let app = running.upstream();
    let mut seen = BTreeSet::new();
    let go = tempfile::tempdir().unwrap();
    // Each worker is kept busy, so that another takes the next request.
    let go = go.path().join("go");
    let path = format!("/wait?{}", go.display());
    let mut begun = Vec::new();
    for _ in 0..3 {
        begun.push(begin(&app, &path).await);
    }
    std::fs::write(&go, "").unwrap();
    for response in begun {
        seen.insert(response.into_body().collect().await.unwrap().to_bytes());
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    running.stop();
    running.stopped().await;
    assert_eq!(ask(&app, "/").await.0, 502);
}

#[tokio::test]
async fn what_workers_write_is_logged_line_by_line() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().canonicalize().unwrap();
    let (workers, log) = workers();
    let workers = workers.count(1).env("MARK", "a mark").unwrap().directory(&place).unwrap();
    let running = workers.start().unwrap();
    let app = running.upstream().error_log(log.stream());
    text(&app, "/error").await;
    assert_eq!(log.wait_for("a message of a request", 1), ["a message of a request"]);
    log.wait_for(&format!("in {} with a mark", place.display()), 1);
    log.wait_for("on standard output", 1);
    running.stop();
    running.stopped().await;
    assert_eq!(log.lines("worker 1").len(), 0, "a stop is no failure");
}

#[tokio::test]
async fn the_environment_is_that_of_cgi_programs() {
    let (workers, _log) = super::run::sh(r#"env >"$OUT"; exec sleep 1000"#);
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("env");
    let running = workers.count(1).env("OUT", &path).unwrap().start().unwrap();
    until("the file", || std::fs::read_to_string(&path).is_ok_and(|text| text.contains("OUT="))).await;
    let text = std::fs::read_to_string(&path).unwrap();
    let name = |line: &str| line.split_once('=').map(|(name, _)| name.to_owned());
    let names: BTreeSet<_> = text.lines().filter_map(name).collect();
    assert!(names.contains("PATH") && !names.contains("CARGO") && !names.contains("HOME"), "{names:?}");
    drop(running);
}
