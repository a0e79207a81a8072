//! Connections are kept, limited, closed in time, and replaced when they are closed.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use http_body_util::BodyExt;
use pushpull_gateway::fastcgi::{ProtocolStatus, abort};
use tokio::sync::{Notify, Semaphore};

use super::app::{app, canned};
use super::ask::{ask, collect, get, got, heard, keeping, post, upstream};

const HELLO: &str = "Content-Type: text/plain\n\nhello";
const HOUR: Duration = Duration::from_secs(3600);

fn well(text: &str) -> (u16, String, Option<std::io::ErrorKind>) {
    (200, text.to_owned(), None)
}

#[test]
fn successive_requests_share_a_connection() {
    super::ask::run(async {
        let (address, count) = canned(HELLO, 0, ProtocolStatus::RequestComplete).await;
        let upstream = keeping(&address);
        for _ in 0..1000 {
            assert_eq!(got(&upstream, "/").await, well("hello"));
        }
        assert_eq!(ask(&upstream, put(300_000)).await.into_body().collect().await.unwrap().to_bytes(), "hello");
        assert_eq!(count.load(SeqCst), 1);
    });
}

#[test]
fn without_idle_connections_each_request_asks_for_its_own() {
    super::ask::run(async {
        let (address, count) = app(|_, mut peer| async move {
            let asked = peer.request().await.unwrap();
            peer.out(format!("A: b\n\n{}", asked.keep)).await;
            peer.well().await;
            peer.closed().await;
        })
        .await;
        let upstream = upstream(&address).max_idle(0).idle_timeout(HOUR);
        for _ in 0..3 {
            assert_eq!(got(&upstream, "/").await, well("false"));
        }
        assert_eq!(count.load(SeqCst), 3);
    });
}

#[test]
fn requirement_14_an_application_that_runs_on_after_its_response_delays_no_request() {
    super::ask::run(async {
        // Like a script that has called `fastcgi_finish_request`: its work ends when the test does.
        let (address, count) = app(|_, mut peer| async move {
            let asked = peer.request().await.unwrap();
            peer.out(HELLO).await;
            peer.well().await;
            if asked.params["PATH_INFO"] == "/finish" {
                std::future::pending::<()>().await;
            }
        })
        .await;
        let upstream = upstream(&address);
        for path in ["/finish", "/", "/finish", "/finish", "/"] {
            assert_eq!(got(&upstream, path).await, well("hello"));
        }
        assert_eq!(count.load(SeqCst), 5);
    });
}

#[test]
fn the_number_of_kept_connections_is_limited() {
    super::ask::run(async {
        let (gate, gone) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (held, over) = (gate.clone(), gone.clone());
        let (address, count) = app(move |_, mut peer| {
            let (gate, gone) = (held.clone(), over.clone());
            async move {
                while peer.request().await.is_some() {
                    peer.out("A: b\n\n").await;
                    gate.acquire().await.unwrap().forget();
                    peer.out("hello").await;
                    peer.well().await;
                }
                gone.add_permits(1);
            }
        })
        .await;
        // A time beyond any `Instant` is no limit.
        let upstream = upstream(&address).max_idle(2).idle_timeout(Duration::MAX);
        let mut answers = Vec::new();
        for _ in 0..5 {
            answers.push(ask(&upstream, get("/")).await);
        }
        assert_eq!(count.load(SeqCst), 5);
        gate.add_permits(5);
        for answer in answers {
            assert_eq!(collect(answer.into_body()).await.0, b"hello");
        }
        gone.acquire_many(3).await.unwrap().forget();
        assert_eq!(gone.available_permits(), 0);
        drop(upstream);
        gone.acquire_many(2).await.unwrap().forget();
    });
}

#[test]
fn an_idle_connection_gives_up_the_process_that_another_request_waits_for() {
    super::ask::run(async {
        // Like php-fpm with one process.
        let process = Arc::new(Semaphore::new(1));
        let (address, _) = app(move |_, mut peer| {
            let process = process.clone();
            async move {
                let _process = process.acquire().await.unwrap();
                while peer.request().await.is_some() {
                    peer.out(HELLO).await;
                    peer.well().await;
                }
            }
        })
        .await;
        let upstream = keeping(&address);
        let asked = (0..50).map(|number| {
            let upstream = upstream.clone();
            tokio::task::spawn_local(async move {
                let answer = if number % 2 == 0 {
                    ask(&upstream, get("/")).await
                } else {
                    ask(&upstream, post("/", "body")).await
                };
                collect(answer.into_body()).await.0
            })
        });
        for answer in asked.collect::<Vec<_>>() {
            assert_eq!(answer.await.unwrap(), b"hello");
        }
    });
}

#[test]
fn an_idle_connection_is_closed_in_time() {
    super::ask::run(async {
        let gone = Arc::new(Notify::new());
        let told = gone.clone();
        let (address, _) = app(move |_, mut peer| {
            let told = told.clone();
            async move {
                peer.request().await.unwrap();
                peer.out(HELLO).await;
                peer.well().await;
                peer.closed().await;
                told.notify_one();
            }
        })
        .await;
        let upstream = upstream(&address).max_idle(1).idle_timeout(Duration::from_millis(10));
        for _ in 0..3 {
            assert_eq!(got(&upstream, "/").await, well("hello"));
            gone.notified().await;
        }
    });
}

#[test]
fn a_kept_connection_that_was_closed_meanwhile_is_not_used() {
    super::ask::run(async {
        let closed = Arc::new(Notify::new());
        let told = closed.clone();
        let (address, count) = app(move |_, mut peer| {
            let told = told.clone();
            async move {
                peer.request().await.unwrap();
                peer.out(HELLO).await;
                peer.well().await;
                drop(peer);
                told.notify_one();
            }
        })
        .await;
        let upstream = keeping(&address);
        for number in 1..=5 {
            assert_eq!(got(&upstream, "/").await, well("hello"));
            closed.notified().await;
            assert_eq!(count.load(SeqCst), number);
        }
    });
}

#[test]
fn a_connection_with_unsolicited_bytes_is_not_used() {
    super::ask::run(async {
        let (address, count) = app(|_, mut peer| async move {
            peer.request().await.unwrap();
            peer.out(HELLO).await;
            let end = pushpull_gateway::fastcgi::end_request(1, 0, ProtocolStatus::RequestComplete);
            peer.send(&[&end[..], &abort(1)].concat()).await;
            peer.closed().await;
        })
        .await;
        let upstream = keeping(&address);
        for _ in 0..3 {
            assert_eq!(got(&upstream, "/").await, well("hello"));
        }
        assert_eq!(count.load(SeqCst), 3);
    });
}

#[test]
fn a_request_that_must_not_be_repeated_has_its_own_connection() {
    super::ask::run(async {
        let open = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = open.clone();
        let (address, count) = app(move |_, mut peer| {
            let open = counted.clone();
            async move {
                open.fetch_add(1, SeqCst);
                while peer.request().await.is_some() {
                    peer.out(HELLO).await;
                    peer.well().await;
                }
                open.fetch_sub(1, SeqCst);
            }
        })
        .await;
        let upstream = keeping(&address);
        for number in 1..=5 {
            let response = ask(&upstream, post("/", "body")).await;
            assert_eq!(collect(response.into_body()).await.0, b"hello");
            // The kept connection was closed first, because it may hold the process that the new one needs.
            while open.load(SeqCst) > 1 {
                tokio::task::yield_now().await;
            }
            // Other requests may use the new connection.
            assert_eq!(got(&upstream, "/").await, well("hello"));
            assert_eq!(count.load(SeqCst), number);
        }
    });
}

fn put(length: usize) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    let mut put = post("/", vec![b'x'; length]);
    *put.method_mut() = http::Method::PUT;
    put
}

/// An application that reads the second request on its first connection and closes without a response.
async fn forgetful(beginning: &'static str) -> (String, super::app::Count) {
    app(move |number, mut peer| async move {
        for asked in 0.. {
            if peer.request().await.is_none() {
                return;
            }
            if number == 0 && asked == 1 {
                if !beginning.is_empty() {
                    peer.stream_of(pushpull_gateway::fastcgi::Stream::Stderr, beginning.into()).await;
                }
                return;
            }
            peer.out(HELLO).await;
            peer.well().await;
        }
    })
    .await
}

#[test]
fn a_request_lost_with_a_kept_connection_is_repeated_once() {
    super::ask::run(async {
        let (address, count) = forgetful("").await;
        let upstream = keeping(&address);
        assert_eq!(got(&upstream, "/").await, well("hello"));
        assert_eq!(got(&upstream, "/").await, well("hello"));
        assert_eq!(count.load(SeqCst), 2);
        // The same with a spooled body.
        let (address, count) = forgetful("").await;
        let upstream = keeping(&address);
        assert_eq!(got(&upstream, "/").await, well("hello"));
        assert_eq!(ask(&upstream, put(200_000)).await.into_body().collect().await.unwrap().to_bytes(), "hello");
        assert_eq!(count.load(SeqCst), 2);
    });
}

#[test]
fn a_request_that_may_have_been_processed_is_not_repeated() {
    super::ask::run(async {
        // A byte of a response arrived.
        let (address, count) = forgetful("warning\n").await;
        let upstream = keeping(&address);
        assert_eq!(got(&upstream, "/").await, well("hello"));
        assert_eq!(ask(&upstream, get("/")).await.status(), 502);
        assert_eq!(count.load(SeqCst), 1);
        // A request is repeated at most once.
        let (address, count) = app(|number, mut peer| async move {
            peer.request().await;
            if number == 0 {
                peer.out(HELLO).await;
                peer.well().await;
                peer.request().await;
            }
        })
        .await;
        let (upstream, mut lines) = heard(keeping(&address));
        assert_eq!(got(&upstream, "/").await, well("hello"));
        assert_eq!(ask(&upstream, get("/")).await.status(), 502);
        assert_eq!(count.load(SeqCst), 2);
        let line = lines.recv().await.unwrap();
        assert!(line.contains("closed its connection before the end of its answer"), "{line}");
    });
}
