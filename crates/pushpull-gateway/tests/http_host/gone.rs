//! Requirement 14: a client's disconnect is noticed in every state, even while its bytes wait to be read.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use pushpull_gateway::host::http::{ClientLimits, End, Server};

use super::host::{Answer, Host, wait_until};
use pushpull_testing::http2::{ask, get, talk};
use pushpull_testing::wire::Wire;

/// Counts a response while it exists.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(there: &Arc<AtomicUsize>) -> Counted {
        there.fetch_add(1, Ordering::SeqCst);
        Counted(there.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A body that never yields.
struct Never(#[allow(dead_code, reason = "it counts while it exists")] Counted);

impl Body for Never {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Pending
    }
}

/// A host that never answers, or (`/headed`) never sends a body after the head.
fn hanging() -> (Host, Arc<AtomicUsize>) {
    let there = Arc::new(AtomicUsize::new(0));
    let counted = there.clone();
    let host = Host::start(ClientLimits::new(), move || {
        let there = counted.clone();
        Answer(move |request: http::Request<pushpull_gateway::host::http::RequestBody>| {
            let counted = Counted::new(&there);
            let is_headed = request.uri().path() == "/headed";
            async move {
                // The request's body is kept and never read.
                let _kept = request;
                if !is_headed {
                    pending::<()>().await;
                }
                Response::new(Never(counted))
            }
        })
    });
    (host, there)
}

#[test]
fn requirement_14_a_disconnect_is_noticed_in_each_state() {
    let (host, there) = hanging();
    let mut count = 0;
    for path in ["/", "/headed"] {
        // With an unread body. If it exceeds the sockets, the client's close queues behind it and only a reset gets
        // through.
        for upload in [0, 100, 50_000, 8 << 20] {
            for how in ["close", "half-close", "reset"].into_iter().filter(|how| upload < 1 << 20 || *how == "reset") {
                let mut wire = Wire::connect(host.address);
                let length = if upload > 0 { format!("Content-Length: {}\r\n", 1 << 30) } else { String::new() };
                wire.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\n{length}\r\n"));
                if path == "/headed" {
                    wire.until("\r\n\r\n");
                }
                wait_until("the request is being answered", || there.load(Ordering::SeqCst) == 1);
                if upload > 0 {
                    wire.0.set_nonblocking(true).unwrap();
                    let sent = std::io::Write::write(&mut wire.0, &vec![b'y'; upload]).unwrap();
                    assert!(sent == upload || how == "reset");
                    wire.0.set_nonblocking(false).unwrap();
                }
                match how {
                    "close" => drop(wire),
                    "reset" => wire.reset(),
                    _ => {
                        wire.half_close();
                        let got = wire.rest();
                        // The response is visibly truncated.
                        assert!(!got.chunks_if_any().1, "{got:?}");
                    }
                }
                count += 1;
                wait_until(&format!("{path} {upload} {how} is noticed"), || there.load(Ordering::SeqCst) == 0);
                assert_eq!(host.said.records(count)[count - 1].end, End::Gone);
            }
        }
    }
}

#[test]
fn requirement_14_a_client_that_resets_at_once_has_an_address() {
    let mut address = None;
    let settings = |server: Server| {
        // The request and the reset have come when the server accepts.
        let mut wire = Wire::connect(server.local_addr().unwrap());
        address = Some(wire.0.local_addr().unwrap());
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        wire.reset();
        server
    };
    let host = Host::start_as(settings, || Answer(async |_| Response::new(Full::<Bytes>::default())));
    assert_eq!(host.said.records(1)[0].remote, address);
}

#[test]
fn requirement_14_a_stream_of_http_2_that_is_reset_ends_alone() {
    let (host, there) = hanging();
    talk(host.address, async |mut sender| {
        let kept = ask(&mut sender, get("/headed")).await;
        // Before the head and after it.
        for path in ["/", "/headed"] {
            sender.ready().await.unwrap();
            let mut asked = Box::pin(sender.send_request(get(path)));
            // The program may start before its head arrives here.
            let answer = tokio::select! {
                answer = &mut asked => Some(answer.unwrap()),
                () = until_there(&there, 2), if path == "/" => None,
            };
            assert_eq!(answer.is_some(), path == "/headed");
            drop((answer, asked));
            until_there(&there, 1).await;
        }
        drop(kept);
        until_there(&there, 0).await;
    });
    assert!(host.said.records(3).iter().all(|record| record.end == End::Gone));
}

#[test]
fn requirement_14_all_streams_of_a_connection_of_http_2_end_with_it() {
    let (host, there) = hanging();
    talk(host.address, async |mut sender| {
        let mut answers = Vec::new();
        for _ in 0..10 {
            answers.push(ask(&mut sender, get("/headed")).await.into_body());
        }
        until_there(&there, 10).await;
    });
    wait_until("all have ended", || there.load(Ordering::SeqCst) == 0);
    assert!(host.said.records(10).iter().all(|record| record.end == End::Gone));
}

async fn until_there(there: &AtomicUsize, count: usize) {
    while there.load(Ordering::SeqCst) != count {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

#[test]
fn requirement_14_a_response_that_was_complete_is_done() {
    let host = Host::start(ClientLimits::new(), || {
        Answer(|_: http::Request<pushpull_gateway::host::http::RequestBody>| async {
            Response::new(http_body_util::Full::new(Bytes::from_static(b"hello")).boxed())
        })
    });
    for n in 1..=100 {
        let mut wire = Wire::connect(host.address);
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("hello");
        drop(wire);
        assert_eq!(host.said.records(n)[n - 1].end, End::Done);
    }
}
