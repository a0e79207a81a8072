//! Requirement 13: requests wait for a program to end, in order and up to a limit.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use pushpull_gateway::host::Shutdown;
use pushpull_gateway::{Body, BodyPolicy, Script};
use tokio::task::JoinHandle;

use crate::support::{Lines, ask, collect, get, heard, limits, run, sh, upload};

const HOUR: Duration = Duration::from_secs(3600);

/// A script with one program at a time, which says that it runs, and ends with its input.
fn one_at_a_time(queue: usize, time: Duration) -> (Script, Lines) {
    let script =
        sh("read name; echo \"$name\" >&2; cat; printf 'A: b\n\n%s' \"$name\"").request_body(BodyPolicy::Stream);
    heard(script.limits(limits(|limits| limits.max_programs(1).queue(queue).queue_timeout(time))))
}

/// A request whose program reports `name` when it runs, until the result is dropped.
struct Asked {
    writer: pushpull::Writer,
    response: JoinHandle<Response<Body>>,
}

impl Asked {
    async fn new(script: &Script, name: &str) -> Asked {
        let (mut writer, request) = upload();
        writer.write_all(format!("{name}\n").as_bytes()).unwrap();
        let asked = script.clone();
        Asked { writer, response: tokio::spawn(async move { ask(&asked, request).await }) }
    }

    async fn ends(self) -> Bytes {
        self.writer.finish().unwrap();
        collect(self.response.await.unwrap().into_body()).await.0.into()
    }
}

/// Waits until this number of requests wait.
async fn until_waiting(script: &Script, number: usize) {
    while script.waiting() != number {
        tokio::task::yield_now().await;
    }
}

/// Checks a 503 that asks the client to come back after this number of seconds.
fn check_refused(response: &Response<Body>, seconds: &str) {
    assert_eq!(
        (response.status(), response.headers()["retry-after"].to_str().unwrap()),
        (StatusCode::SERVICE_UNAVAILABLE, seconds)
    );
}

#[test]
fn requirement_13_requests_are_served_in_order_and_one_beyond_the_queue_is_a_503() {
    run(async {
        let (script, mut lines) = one_at_a_time(2, HOUR);
        let first = Asked::new(&script, "first").await;
        assert_eq!(lines.next().await, "first");
        let second = Asked::new(&script, "second").await;
        until_waiting(&script, 1).await;
        let third = Asked::new(&script, "third").await;
        until_waiting(&script, 2).await;
        assert_eq!(script.running(), 1);
        // The queue is full, also for a request whose body would have to be waited for.
        for policy in [BodyPolicy::Stream, BodyPolicy::Spool] {
            let (_writer, request) = upload();
            let refused = ask(&script.clone().request_body(policy), request).await;
            check_refused(&refused, "3600");
            assert!(lines.next().await.ends_with("the maximum number of programs is running, and the queue is full"));
        }
        // A client that leaves gives its place to another.
        third.response.abort();
        assert!(third.response.await.unwrap_err().is_cancelled());
        assert_eq!(script.waiting(), 1);
        let fourth = Asked::new(&script, "fourth").await;
        until_waiting(&script, 2).await;
        assert_eq!(first.ends().await, "first");
        assert_eq!(lines.next().await, "second");
        assert_eq!(script.waiting(), 1);
        assert_eq!(second.ends().await, "second");
        assert_eq!(lines.next().await, "fourth");
        assert_eq!(fourth.ends().await, "fourth");
        assert_eq!(script.waiting(), 0);
        script.stopped().await;
        assert_eq!((script.running(), lines.rest()), (0, vec![]));
    });
}

#[test]
fn requirement_13_the_time_in_the_queue_is_limited() {
    run(async {
        let (script, mut lines) = one_at_a_time(1, Duration::from_millis(1100));
        let first = Asked::new(&script, "first").await;
        assert_eq!(lines.next().await, "first");
        let refused = ask(&script, get()).await;
        check_refused(&refused, "2");
        assert!(lines.next().await.ends_with("no program ended in time for a request in the queue"));
        assert_eq!(script.waiting(), 0);
        assert_eq!(first.ends().await, "first");
        // The place is free again.
        assert_eq!(Asked::new(&script, "next").await.ends().await, "next");
    });
}

#[test]
fn requirement_17_the_queue_is_refused_when_the_programs_are_stopped() {
    run(async {
        // A program that does not end, so that no place becomes free.
        let deaf = sh("trap '' TERM; echo first >&2; while :; do sleep 0.1; done");
        let (script, mut lines) =
            heard(deaf.limits(limits(|limits| limits.max_programs(1).queue(1).queue_timeout(HOUR))));
        let asked = script.clone();
        let first = tokio::spawn(async move { ask(&asked, get()).await });
        assert_eq!(lines.next().await, "first");
        let asked = script.clone();
        let second = tokio::spawn(async move { ask(&asked, get()).await });
        until_waiting(&script, 1).await;
        script.stop();
        assert_eq!(second.await.unwrap().status(), 503);
        assert_eq!(script.running(), 1);
        drop(first);
    });
}

#[test]
fn requirement_17_the_queue_is_refused_when_the_server_stops() {
    run(async {
        let (script, mut lines) = one_at_a_time(2, HOUR);
        let first = Asked::new(&script, "first").await;
        assert_eq!(lines.next().await, "first");
        let shutdown = Shutdown::new();
        let mut request = get();
        request.extensions_mut().insert(shutdown.clone());
        let asked = script.clone();
        let second = tokio::spawn(async move { ask(&asked, request).await });
        until_waiting(&script, 1).await;
        shutdown.cut();
        let second = second.await.unwrap();
        check_refused(&second, "1");
        assert!(lines.next().await.ends_with("the server is stopping"));
        // Running programs continue.
        assert_eq!(first.ends().await, "first");
    });
}
