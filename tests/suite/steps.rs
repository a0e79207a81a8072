//! A filter run step by step: its input, the order of reads, and its end.

use std::io::{self, Read, Write};

use pushpull::local::{Step, Steps};
use pushpull::{Error, Local};
use pushpull_testing::guard::guard;

fn copy() -> Steps {
    Local::new().filter(|r, w| io::copy(r, w).map(drop)).steps()
}

/// Steps to the end without more input.
fn rest(steps: &mut Steps) -> (Vec<u8>, Option<io::Error>) {
    let mut bytes = Vec::new();
    loop {
        match steps.step() {
            Ok(Step::Chunk(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(Step::NeedsInput) => panic!("the program asks for input after the end"),
            Ok(Step::End) => return (bytes, None),
            Err(error) => return (bytes, Some(error)),
        }
    }
}

#[test]
fn law_1_what_is_given_ahead_is_read_in_order() {
    let mut steps = copy();
    for part in ["one ", "", "two ", "three"] {
        steps.give(part.into());
    }
    steps.end();
    // The first end stands.
    steps.give("after the end".into());
    steps.fail(io::ErrorKind::StorageFull.into());
    let (bytes, end) = rest(&mut steps);
    assert_eq!(bytes, b"one two three");
    assert!(end.is_none());
    assert!(matches!(steps.step(), Ok(Step::End)));
}

#[test]
fn law_2_a_failed_input_is_no_end() {
    let mut steps = copy();
    steps.give("abc".into());
    steps.fail(io::ErrorKind::StorageFull.into());
    steps.end();
    let (bytes, end) = rest(&mut steps);
    assert_eq!((&bytes[..], end.unwrap().kind()), (&b"abc"[..], io::ErrorKind::StorageFull));
    assert!(matches!(steps.step(), Ok(Step::End)));
}

#[test]
fn law_2_steps_that_are_dropped_are_no_end() {
    let (tell, told) = std::sync::mpsc::channel();
    let (own, dropped) = guard();
    let mut steps = Local::new()
        .filter(move |r, _| {
            let _own = own;
            let mut bytes = Vec::new();
            let error = r.read_to_end(&mut bytes).unwrap_err();
            tell.send((bytes, error)).unwrap();
            Ok(())
        })
        .steps();
    assert!(matches!(steps.step(), Ok(Step::NeedsInput)));
    steps.give("one ".into());
    steps.give("two".into());
    drop(steps);
    assert!(dropped.is_gone());
    let (bytes, error) = told.recv().unwrap();
    assert_eq!(bytes, b"one two", "earlier input is not read first");
    assert!(Error::of(&error).unwrap().is_truncated());
}

#[test]
fn law_9_steps_that_are_dropped_unstarted_run_nothing() {
    let mut steps = Local::new().filter(|_, _| unreachable!("it runs")).steps();
    steps.give("abc".into());
    drop(steps);
}

#[test]
fn steps_ask_until_input_is_given() {
    let mut steps = copy();
    for _ in 0..3 {
        assert!(matches!(steps.step(), Ok(Step::NeedsInput)));
        steps.give("".into());
    }
    steps.give("abc".into());
    steps.end();
    assert_eq!(rest(&mut steps).0, b"abc");
}

#[test]
fn a_large_write_is_one_chunk() {
    let mut steps = Local::new().chunk_size(4).filter(|_, w| w.write_all(&[7; 100])).steps();
    assert!(matches!(steps.step(), Ok(Step::Chunk(chunk)) if chunk.len() == 100));
    assert!(matches!(steps.step(), Ok(Step::End)));
}
