//! The bounds that hyper, axum, reqwest and tonic set for a body and its error.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::io::{self, Write};

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use pushpull::{Error, Local, Pool, Thread, local};

use crate::support::polled::block_on;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Has the bounds of hyper's servers and clients.
fn hyper<B>(_: &B)
where
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
}

/// Has the bounds of `axum_core::body::Body::new` and `tonic::body::Body::new`.
fn axum_and_tonic<B>(_: &B)
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
}

/// Has the bounds of `reqwest::Body::wrap`.
fn reqwest<B>(_: &B)
where
    B: Body + Send + Sync + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
}

/// Has the bounds of `reqwest::Body::wrap_stream` and `axum_core::body::Body::from_stream`.
fn streams<S, O, E>(_: &S)
where
    S: futures_util::TryStream<Ok = O, Error = E> + Send + 'static,
    O: Into<Bytes>,
    E: Into<BoxError>,
{
}

#[test]
fn bodies_meet_the_bounds_of_servers_and_clients() {
    let of_thread = Thread::new().pull(|w| w.write_all(b"x"));
    streams(&of_thread);
    let of_thread = of_thread.into_body();
    hyper(&of_thread);
    axum_and_tonic(&of_thread);
    reqwest(&of_thread);
    hyper(&Local::new().pull(|w| w.write_all(b"x")).into_body());
    // Also if the program's input is a body of another crate.
    let filter = Pool::global().filter(|r, w| io::copy(r, w).map(drop));
    let filtered = filter.pull_from_body(http_body_util::Full::<Bytes>::from("x"));
    streams(&filtered);
    let filtered = filtered.into_body();
    axum_and_tonic(&filtered);
    reqwest(&filtered);
    let body = axum_core::body::Body::new(filtered);
    assert_eq!(block_on(body.collect()).unwrap().to_bytes(), "x");
}

/// An error keeps its kind and its payload in the box that axum and hyper put it in.
#[test]
fn an_error_keeps_its_kind_and_payload_in_a_box() {
    let body = axum_core::body::Body::new(Pool::global().pull(|_| std::panic::resume_unwind(Box::new(42))).into_body());
    let error: BoxError = block_on(body.collect()).unwrap_err().into_inner();
    let error: Box<io::Error> = error.downcast().unwrap();
    assert!(Error::of(&error).unwrap().is_panic());
}

/// The program reads another crate's error unchanged, or inside an error of kind `Other`.
#[test]
fn errors_of_other_bodies_are_read() {
    #[derive(Debug)]
    struct Theirs;
    impl std::fmt::Display for Theirs {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("their own")
        }
    }
    impl StdError for Theirs {}

    let copy = |r: &mut local::Reader, w: &mut local::Writer| io::copy(r, w).map(drop);
    let mut chunks = Local::new()
        .filter(copy)
        .pull_from_stream(futures_util::stream::iter([Ok(Bytes::from_static(b"x")), Err(Theirs)]));
    assert_eq!(chunks.next().unwrap().unwrap(), "x");
    let error = chunks.next().unwrap().unwrap_err();
    assert!(error.get_ref().unwrap().is::<Theirs>());
    assert!(chunks.next().is_none());
    let whole = futures_util::stream::iter([Ok::<_, Infallible>("text"), Ok("s")]);
    let count = Thread::new().push(|r| io::copy(r, &mut io::sink()));
    assert_eq!(block_on(count.feed_from_stream(whole)).unwrap(), 5);
}
