//! The limits for a front server. Each is short here, and the test waits until it is reached.

use std::convert::Infallible;
use std::future::pending;
use std::io::ErrorKind;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use pushpull::Local;
use pushpull_gateway::fastcgi::{ProtocolStatus, Role, Stream, begin_request, records};
use pushpull_gateway::host::{ClientLimits, RequestBody};
use pushpull_gateway::{push_fn, service};
use tower::service_fn;

use super::client::{Client, get, request};
use super::requests::{app, server};
use crate::front::Host;

const SHORT: Duration = Duration::from_millis(100);

fn limited(limits: ClientLimits) -> Host {
    Host::start(server().limits(limits), || service(Local::new(), app()))
}

#[test]
fn requirement_23_a_body_beside_others_ends_with_overloaded_when_its_spool_is_full() {
    // The first request's body is never read; the second request waits for the end of its own body.
    let answer = |request: Request<RequestBody>| async move {
        if request.uri().path() == "/held" {
            pending::<()>().await;
        }
        request.into_body().collect().await.unwrap();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
    };
    let host = Host::start(server(), move || service_fn(answer));
    let mut client = Client::connect(host.address);
    client.send(request(1, true, &[("REQUEST_URI", "/held")])).send(request(2, true, &[]));
    // As much as memory and file hold, and one piece more.
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..66 {
        client.stdin(1, &piece);
    }
    assert_eq!(client.answer(1).end, Some((1, ProtocolStatus::Overloaded)));
    host.wait_for("a request was ended: its unread body blocked other requests");
    host.wait_for("POST /held HTTP/1.1 ");
    // Other requests continue, and the rest of the body is ignored.
    let other = client.stdin(1, &piece).end_stdin(1).end_stdin(2).answer(2);
    assert!(other.is_complete() && other.text().ends_with("hello"), "{other:?}");
    assert!(client.send(get(1, true, &[])).answer(1).is_complete());
}

#[test]
fn requirement_13_an_incomplete_request_is_closed() {
    let host = limited(ClientLimits::new().timeout_head(SHORT));
    let whole = request(1, true, &[]);
    // Within its first record, and between two.
    for length in [5, begin_request(1, Role::Responder, true).len(), whole.len() - 8] {
        assert!(Client::connect(host.address).send(&whole[..length]).is_closed());
    }
    host.wait_for("a request did not arrive completely in time");
    // A connection that waits for its next request has no time limit.
    let mut idle = Client::connect(host.address);
    assert!(idle.send(get(1, true, &[])).answer(1).is_complete());
    assert!(Client::connect(host.address).send(&whole[..5]).is_closed());
    assert!(idle.send(get(1, true, &[])).answer(1).is_complete());
}

#[test]
fn requirement_13_a_body_that_does_not_arrive_is_an_error_of_the_read() {
    let host = limited(ClientLimits::new().timeout_idle(SHORT));
    let mut client = Client::connect(host.address);
    let mut sent = BytesMut::from(&request(1, true, &[("QUERY_STRING", "all"), ("CONTENT_LENGTH", "5")])[..]);
    records(Stream::Stdin, 1, "four".into()).put(&mut sent);
    client.send(sent);
    let answer = client.answer(1);
    assert!(answer.is_complete(), "{answer:?}");
    assert!(answer.text().ends_with(&format!("4 {:?}\n", Some(ErrorKind::InvalidInput))), "{answer:?}");
    // If the app has not begun its response, the error is the response.
    let echo = || service(Local::new(), push_fn(|inp, out, _err, _env| std::io::copy(inp, out).map(drop)));
    let host = Host::start(server().limits(ClientLimits::new().timeout_idle(SHORT)), echo);
    let answer = Client::connect(host.address).send(request(1, true, &[("CONTENT_LENGTH", "5")])).answer(1);
    assert!(answer.is_complete() && answer.text().starts_with("Status: 408 "), "{answer:?}");
}

#[test]
fn requirement_13_a_front_server_that_reads_nothing_is_closed() {
    let endless = || {
        let write = push_fn(|_inp, out, _err, _env| {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            loop {
                out.write_all(&[b'x'; 64 * 1024])?;
            }
        });
        service(Local::new(), write)
    };
    let host = Host::start(server().limits(ClientLimits::new().timeout_client(SHORT)), endless);
    let mut client = Client::connect(host.address);
    client.send(get(1, true, &[]));
    host.wait_for("the front server does not read the response");
    host.wait_for(" cut");
    assert!(client.answer(1).end.is_none());
}
