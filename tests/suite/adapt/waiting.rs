//! Which side waits, and how, if a program's input comes from a poll.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use bytes::Bytes;
use futures_util::Stream;
use pushpull::{Chunks, Error, Local, Pool, Thread, pipe};

use crate::support::engine::{OnLocal, OnPool, OnThread, Setup, drain, small};
use crate::support::polled::{Polled, block_on};
use pushpull_testing::guard::guard;
use pushpull_testing::watchdog::within;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll<S: Stream + Unpin>(stream: &mut S, waker: &Waker) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(waker))
}

#[test]
fn a_local_filter_without_input_suspends_into_the_executor() {
    within(|| {
        let (mut writer, source) = pipe(64);
        let mut chunks = Local::new().filter(|r, w| io::copy(r, w).map(drop)).pull_from_stream(source);
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        for _ in 0..3 {
            assert!(poll(&mut chunks, &waker).is_pending());
        }
        assert_eq!(wakes.0.load(SeqCst), 0);
        writer.write_all(b"abc").unwrap();
        writer.finish().unwrap();
        assert_eq!(wakes.0.load(SeqCst), 1, "the task is not woken once for all its polls");
        assert_eq!(drain(chunks).0, b"abc");
    });
}

#[test]
fn a_local_feed_without_input_suspends_into_the_executor() {
    within(|| {
        let (mut writer, source) = pipe(64);
        let feed = Local::new().push(|r| {
            let mut text = String::new();
            r.read_to_string(&mut text).map(|_| text)
        });
        let mut fate = Box::pin(feed.feed_from_stream(source));
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        for _ in 0..3 {
            assert!(fate.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        writer.write_all(b"abc").unwrap();
        writer.finish().unwrap();
        assert_eq!(wakes.0.load(SeqCst), 1);
        assert_eq!(block_on(fate).unwrap(), "abc");
    });
}

/// The program reads what was written before the stream first.
#[test]
fn a_feed_may_have_been_written_to() {
    within(|| {
        let program = |r: &mut dyn Read| {
            let mut text = String::new();
            r.read_to_string(&mut text).map(|_| text)
        };
        let rest = || futures_util::stream::iter(["d", "ef"].map(io::Result::Ok));
        for flushed in [false, true] {
            let mut feed = Local::new().push(move |r| program(r));
            feed.write_all(b"abc").unwrap();
            if flushed {
                feed.flush().unwrap();
            }
            assert_eq!(block_on(feed.feed_from_stream(rest())).unwrap(), "abcdef");
            let mut feed = Thread::new().push(move |r| program(r));
            feed.write_all(b"abc").unwrap();
            if flushed {
                feed.flush().unwrap();
            }
            assert_eq!(block_on(feed.feed_from_stream(rest())).unwrap(), "abcdef");
        }
    });
}

/// A full channel is `Pending`: no more of the source is taken than fits, and the thread is not blocked.
#[test]
fn law_4_a_program_that_does_not_read_blocks_only_its_source() {
    fn law<E: Polled>() {
        let setup = Setup { capacity: 64, ..Setup::default() };
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let taken = Arc::new(AtomicUsize::new(0));
        let count = taken.clone();
        let source = futures_util::stream::poll_fn(move |_| {
            let taken = count.fetch_add(16, SeqCst);
            Poll::Ready((taken < 1 << 16).then(|| Ok(Bytes::from_static(&[7; 16]))))
        });
        let program = move |r: &mut dyn io::BufRead| {
            wait.recv().unwrap();
            r.read_to_end(&mut Vec::new())
        };
        let mut fate = E::fed(setup, Box::new(program), Box::pin(source), false);
        for _ in 0..10 {
            assert!(fate.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        // The pump holds one more chunk.
        assert!(taken.load(SeqCst) <= 64 + 16, "{} bytes were taken", taken.load(SeqCst));
        go.send(()).unwrap();
        assert_eq!(block_on(fate).unwrap(), 1 << 16);
    }
    within(|| {
        law::<OnThread>();
        law::<OnPool<1>>();
    });
}

/// A program that ends early does not wait for the rest of a source that has paused.
#[test]
fn a_program_that_has_enough_ends_the_feed() {
    fn law<E: Polled>() {
        let (kept, gone) = guard();
        let mut first = Some(Ok(Bytes::from_static(b"enough")));
        let source = futures_util::stream::poll_fn(move |_| {
            let _kept = &kept;
            first.take().map_or(Poll::Pending, |item| Poll::Ready(Some(item)))
        });
        let program = |r: &mut dyn io::BufRead| {
            let mut bytes = [0; 6];
            r.read_exact(&mut bytes).map(|()| bytes)
        };
        let value = block_on(E::fed(Setup::default(), Box::new(program), Box::pin(source), false));
        assert_eq!(&value.unwrap(), b"enough");
        gone.wait();
    }
    within(|| {
        law::<OnLocal>();
        law::<OnThread>();
        law::<OnPool<1>>();
    });
}

/// A filter whose program has ended drops its source, even if its chunks are kept.
#[test]
fn a_filter_that_has_ended_lets_its_source_go() {
    fn law<E: Polled>() {
        let (kept, gone) = guard();
        let source = futures_util::stream::poll_fn(move |_| {
            let _kept = &kept;
            Poll::<Option<io::Result<Bytes>>>::Pending
        });
        let program = |_: &mut dyn io::BufRead, w: &mut dyn crate::support::engine::Outlet| w.write_all(b"all");
        let mut chunks = E::filtered(Setup::default(), Box::new(program), Box::pin(source), false);
        let mut bytes = Vec::new();
        while let Some(item) = block_on(poll_fn(|context| Pin::new(&mut chunks).poll_next(context))) {
            bytes.extend_from_slice(&item.unwrap());
        }
        assert_eq!(bytes, b"all");
        gone.wait();
        assert!(poll(&mut chunks, Waker::noop()).is_ready());
    }
    within(|| {
        law::<OnLocal>();
        law::<OnThread>();
        law::<OnPool<1>>();
    });
}

/// If the chunks are pulled by `next()`, the thread waits for the stream and feeds the program meanwhile.
#[test]
fn a_fed_filter_is_an_iterator_too() {
    fn stream() -> Chunks {
        let (mut writer, source) = pipe(16);
        thread::spawn(move || {
            for n in 0..50_u8 {
                writer.write_all(&[n; 20]).unwrap();
                thread::yield_now();
            }
            writer.finish().unwrap();
        });
        source
    }
    within(|| {
        let expected: Vec<u8> = (0..50).flat_map(|n| [n; 20]).collect();
        let copied = [
            drain(Local::new().chunk_size(8).filter(|r, w| io::copy(r, w).map(drop)).pull_from_stream(stream())),
            drain(Thread::new().capacity(8).filter(|r, w| io::copy(r, w).map(drop)).pull_from_stream(stream())),
            drain(small(1).filter(|r, w| io::copy(r, w).map(drop)).pull_from_stream(stream())),
        ];
        for (bytes, end) in copied {
            assert!(end.is_none());
            assert_eq!(bytes, expected);
        }
    });
}

/// Law 12: filters that feed each other, all on one worker, pulled from inside that worker.
#[test]
fn law_12_a_chain_of_fed_filters_on_one_worker() {
    within(|| {
        let pool: Pool = small(1);
        let own = pool.clone();
        let chunks = pool.pull(move |w| {
            let mut chunks = own.pull(|w| w.write_all(&[7; 1000]));
            for _ in 0..10 {
                chunks = own.filter(|r, w| io::copy(r, w).map(drop)).pull_from_stream(chunks);
            }
            chunks.into_iter().try_for_each(|item| w.write_bytes(item?))
        });
        assert_eq!(drain(chunks).0, [7; 1000]);
        let local = (0..10).fold(Local::new().pull(|w| w.write_all(&[7; 1000])), |chunks, _| {
            Local::new().filter(|r, w| io::copy(r, w).map(drop)).pull_from_stream(chunks)
        });
        assert_eq!(drain(local).0, [7; 1000]);
    });
}

/// A stream of tokio needs tokio's runtime where it is polled. The task polls it, and not the program.
#[test]
fn a_source_is_polled_by_the_task() {
    fn law<E: Polled>() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut left = 10;
        let source = futures_util::stream::poll_fn(move |_| {
            tokio::runtime::Handle::current();
            left -= 1;
            Poll::Ready((left > 0).then(|| Ok(Bytes::from_static(b"x"))))
        });
        let program = |r: &mut dyn io::BufRead, w: &mut dyn crate::support::engine::Outlet| io::copy(r, w).map(drop);
        let mut chunks = E::filtered(Setup::default(), Box::new(program), Box::pin(source), false);
        runtime.block_on(async {
            let mut bytes = Vec::new();
            while let Some(item) = poll_fn(|context| Pin::new(&mut chunks).poll_next(context)).await {
                bytes.extend_from_slice(&item.unwrap());
            }
            assert_eq!(bytes, b"xxxxxxxxx");
        });
    }
    within(|| {
        law::<OnLocal>();
        law::<OnThread>();
        law::<OnPool<1>>();
    });
}

/// Creates programs that need all of their input before they write, on each engine that a polled source can feed.
fn fed(source: impl Stream<Item = io::Result<Bytes>> + Send + Clone + 'static) -> Vec<Chunks> {
    let program = |r: &mut pushpull::Reader, w: &mut pushpull::Writer| {
        let mut all = Vec::new();
        r.read_to_end(&mut all)?;
        w.write_all(&all)
    };
    let body =
        http_body_util::StreamBody::new(futures_util::TryStreamExt::map_ok(source.clone(), http_body::Frame::data));
    vec![
        Thread::new().capacity(8).filter(program).pull_from_stream(source.clone()),
        small(1).filter(program).pull_from_stream(source.clone()),
        small(2).filter(program).pull_from_stream(source),
        small(1).filter(program).pull_from_body(body),
    ]
}

/// Every way to wait for the chunks of a fed filter polls its source. Nothing else does.
#[test]
fn law_11_every_wait_for_a_fed_filter_drives_its_source() {
    within(|| {
        let source = futures_util::stream::iter((0..20).map(|_| Ok(Bytes::from_static(b"a chunk"))));
        let expected = b"a chunk".repeat(20);
        for mut chunks in fed(source.clone()) {
            block_on(chunks.head()).unwrap();
            assert_eq!(drain(chunks).0, expected, "after an awaited head");
        }
        for mut chunks in fed(source.clone()) {
            chunks.head().wait().unwrap();
            assert_eq!(drain(chunks).0, expected, "after a blocking wait for the head");
        }
        for mut chunks in fed(source.clone()) {
            let mut bytes = Vec::new();
            while let Some(chunk) = chunks.next_timeout(std::time::Duration::from_secs(600)) {
                bytes.extend_from_slice(&chunk.unwrap());
            }
            assert_eq!(bytes, expected, "with a deadline");
        }
        for mut chunks in fed(source.clone()) {
            // A cancelled head has moved the input on, and leaves the rest to the next wait.
            let _ = Pin::new(&mut chunks.head()).poll(&mut Context::from_waker(Waker::noop()));
            let mut bytes = Vec::new();
            chunks.into_reader().read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, expected, "read after a cancelled head");
        }
        for mut chunks in fed(source) {
            let nested = small(1).pull(move |w| {
                chunks.head().wait()?;
                Iterator::try_for_each(&mut chunks, |chunk| w.write_all(&chunk?))
            });
            assert_eq!(drain(nested).0, expected, "in a program that is suspended meanwhile");
        }
    });
}

/// If a source panics in its host's poll and is polled again, the program's input does not end well.
#[test]
fn law_2_a_source_that_panics_is_no_end() {
    #[derive(Clone)]
    struct Panics(bool);
    impl Stream for Panics {
        type Item = io::Result<Bytes>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(None);
            }
            std::panic::resume_unwind(Box::new("the source's"))
        }
    }
    within(|| {
        for mut chunks in fed(Panics(false)) {
            let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Iterator::next(&mut chunks)));
            assert!(unwound.is_err());
            assert!(Error::of(&drain(chunks).1.unwrap()).is_some_and(Error::is_truncated));
        }
    });
}
