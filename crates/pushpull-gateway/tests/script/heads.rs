//! How heads, and bodies that are not sent, are handled.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt, Empty};
use pushpull_gateway::{Body, LocalRedirects, Script};
use tower_service::Service;

use crate::support::{ask, collect, get, heard, limits, request, run, sh};

async fn whole(response: Response<Body>) -> (u16, HeaderMap, Vec<u8>) {
    let (parts, body) = response.into_parts();
    let (bytes, error) = collect(body).await;
    assert!(error.is_none(), "{error:?}");
    (parts.status.as_u16(), parts.headers, bytes)
}

#[test]
fn requirement_9_and_10_the_head_becomes_the_response() {
    let text =
        "printf 'Status: 404 Not Here\r\nX-CGI-A: 1\r\nConnection: close\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nx'";
    let (status, fields, bytes) = run(async { whole(ask(&sh(text), get()).await).await });
    assert_eq!((status, &bytes[..]), (404, &b"x"[..]));
    assert_eq!(fields.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(fields.len(), 2);
    let (status, fields, _) = run(async { whole(ask(&sh("printf 'Location: http://a/\n\n'"), get()).await).await });
    assert_eq!((status, fields["location"].as_bytes()), (302, &b"http://a/"[..]));
}

#[test]
fn requirement_8_a_head_may_arrive_in_pieces() {
    let text = "printf 'A'; sleep 0; printf ': b\n'; sleep 0; printf '\n'; sleep 0; printf 'body'";
    let (_, fields, bytes) = run(async { whole(ask(&sh(text), get()).await).await });
    assert_eq!((fields["a"].as_bytes(), &bytes[..]), (&b"b"[..], &b"body"[..]));
}

#[test]
fn requirement_11_the_output_for_head_is_drained_and_not_killed() {
    let text = "printf 'A: b\nContent-Length: 1000000\n\n'; head -c 1000000 /dev/zero && echo done >&2";
    let (script, mut lines) = heard(sh(text).limits(limits(|limits| limits)));
    run(async {
        let response = ask(&script, request("HEAD", "/").body(Empty::<Bytes>::new()).unwrap()).await;
        assert_eq!(response.headers()["content-length"], "1000000");
        assert!(response.body().is_end_stream());
        // As hyper does on HTTP/1.
        drop(response);
        assert_eq!(lines.next().await, "done");
        script.stopped().await;
    });
}

#[test]
fn requirement_11_a_head_request_does_not_keep_an_endless_program() {
    let limits = limits(|limits| limits.max_drained(1 << 20));
    let script = sh("printf 'A: b\n\n'; exec yes").limits(limits);
    run(async {
        let response = ask(&script, request("HEAD", "/").body(Empty::<Bytes>::new()).unwrap()).await;
        assert!(response.into_body().frame().await.is_none());
        script.stopped().await;
    });
}

#[test]
fn requirement_11_a_head_request_does_not_keep_a_silent_program() {
    let limits = limits(|limits| limits.timeout_work(std::time::Duration::from_millis(50)));
    let script = sh("printf 'A: b\n\n'; exec sleep 1000").limits(limits);
    run(async {
        ask(&script, request("HEAD", "/").body(Empty::<Bytes>::new()).unwrap()).await;
        script.stopped().await;
    });
}

#[test]
fn requirement_8_and_11_204_and_304_have_no_body_and_no_length() {
    for status in [204, 304] {
        let text = format!("printf 'Status: {status}\nContent-Length: 5\n\nhello'; echo done >&2");
        let (script, mut lines) = heard(sh(&text));
        run(async {
            let (found, fields, bytes) = whole(ask(&script, get()).await).await;
            assert_eq!((found, fields.len(), bytes.len()), (status, 0, 0));
            assert_eq!(lines.next().await, "done");
        });
    }
}

/// A program that redirects from /a to /b.
fn redirecting(rest: &str) -> Script {
    let text = format!(
        "case $PATH_INFO in /a) printf 'Location: /b?c=d\n\n{rest};; *) printf 'A: b\n\n%s' $QUERY_STRING;; esac"
    );
    // A second permit would exceed the limit.
    sh(&text).limits(limits(|limits| limits.max_programs(1).max_drained(100_000)))
}

#[test]
fn requirement_9_and_13_a_local_redirect_reuses_the_permit() {
    for rest in ["'", "ignored'", "'; yes"] {
        let mut service = LocalRedirects::new(redirecting(rest));
        let asked = request("GET", "/a").body(Empty::<Bytes>::new()).unwrap();
        let (status, fields, bytes) = run(async { whole(service.call(asked).await.unwrap()).await });
        assert_eq!((status, fields["a"].as_bytes(), &bytes[..]), (200, &b"b"[..], &b"c=d"[..]), "{rest}");
    }
}

/// A service that sends another request just before a redirect is followed.
#[derive(Clone)]
struct Contested(Script);

impl Service<Request<Empty<Bytes>>> for Contested {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, asked: Request<Empty<Bytes>>) -> Self::Future {
        let mut script = self.0.clone();
        Box::pin(async move {
            if asked.uri().path() == "/b" {
                assert_eq!(ask(&script, get()).await.status(), 503);
            }
            script.call(asked).await
        })
    }
}

#[test]
fn requirement_13_no_other_request_takes_the_permit_between_two_hops() {
    let asked = request("GET", "/a").body(Empty::<Bytes>::new()).unwrap();
    let response = run(async { LocalRedirects::new(Contested(redirecting("'"))).call(asked).await.unwrap() });
    assert_eq!(response.status(), 200);
}

#[test]
fn requirement_9_a_failing_redirect_is_a_502_and_an_unfollowed_one_a_302() {
    let asked = || request("GET", "/a").body(Empty::<Bytes>::new()).unwrap();
    let status = |rest: &str| run(async { ask(&redirecting(rest), asked()).await.status().as_u16() });
    assert_eq!(status("'; exit 1"), 502);
    assert_eq!(status("'"), 302);
}

#[test]
fn requirement_9_a_loop_of_redirects_ends() {
    let script = sh("echo again >&2; printf 'Location: /\n\n'").limits(limits(|limits| limits.max_programs(1)));
    let (script, lines) = heard(script);
    let response = run(async { LocalRedirects::new(script.clone()).call(get()).await.unwrap() });
    assert_eq!(response.status(), 502);
    assert_eq!(lines.rest().len(), 11);
    // The permit has been returned.
    drop(response);
    assert_eq!(run(async { ask(&script, get()).await.status().as_u16() }), 302);
}
