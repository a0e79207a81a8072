//! Driving streams into asynchronous sinks.

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use proptest::prelude::*;
use pushpull::{Error, Local, Thread, drive_futures, drive_tokio, pipe};

use super::source::{Scripted, bytes_of, steps};
use crate::support::polled::block_on;
use pushpull_testing::watchdog::within;

/// A sink that takes a limited number of bytes at a time, waits now and then, and fails when it is full.
#[derive(Debug, Clone, Default)]
struct Odd {
    bytes: Vec<u8>,
    most: usize,
    waits: bool,
    room: Option<usize>,
    polls: usize,
    writes: usize,
    /// The number of bytes written at each flush.
    flushes: Vec<usize>,
}

impl Odd {
    fn waits(&mut self, context: &Context<'_>) -> bool {
        self.polls += 1;
        let waits = self.waits && self.polls.is_multiple_of(3);
        if waits {
            context.waker().wake_by_ref();
        }
        waits
    }

    fn poll_take(&mut self, context: &Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.waits(context) {
            return Poll::Pending;
        }
        if self.polls.is_multiple_of(5) {
            return Poll::Ready(Err(io::ErrorKind::Interrupted.into()));
        }
        let left = self.room.map_or(usize::MAX, |room| room - self.bytes.len());
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::StorageFull.into()));
        }
        let taken: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).take(self.most.min(left)).collect();
        self.bytes.extend_from_slice(&taken);
        self.writes += 1;
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_pass(&mut self, context: &Context<'_>) -> Poll<io::Result<()>> {
        if self.waits(context) {
            return Poll::Pending;
        }
        self.flushes.push(self.bytes.len());
        Poll::Ready(Ok(()))
    }
}

macro_rules! sink {
    ($trait:path, $close:ident) => {
        impl $trait for Odd {
            fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                self.get_mut().poll_take(context, &[IoSlice::new(buf)])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().poll_take(context, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.get_mut().poll_pass(context)
            }

            fn $close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                panic!("drive must not shut the sink")
            }
        }
    };
}

sink!(tokio::io::AsyncWrite, poll_shutdown);
sink!(futures_util::AsyncWrite, poll_close);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_goes_in_and_is_counted(
        steps in steps(),
        fails in any::<bool>(),
        most in 1..500_usize,
        waits in any::<bool>(),
        room in proptest::option::of(0..2000_usize),
    ) {
        within(move || {
            let expected = bytes_of(&steps);
            let source = || Scripted::new(steps.clone(), fails.then_some(io::ErrorKind::TimedOut));
            let odd = Odd { most, waits, room, ..Odd::default() };
            let (mut of_tokio, mut of_futures) = (odd.clone(), odd);
            let driven = [
                (block_on(drive_tokio(source(), &mut of_tokio)), of_tokio),
                (block_on(drive_futures(source(), &mut of_futures)), of_futures),
            ];
            for (moved, sink) in driven {
                match moved {
                    Ok(moved) => {
                        assert!(!fails);
                        assert_eq!((moved, &sink.bytes), (expected.len() as u64, &expected));
                        assert_eq!(sink.flushes.last(), Some(&expected.len()));
                    }
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => assert!(fails),
                    Err(error) => {
                        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                        assert_eq!(Error::of(&error).unwrap().bytes_moved(), Some(sink.bytes.len() as u64));
                        assert_eq!(Some(sink.bytes.len()), room);
                    }
                }
                assert!(expected.starts_with(&sink.bytes));
            }
        });
    }
}

/// The sink is flushed when the source pauses, and not before.
#[test]
fn a_pause_of_the_source_flushes_the_sink() {
    within(|| {
        let (mut writer, source) = pipe(1024);
        let mut sink = Odd { most: usize::MAX, ..Odd::default() };
        let mut drive = Box::pin(drive_tokio(source, &mut sink));
        let poll = |drive: &mut Pin<Box<_>>| Future::poll(Pin::as_mut(drive), &mut Context::from_waker(Waker::noop()));
        for _ in 0..3 {
            assert!(poll(&mut drive).is_pending());
        }
        writer.write_all(b"abc").unwrap();
        for _ in 0..3 {
            assert!(poll(&mut drive).is_pending());
        }
        writer.write_all(b"def").unwrap();
        writer.finish().unwrap();
        assert!(matches!(poll(&mut drive), Poll::Ready(Ok(6))));
        drop(drive);
        assert_eq!(sink.bytes, b"abcdef");
        assert_eq!(sink.flushes, [3, 6]);
    });
}

/// Small chunks that are ready are written together.
#[test]
fn small_chunks_are_gathered() {
    within(|| {
        let chunks: Vec<io::Result<Bytes>> = (0..100).map(|_| Ok(Bytes::from_static(b"small"))).collect();
        let mut sink = Odd { most: usize::MAX, ..Odd::default() };
        assert_eq!(block_on(drive_tokio(futures_util::stream::iter(chunks), &mut sink)).unwrap(), 500);
        assert!(sink.writes <= 4, "{} writes", sink.writes);
    });
}

/// Law 7: a sink that fails, or a future that is dropped, stops the program.
#[test]
fn law_7_the_program_stops_with_its_sink() {
    within(|| {
        let endless = |w: &mut pushpull::Writer| loop {
            w.write_all(b"again and again")?;
        };
        let (own, dropped) = pushpull_testing::guard::guard();
        let chunks = Thread::new().pull(move |w| {
            let _own = own;
            endless(w)
        });
        let mut sink = Odd { most: 100, room: Some(1000), ..Odd::default() };
        assert_eq!(block_on(drive_futures(chunks, &mut sink)).unwrap_err().kind(), io::ErrorKind::StorageFull);
        dropped.wait();
        let (own, dropped) = pushpull_testing::guard::guard();
        let chunks = Local::new().pull(move |w| {
            let _own = own;
            loop {
                w.write_all(b"again and again")?;
            }
        });
        let mut sink = Odd { most: 100, waits: true, ..Odd::default() };
        let mut drive = Box::pin(drive_tokio(chunks, &mut sink));
        assert!(drive.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(drive);
        dropped.wait();
    });
}
