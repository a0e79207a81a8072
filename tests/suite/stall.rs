//! The stall timeout: a program does not wait forever for a reader that does not pull.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::mpsc::channel;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::support::engine::drain;
use bytes::Bytes;
use futures_util::Stream;
use pushpull::{Chunks, Error, Outcome, Pool, Thread, Writer};
use pushpull_testing::guard::guard;
use pushpull_testing::watchdog::within;

/// Long enough that a reader that pulls at once does not reach it.
const SHORT: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::from_secs(3600);

type Engine = Box<dyn Fn(Program) -> Chunks>;
type Program = Box<dyn FnOnce(&mut Writer) -> io::Result<()> + Send>;

/// Returns the engines that run ahead, with a capacity of eight bytes and a stall timeout.
fn engines(limit: Duration) -> [(&'static str, Engine); 2] {
    let thread = Thread::new().chunk_size(4).capacity(8).stall_timeout(limit);
    let pool = Pool::new(1).chunk_size(4).capacity(8).stall_timeout(limit);
    [("thread", Box::new(move |program| thread.pull(program))), ("pool", Box::new(move |program| pool.pull(program)))]
}

#[test]
fn a_stalled_program_ends_before_its_reader_learns_of_it() {
    within(|| {
        for (name, engine) in engines(SHORT) {
            let (tell, told) = channel();
            let (held, released) = guard();
            let mut chunks = engine(Box::new(move |w| {
                let _held = held;
                let result = (0..100).try_for_each(|_| w.write_all(b"abcd"));
                let after = w.write_all(b"late").map_err(|error| error.kind());
                tell.send((result.as_ref().map_err(io::Error::kind).copied(), w.is_closed(), after)).unwrap();
                result
            }));
            let first = chunks.next().unwrap().unwrap();
            // Nothing is pulled from here on, and everything that the program owned is dropped.
            let (result, closed, after) = told.recv().unwrap();
            assert_eq!((result, closed), (Err(io::ErrorKind::TimedOut), true), "{name}");
            assert_eq!(after, Err(io::ErrorKind::BrokenPipe), "{name}");
            released.wait();
            let (rest, end) = drain(chunks);
            assert!(!first.is_empty() && first.len() + rest.len() >= 8, "{name}: bytes written before are lost");
            let end = end.unwrap();
            assert_eq!(end.kind(), io::ErrorKind::TimedOut);
            assert!(Error::of(&end).unwrap().is_stalled() && !Error::of(&end).unwrap().is_timed_out());
            assert_eq!(end.to_string(), "nothing was pulled within the stall timeout");
        }
    });
}

#[test]
fn the_first_reason_wins_over_what_the_program_makes_of_it() {
    within(|| {
        for (_, engine) in engines(SHORT) {
            for program in [
                // A program that returns `Ok`, one that panics, and one that returns an error of its own.
                (|w| w.write_all(&[7; 100]).or(Ok(()))) as fn(&mut Writer) -> io::Result<()>,
                |w| w.write_all(&[7; 100]).map_err(|_| panic!("out of patience")),
                |w| w.write_bytes(Bytes::from_static(&[7; 100])).map_err(|_| io::ErrorKind::Other.into()),
            ] {
                let (held, released) = guard();
                let mut chunks = engine(Box::new(move |w| {
                    let _held = held;
                    program(w)
                }));
                chunks.next().unwrap().unwrap();
                released.wait();
                assert!(Error::of(&drain(chunks).1.unwrap()).unwrap().is_stalled());
            }
        }
    });
}

#[test]
fn the_hook_reports_the_timeout() {
    within(|| {
        let (held, released) = guard();
        let (end, ended) = channel();
        let tell_end = parking_lot::Mutex::new(end);
        let thread = Thread::new().capacity(8).stall_timeout(SHORT);
        let thread = thread.on_end(move |ended| tell_end.lock().send((ended.outcome, ended.stats.bytes)).unwrap());
        let mut chunks = thread.pull(move |w| {
            let _held = held;
            w.write_all(&[7; 100])
        });
        let len = chunks.next().unwrap().unwrap().len() as u64;
        released.wait();
        drop(chunks);
        assert_eq!(ended.recv().unwrap(), (Outcome::TimedOut, len));
    });
}

#[test]
fn a_reader_that_pulls_or_waits_does_not_stall() {
    within(|| {
        // A reader that pulls: its program never waits for long, unless the machine stalls.
        for (name, engine) in engines(100 * SHORT) {
            let (bytes, end) = drain(engine(Box::new(|w| w.write_all(&[7; 10_000]))));
            assert_eq!((bytes.len(), end.is_some()), (10_000, false), "{name}");
        }
        for (_, engine) in engines(SHORT) {
            // A reader that waits longer than the timeout, for a program that waits for something else.
            let (go, gone) = channel::<()>();
            let mut chunks = engine(Box::new(move |w| {
                w.write_all(b"abc")?;
                w.flush()?;
                gone.recv().unwrap_err();
                w.write_all(b"def")
            }));
            assert_eq!(chunks.next().unwrap().unwrap(), "abc");
            assert!(chunks.next_timeout(3 * SHORT).unwrap().is_err());
            drop(go);
            let (bytes, end) = drain(chunks);
            assert_eq!((&bytes[..], end.is_none()), (&b"def"[..], true));
        }
        for (_, engine) in engines(NEVER) {
            let mut chunks = engine(Box::new(|w| w.write_all(&[7; 100])));
            chunks.next().unwrap().unwrap();
            // The program waits, and ends at once when the reader is dropped.
            chunks.join();
        }
    });
}

#[test]
fn a_program_that_waits_to_be_closed_is_freed_too() {
    within(|| {
        for (name, engine) in engines(SHORT) {
            let (tell, told) = channel();
            let mut chunks = engine(Box::new(move |w| {
                w.write_all(b"abcd")?;
                w.write_all(b"efgh")?;
                w.closed().wait();
                tell.send(w.is_closed()).unwrap();
                Ok(())
            }));
            // The program has started, and nothing was pulled.
            let _ = Pin::new(&mut chunks.head()).poll(&mut Context::from_waker(Waker::noop()));
            assert!(told.recv().unwrap(), "{name}");
            let (bytes, end) = drain(chunks);
            assert_eq!(bytes, b"abcdefgh");
            assert!(Error::of(&end.unwrap()).unwrap().is_stalled());
        }
    });
}

#[test]
fn a_thousand_stalled_programs_free_their_stacks() {
    within(|| {
        let pool = Pool::new(2).chunk_size(4).capacity(8).stall_timeout(SHORT);
        let mut stalled: Vec<_> = (0..1000)
            .map(|_| {
                let (held, released) = guard();
                let chunks = pool.pull(move |w| {
                    let _held = &held;
                    w.write_all(&[7; 100])
                });
                (chunks, released)
            })
            .collect();
        for (chunks, _) in &mut stalled {
            let _ = Pin::new(chunks).poll_next(&mut Context::from_waker(Waker::noop()));
        }
        stalled.iter().for_each(|(_, released)| released.wait());
    });
}

#[test]
fn a_feed_has_no_stall_timeout() {
    within(|| {
        let thread = Thread::new().capacity(8).stall_timeout(SHORT);
        let (go, gone) = channel::<()>();
        let mut feed = thread.push(move |r| {
            gone.recv().unwrap_err();
            let mut all = Vec::new();
            r.read_to_end(&mut all)
        });
        let later = std::thread::spawn(move || {
            std::thread::sleep(3 * SHORT);
            drop(go);
        });
        feed.write_all(&[7; 100]).unwrap();
        assert_eq!(feed.finish().unwrap(), 100);
        later.join().unwrap();
    });
}

#[test]
#[should_panic(expected = "`stall_timeout` must not be zero")]
fn a_zero_stall_timeout_panics() {
    let _ = Thread::new().stall_timeout(Duration::ZERO);
}
