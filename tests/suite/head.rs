//! Waiting for the head: a short response has a body of known length.

use std::io::{self, Write};
use std::pin::{Pin, pin};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::support::engine::drain;
use bytes::Bytes;
use http_body::Body as _;
use pushpull::{Chunks, Error, Local, Pool, Thread, Writer, local, pipe};
use pushpull_testing::watchdog::within;

type Program = fn(&mut dyn Write) -> io::Result<()>;
type Pull = fn(Program) -> Chunks;

/// The engines whose chunks can be sent.
const ENGINES: [Pull; 3] = [
    |program| Thread::new().pull(move |w| program(w)),
    |program| Pool::new(1).pull(move |w| program(w)),
    |program| Pool::global().pull(move |w| program(w)),
];

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn short(w: &mut dyn Write) -> io::Result<()> {
    // Small writes without a flush: one chunk, which is ready together with the end.
    "hello".bytes().try_for_each(|byte| w.write_all(&[byte]))
}

fn long(w: &mut dyn Write) -> io::Result<()> {
    w.write_all(&[7; 1 << 20])
}

fn failed(_: &mut dyn Write) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::NotFound, "no such page"))
}

fn failed_later(w: &mut dyn Write) -> io::Result<()> {
    short(w)?;
    failed(w)
}

fn panicked(_: &mut dyn Write) -> io::Result<()> {
    panic!("out of ink")
}

fn nothing(_: &mut dyn Write) -> io::Result<()> {
    Ok(())
}

#[test]
fn a_bridge_that_ends_inside_its_first_chunk_has_an_exact_size() {
    within(|| {
        for engine in ENGINES {
            // Repeated, because it must not depend on which side is faster.
            for _ in 0..200 {
                let mut chunks = engine(short);
                chunks.head().wait().unwrap();
                assert_eq!(
                    (chunks.stats().bytes, chunks.stats().chunks),
                    (0, 0),
                    "waiting for the head counts as a pull"
                );
                let body = chunks.into_body();
                assert_eq!(body.size_hint().exact(), Some(5));
                assert!(!body.is_end_stream());
                let mut chunks = engine(short);
                block_on(chunks.head()).unwrap();
                assert_eq!(chunks.into_body().size_hint().exact(), Some(5));
            }
            let mut chunks = engine(nothing);
            chunks.head().wait().unwrap();
            let body = chunks.into_body();
            assert_eq!(body.size_hint().exact(), Some(0));
            assert!(body.is_end_stream());
        }
        let mut chunks = Local::new().pull(|w| short(w));
        chunks.head().wait().unwrap();
        assert_eq!((chunks.stats().bytes, chunks.stats().chunks), (0, 0), "waiting for the head counts as a pull");
        assert_eq!(chunks.size_hint(), (1, Some(1)));
        assert_eq!(chunks.into_body().size_hint().exact(), Some(5));
        let mut chunks = Local::new().pull(|w| nothing(w));
        block_on(chunks.head()).unwrap();
        assert_eq!(chunks.into_body().size_hint().exact(), Some(0));
    });
}

#[test]
fn a_longer_bridge_has_no_exact_size_and_loses_nothing() {
    within(|| {
        for engine in ENGINES {
            for (program, len, fails) in [(long as Program, 1 << 20, false), (short, 5, false), (failed_later, 5, true)]
            {
                let mut chunks = engine(program);
                chunks.head().wait().unwrap();
                chunks.head().wait().unwrap();
                let (bytes, end) = drain(chunks);
                assert_eq!((bytes.len(), end.is_some()), (len, fails));
            }
            let mut chunks = engine(failed_later);
            chunks.head().wait().unwrap();
            assert_eq!(chunks.into_body().size_hint().exact(), None, "a failed program has an exact size");
        }
        let program = |w: &mut local::Writer| {
            w.write_all(&[7; 1 << 20])?;
            w.write_all(b"more")
        };
        let mut chunks = Local::new().pull(program);
        chunks.head().wait().unwrap();
        chunks.head().wait().unwrap();
        assert_eq!(drain(&mut chunks).0.len(), (1 << 20) + 4);
        assert_eq!(chunks.stats().bytes, (1 << 20) + 4);
        // A write is lent to a reader or a sink once.
        let mut chunks = Local::new().pull(program);
        chunks.head().wait().unwrap();
        let mut read = Vec::new();
        io::Read::read_to_end(&mut chunks.into_reader(), &mut read).unwrap();
        assert_eq!(read.len(), (1 << 20) + 4);
        let mut chunks = Local::new().pull(program);
        chunks.head().wait().unwrap();
        assert_eq!(chunks.drive_into(&mut Vec::new()).unwrap(), (1 << 20) + 4);
        let mut chunks = Local::new().pull(|w| failed_later(w));
        chunks.head().wait().unwrap();
        assert_eq!(chunks.into_body().size_hint().exact(), None);
    });
}

#[test]
fn a_failure_before_the_first_byte_is_reported_once() {
    within(|| {
        for engine in ENGINES {
            let mut chunks = engine(failed);
            assert_eq!(chunks.head().wait().unwrap_err().to_string(), "no such page");
            assert!(chunks.next().is_none() && chunks.head().wait().is_ok());
            let mut chunks = engine(panicked);
            let error = block_on(chunks.head()).unwrap_err();
            assert!(Error::of(&error).unwrap().is_panic());
            // Law 2: a reader that is made of the chunks fails, and does not report an end.
            let again = io::Read::read(&mut chunks.into_reader(), &mut [0]);
            assert_eq!(again.unwrap_err().kind(), error.kind());
        }
        let mut chunks = Local::new().pull(|w| failed(w));
        assert_eq!(chunks.head().wait().unwrap_err().to_string(), "no such page");
        assert!(chunks.next().is_none() && chunks.head().wait().is_ok());
    });
}

#[test]
fn a_flush_and_a_blocked_writer_complete_a_head() {
    within(|| {
        let (mut writer, mut chunks) = pipe(64);
        writer.write_all(b"some").unwrap();
        let poll = |chunks: &mut Chunks| {
            Pin::new(&mut chunks.head()).poll(&mut Context::from_waker(Waker::noop())).map(Result::unwrap)
        };
        assert!(poll(&mut chunks).is_pending(), "a part of a chunk is no chunk");
        // A cancelled wait for the head does not affect a pull.
        writer.flush().unwrap();
        assert!(poll(&mut chunks).is_ready());
        assert_eq!(chunks.next().unwrap().unwrap(), "some");
        let writing = std::thread::spawn(move || {
            // The second write does not fit.
            (0..2).try_for_each(|_| writer.write_all(&[7; 40])).and_then(|()| writer.finish())
        });
        chunks.head().wait().unwrap();
        assert_eq!(drain(chunks).0.len(), 80);
        writing.join().unwrap().unwrap();
    });
}

#[test]
fn a_program_that_waits_for_another_bridge_completes_no_head() {
    within(|| {
        for pool in [Pool::new(1), Pool::new(2)] {
            let (mut slow, source) = pipe(64);
            let mut chunks = pool.filter(|r, w| io::copy(r, w).map(drop)).pull_from(source);
            slow.write_all(b"some").unwrap();
            // The program has copied the bytes, and waits for more, so that nothing holds the next bytes back.
            chunks.head().wait().unwrap();
            slow.write_all(b" more").unwrap();
            slow.finish().unwrap();
            assert_eq!(drain(chunks).0, b"some more");
        }
    });
}

#[test]
fn a_local_head_that_waits_yields_to_the_executor() {
    within(|| {
        let (mut slow, source) = pipe(64);
        let mut chunks = Local::new().filter(|r, w| io::copy(r, w).map(drop)).pull_from(source);
        let head = Pin::new(&mut chunks.head()).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(head, Poll::Pending));
        slow.write_bytes(Bytes::from_static(b"hello")).unwrap();
        slow.finish().unwrap();
        block_on(chunks.head()).unwrap();
        assert_eq!(chunks.into_body().size_hint().exact(), Some(5));
    });
}

#[test]
fn a_part_of_a_chunk_is_no_head_after_an_earlier_wait() {
    within(|| {
        for engine in [Engine::Thread, Engine::Pool] {
            let (mut input, mut wanted) = pipe(1);
            let (written, is_written) = channel();
            let (go_on, goes_on) = channel::<()>();
            let mut chunks = engine.pull(move |w| {
                wanted.next().unwrap()?;
                w.write_all(b"a part, ")?;
                written.send(()).unwrap();
                // The program computes here, and does not wait for a bridge.
                goes_on.recv().unwrap();
                w.write_all(b"and the rest")
            });
            assert!(is_pending(&mut chunks));
            while input.stats().puller_waits == 0 {
                thread::yield_now();
            }
            input.write_all(b"x").unwrap();
            is_written.recv().unwrap();
            assert!(is_pending(&mut chunks), "a part of a chunk is no head");
            go_on.send(()).unwrap();
            chunks.head().wait().unwrap();
            assert_eq!(chunks.next().unwrap().unwrap(), "a part, and the rest");
        }
    });

    fn is_pending(chunks: &mut Chunks) -> bool {
        pin!(chunks.head()).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    enum Engine {
        Thread,
        Pool,
    }

    impl Engine {
        fn pull(&self, program: impl FnOnce(&mut Writer) -> io::Result<()> + Send + 'static) -> Chunks {
            match self {
                Engine::Thread => Thread::new().pull(program),
                Engine::Pool => Pool::new(1).pull(program),
            }
        }
    }
}
