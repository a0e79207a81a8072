//! Bodies of `Local` that are sent.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use pushpull::local::SendBody;
use pushpull::{Local, local};
use pushpull_testing::guard::{Dropped, Guard, guard};

fn sent(program: impl FnOnce(&mut local::Writer) -> io::Result<()> + 'static) -> SendBody {
    Local::new().pull(program).into_body().into_send()
}

/// A body whose program waits after its first chunk, and what says that it is dropped.
fn endless() -> (SendBody, Dropped) {
    let (guard, dropped) = guard();
    let program = move |w: &mut local::Writer| {
        let _guard: Guard = guard;
        loop {
            w.write_bytes(Bytes::from_static(b"x"))?;
        }
    };
    (sent(program), dropped)
}

fn frame(body: &mut SendBody) -> Option<io::Result<Bytes>> {
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(frame) => frame.map(|frame| frame.map(|frame| frame.into_data().unwrap())),
        Poll::Pending => panic!("a program that writes does not wait"),
    }
}

fn all(body: SendBody) -> io::Result<Bytes> {
    pollster::block_on(async { body.collect().await.map(|all| all.to_bytes()) })
}

#[test]
fn law_1_a_body_that_is_sent_and_comes_back_is_whole() {
    let body = sent(|w| (0..1000).try_for_each(|number| write!(w, "{number},")));
    let back = thread::spawn(move || body).join().unwrap();
    let expected: String = (0..1000).map(|number| format!("{number},")).collect();
    assert_eq!(all(back).unwrap(), expected);
}

#[test]
fn law_2_a_failure_cuts_the_body() {
    let body = sent(|w| {
        w.write_all(b"abc")?;
        Err(io::ErrorKind::StorageFull.into())
    });
    assert_eq!(all(body).unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn law_2_a_poll_elsewhere_is_an_error_and_the_program_stays_at_home() {
    let (mut body, dropped) = endless();
    assert_eq!(frame(&mut body).unwrap().unwrap(), "x");
    let body = thread::spawn(move || {
        let error = frame(&mut body).unwrap().unwrap_err();
        assert!(error.to_string().contains("another thread"), "{error}");
        assert!(frame(&mut body).is_none() && body.is_end_stream());
        body
    });
    let mut body = body.join().unwrap();
    // It has ended, here too.
    assert!(frame(&mut body).is_none());
    assert!(!dropped.is_gone());
    drop(body);
    dropped.wait();
}

#[test]
fn law_7_a_drop_elsewhere_hands_the_program_back() {
    thread::spawn(|| {
        let (mut body, dropped) = endless();
        let (unstarted, unstarted_dropped) = endless();
        assert_eq!(frame(&mut body).unwrap().unwrap(), "x");
        thread::spawn(move || drop((body, unstarted))).join().unwrap();
        assert!(!dropped.is_gone() && !unstarted_dropped.is_gone(), "it was dropped on another thread");
        // The next use of such a body on this thread.
        assert_eq!(all(sent(|w| w.write_all(b"next"))).unwrap(), "next");
        dropped.wait();
        unstarted_dropped.wait();
    })
    .join()
    .unwrap();
}

#[test]
fn law_7_the_end_of_the_thread_drops_what_was_not_started() {
    let (body, dropped) = thread::spawn(endless).join().unwrap();
    dropped.wait();
    drop(body);
}

#[test]
fn a_program_may_use_other_such_bodies() {
    let body = sent(|w| {
        let inner = sent(|w| w.write_all(b"inner"));
        let left = sent(|w| w.write_all(b"left"));
        w.write_all(&all(inner)?)?;
        drop(left);
        w.write_all(b" and outer")
    });
    assert_eq!(all(body).unwrap(), "inner and outer");
}

#[test]
fn its_size_is_that_of_the_program() {
    let mut body = sent(|w| w.write_all(b"hello"));
    assert!(!body.is_end_stream());
    assert_eq!(frame(&mut body).unwrap().unwrap(), "hello");
    assert!(frame(&mut body).is_none() && body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    // Elsewhere, nothing is known.
    let unstarted = sent(|w| w.write_all(b"hello"));
    thread::spawn(move || assert_eq!(unstarted.size_hint().exact(), None)).join().unwrap();
}
