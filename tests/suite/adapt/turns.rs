//! Law 13: an end that is always ready yields to other tasks, on either side.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use pushpull::{Chunks, Local, Pool, Thread, local};

use crate::support::engine::{OnLocal, OnPool, OnThread, Setup};
use crate::support::polled::Polled;
use pushpull_testing::watchdog::within;

fn idle() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Returns a source that never pauses and never ends.
fn endless(len: usize) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send {
    let chunk = Bytes::from(vec![7; len]);
    futures_util::stream::poll_fn(move |_| Poll::Ready(Some(Ok(chunk.clone()))))
}

#[test]
fn a_feed_that_never_pauses_yields() {
    fn law<E: Polled>() {
        for len in [0, 1, 1 << 20] {
            let program = |r: &mut dyn io::BufRead| io::copy(r, &mut io::sink());
            let setup = Setup { capacity: 4 << 20, ..Setup::default() };
            let mut fate = E::fed(setup, Box::new(program), Box::pin(endless(len)), false);
            // Without a yield, none of these polls would return.
            for _ in 0..10 {
                assert!(fate.as_mut().poll(&mut idle()).is_pending());
            }
        }
    }
    within(|| {
        law::<OnLocal>();
        law::<OnThread>();
        law::<OnPool<1>>();
    });
}

#[test]
fn a_filter_that_writes_nothing_yields() {
    fn law<E: Polled>() {
        for len in [0, 1, 1 << 20] {
            let program = |r: &mut dyn io::BufRead, _: &mut dyn crate::support::engine::Outlet| {
                io::copy(r, &mut io::sink()).map(drop)
            };
            let setup = Setup { capacity: 4 << 20, ..Setup::default() };
            let mut chunks = E::filtered(setup, Box::new(program), Box::pin(endless(len)), false);
            for _ in 0..10 {
                assert!(futures_util::Stream::poll_next(Pin::new(&mut chunks), &mut idle()).is_pending());
            }
        }
    }
    within(|| {
        law::<OnLocal>();
        law::<OnThread>();
        law::<OnPool<1>>();
    });
}

/// Returns how many bytes are read before the reader yields. Asserts that no byte is read twice around the yield.
fn read_in_a_row(mut reader: impl tokio::io::AsyncRead + Unpin) -> usize {
    let mut buffer = vec![0; 100_000];
    let mut read = 0;
    loop {
        let mut into = tokio::io::ReadBuf::new(&mut buffer);
        match Pin::new(&mut reader).poll_read(&mut idle(), &mut into) {
            Poll::Ready(Ok(())) => read += into.filled().len(),
            Poll::Ready(Err(error)) => panic!("{error}"),
            Poll::Pending => return read,
        }
    }
}

#[test]
fn a_reader_that_is_always_ready_yields() {
    within(|| {
        let lends = |w: &mut local::Writer| loop {
            io::Write::write_all(w, &[7; 1 << 18])?;
        };
        assert!(read_in_a_row(Local::new().pull(lends).into_reader()) <= 4 << 18);
        let hands = |w: &mut local::Writer| loop {
            w.write_bytes(Bytes::from_static(b"x"))?;
        };
        assert!(read_in_a_row(Local::new().pull(hands).into_reader()) <= 64);
        let hands = |w: &mut pushpull::Writer| loop {
            w.write_bytes(Bytes::from_static(b"x"))?;
        };
        let queued: [Chunks; 2] = [Thread::new().pull(hands), Pool::new(1).pull(hands)];
        for chunks in queued {
            assert!(read_in_a_row(chunks.into_reader()) <= 64);
        }
    });
}

/// The yield falls between two lent writes, where the first must not be read again.
#[test]
fn nothing_is_read_twice_around_a_yield() {
    within(|| {
        let chunks = Local::new().pull(|w| (0..100_u8).try_for_each(|n| io::Write::write_all(w, &vec![n; 1 << 17])));
        let mut reader = chunks.into_reader();
        let mut buffer = vec![0; 100_000];
        let mut bytes = Vec::new();
        loop {
            let mut into = tokio::io::ReadBuf::new(&mut buffer);
            match tokio::io::AsyncRead::poll_read(Pin::new(&mut reader), &mut idle(), &mut into) {
                Poll::Ready(Ok(())) if into.filled().is_empty() => break,
                Poll::Ready(Ok(())) => bytes.extend_from_slice(into.filled()),
                Poll::Ready(Err(error)) => panic!("{error}"),
                Poll::Pending => {}
            }
        }
        assert!(bytes.chunks(1 << 17).zip(0..100).all(|(chunk, n)| chunk.iter().all(|byte| *byte == n)));
        assert_eq!(bytes.len(), 100 << 17);
        assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0);
    });
}
