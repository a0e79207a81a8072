//! Which side waits, how, and which program is suspended meanwhile.

use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use crate::support::engine::drain;
use bytes::Bytes;
use futures_util::Stream;
use http_body_util::BodyExt;
use pushpull::{Chunks, Error, Local, Thread, local, pipe};
use pushpull_testing::guard::guard;
use pushpull_testing::watchdog::within;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn poll(chunks: &mut (impl Stream<Item = io::Result<Bytes>> + Unpin)) -> Poll<Option<io::Result<Bytes>>> {
    Pin::new(chunks).poll_next(&mut Context::from_waker(Waker::noop()))
}

/// Waits for the next item, as a task.
async fn next<S: Stream + Unpin>(chunks: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *chunks).poll_next(context)).await
}

/// A waker that counts its wake-ups.
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_local_program_that_waits_suspends_into_the_executor() {
    within(|| {
        let (mut inner_writer, inner) = pipe(64);
        let mut outer = Local::new().pull(|w| {
            for item in inner {
                w.write_bytes(item?)?;
            }
            Ok(())
        });
        // The inner bridge has no bytes, and the outer bridge's thread is not blocked.
        assert!(poll(&mut outer).is_pending());
        inner_writer.write_all(b"abc").unwrap();
        inner_writer.finish().unwrap();
        let (bytes, end) = block_on(async {
            let mut bytes = Vec::new();
            while let Some(item) = next(&mut outer).await {
                bytes.extend_from_slice(&item.unwrap());
            }
            (bytes, next(&mut outer).await)
        });
        assert_eq!(bytes, b"abc");
        assert!(end.is_none());
    });
}

#[test]
fn the_waker_of_a_suspended_program_is_woken() {
    within(|| {
        let (mut inner_writer, inner) = pipe(64);
        let mut outer = Local::new().pull(|w| inner.into_iter().try_for_each(|item| w.write_bytes(item?)));
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        let waker = wakes.clone().into();
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut outer).poll_next(&mut context).is_pending());
        assert_eq!(wakes.0.load(SeqCst), 0);
        inner_writer.write_all(b"abc").unwrap();
        assert_eq!(wakes.0.load(SeqCst), 1);
        assert!(matches!(Pin::new(&mut outer).poll_next(&mut context), Poll::Ready(Some(Ok(chunk))) if chunk == "abc"));
    });
}

#[test]
fn law_11_the_last_waker_is_woken() {
    within(|| {
        let (mut writer, mut chunks) = pipe(64);
        let wakes: Vec<_> = (0..3).map(|_| Arc::new(Wakes(AtomicUsize::new(0)))).collect();
        for wakes in &wakes {
            let waker = wakes.clone().into();
            assert!(Pin::new(&mut chunks).poll_next(&mut Context::from_waker(&waker)).is_pending());
        }
        writer.write_all(b"abc").unwrap();
        assert_eq!(wakes[2].0.load(SeqCst), 1);

        // The same through a suspended program.
        let (mut writer, inner) = pipe(64);
        let mut outer = Local::new().pull(|w| inner.into_iter().try_for_each(|item| w.write_bytes(item?)));
        for wakes in &wakes {
            let waker = wakes.clone().into();
            assert!(Pin::new(&mut outer).poll_next(&mut Context::from_waker(&waker)).is_pending());
        }
        writer.write_all(b"abc").unwrap();
        assert_eq!(wakes[2].0.load(SeqCst), 2);
    });
}

#[test]
fn a_waker_may_hold_an_end_of_the_bridge() {
    struct Holds(#[expect(dead_code, reason = "it is held, and dropped")] pushpull::Writer);
    impl Wake for Holds {
        fn wake(self: Arc<Self>) {}
    }
    within(|| {
        let (writer, mut chunks) = pipe(64);
        let waker = Waker::from(Arc::new(Holds(writer)));
        assert!(Pin::new(&mut chunks).poll_next(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        // The channel held the last reference to the waker. Its writer is dropped with it, which is an end.
        assert!(poll(&mut chunks).is_pending());
        assert!(
            matches!(poll(&mut chunks), Poll::Ready(Some(Err(error))) if Error::of(&error).unwrap().is_truncated())
        );
    });
}

#[test]
fn a_waker_that_is_dropped_may_wait_itself() {
    /// A waker that waits for another bridge when it is dropped.
    struct Waits(Mutex<Chunks>, Arc<AtomicBool>);
    impl Wake for Waits {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Waits {
        fn drop(&mut self) {
            self.1.store(self.0.get_mut().unwrap().next().unwrap().unwrap() == "late", SeqCst);
        }
    }
    /// Returns chunks that arrive while the reader waits.
    fn late() -> Chunks {
        let (mut writer, chunks) = pipe(16);
        thread::spawn(move || {
            while writer.stats().puller_waits == 0 {
                thread::yield_now();
            }
            writer.write_all(b"late").and_then(|()| writer.finish())
        });
        chunks
    }
    within(|| {
        let waited = Arc::<AtomicBool>::default();
        let own = waited.clone();
        let bytes = Thread::new().pull(move |w| {
            let (writer, chunks) = pipe(16);
            let mut local = Local::new().pull(|w| io::copy(&mut chunks.into_reader(), w).map(drop));
            let waker = Waker::from(Arc::new(Waits(Mutex::new(late()), own.clone())));
            assert!(Pin::new(&mut local).poll_next(&mut Context::from_waker(&waker)).is_pending());
            drop((waker, local, writer));
            // This program's own waker replaces that waker.
            w.write_all(&late().next().unwrap()?)
        });
        let (bytes, error) = drain(bytes);
        assert!(bytes == b"late" && error.is_none() && waited.load(SeqCst), "{error:?}");
    });
}

#[test]
fn a_wait_suspends_what_was_polled_with_everything_nested_in_it() {
    within(|| {
        let (mut inner_writer, inner) = pipe(64);
        // Three local bridges, of which only the outermost is polled.
        let mut outer = Local::new().pull(|w| {
            let middle = Local::new().pull(|w| {
                let innermost = Local::new().pull(|w| inner.into_iter().try_for_each(|item| w.write_bytes(item?)));
                innermost.into_iter().try_for_each(|item| w.write_bytes(item?))
            });
            middle.into_iter().try_for_each(|item| w.write_bytes(item?))
        });
        for text in ["one", "two", "three"] {
            assert!(poll(&mut outer).is_pending());
            inner_writer.write_all(text.as_bytes()).unwrap();
            assert!(matches!(poll(&mut outer), Poll::Ready(Some(Ok(chunk))) if chunk == text));
        }
        inner_writer.finish().unwrap();
        assert!(matches!(poll(&mut outer), Poll::Ready(None)));
    });
}

#[test]
fn polled_bridges_interleave() {
    within(|| {
        let (mut writers, mut bridges): (Vec<_>, Vec<_>) = (0..50)
            .map(|_| {
                let (writer, inner) = pipe(1 << 16);
                let nested = move |w: &mut local::Writer| {
                    let inner = Local::new().pull(|w| inner.into_iter().try_for_each(|item| w.write_bytes(item?)));
                    inner.into_iter().try_for_each(|item| w.write_bytes(item?))
                };
                (writer, Local::new().pull(nested))
            })
            .unzip();
        for round in 0..20 {
            for bridge in &mut bridges {
                assert!(poll(bridge).is_pending());
            }
            // In a different order than they were suspended in.
            for (n, writer) in writers.iter_mut().enumerate().rev() {
                write!(writer, "{n}/{round}").unwrap();
            }
            for (n, bridge) in bridges.iter_mut().enumerate() {
                let item = poll(bridge);
                assert!(matches!(item, Poll::Ready(Some(Ok(chunk))) if chunk == format!("{n}/{round}")));
            }
            // Some are dropped while they are suspended.
            bridges.remove(round);
            writers.remove(round);
        }
    });
}

#[test]
fn a_bridge_may_be_polled_and_then_pulled() {
    within(|| {
        let (mut inner_writer, inner) = pipe(64);
        let mut outer = Local::new().pull(|w| inner.into_iter().try_for_each(|item| w.write_bytes(item?)));
        assert!(poll(&mut outer).is_pending());
        let writer = thread::spawn(move || {
            inner_writer.write_all(b"abc").unwrap();
            inner_writer.finish().unwrap();
        });
        // The wait parks this thread now.
        assert_eq!(outer.next().unwrap().unwrap(), "abc");
        assert!(outer.next().is_none());
        writer.join().unwrap();
    });
}

#[test]
fn a_dropped_suspended_program_ends_its_wait() {
    within(|| {
        let (inner_writer, mut inner) = pipe(64);
        let (own, dropped) = guard();
        let (tell, told) = channel();
        let mut outer = Local::new().pull(move |_| {
            let _own = own;
            tell.send(inner.next().unwrap().unwrap_err()).unwrap();
            Ok(())
        });
        assert!(poll(&mut outer).is_pending());
        drop(outer);
        assert!(dropped.is_gone() && inner_writer.is_closed());
        assert!(Error::of(&told.recv().unwrap()).unwrap().is_disconnected());
    });
}

#[test]
fn law_11_polls_cancelled_at_every_turn_lose_nothing() {
    within(|| {
        let mut chunks = Thread::new()
            .chunk_size(8)
            .capacity(32)
            .pull(|w| (0..2000_u32).try_for_each(|n| w.write_all(&n.to_le_bytes())));
        let bytes = block_on(async {
            let mut bytes = Vec::new();
            loop {
                // One future is dropped after one poll, and the next one waits.
                let once = poll_fn(|context| Poll::Ready(Pin::new(&mut chunks).poll_next(context))).await;
                let item = match once {
                    Poll::Ready(item) => item,
                    Poll::Pending => next(&mut chunks).await,
                };
                match item {
                    Some(chunk) => bytes.extend_from_slice(&chunk.unwrap()),
                    None => return bytes,
                }
            }
        });
        let expected: Vec<u8> = (0..2000_u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(bytes, expected);
    });
}

#[test]
fn law_11_trickles_always_arrive() {
    within(|| {
        let (mut writer, mut chunks) = pipe(1 << 20);
        let (ask, asked) = channel();
        let producer = thread::spawn(move || {
            while let Ok(len) = asked.recv() {
                writer.write_all(&vec![7; len]).unwrap();
            }
        });
        for n in 0..3000 {
            let len = n % 100 + 1;
            ask.send(len).unwrap();
            let mut got = 0;
            while got < len {
                got += chunks.next().unwrap().unwrap().len();
            }
        }
        drop(ask);
        producer.join().unwrap();
    });
}

#[test]
fn law_10_polling_after_the_end_is_safe() {
    fn ends(mut chunks: impl Stream<Item = io::Result<Bytes>> + Unpin) {
        let mut errors = 0;
        block_on(async {
            while let Some(item) = next(&mut chunks).await {
                errors += usize::from(item.is_err());
            }
        });
        assert_eq!(errors, 1);
        for _ in 0..5 {
            assert!(matches!(poll(&mut chunks), Poll::Ready(None)));
        }
    }
    within(|| {
        ends(Local::new().pull(|_| Err(io::ErrorKind::StorageFull.into())));
        ends(Thread::new().pull(|_| Err(io::ErrorKind::StorageFull.into())));
    });
}

#[test]
fn a_bodys_error_waits_one_poll() {
    use http_body::Body;
    let mut body = Local::new()
        .pull(|w| {
            w.write_all(b"abc")?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .into_body();
    let mut context = Context::from_waker(Waker::noop());
    let mut frame = || Pin::new(&mut body).poll_frame(&mut context);
    assert!(matches!(frame(), Poll::Ready(Some(Ok(frame))) if frame.data_ref().unwrap() == "abc"));
    assert!(frame().is_pending());
    assert!(matches!(frame(), Poll::Ready(Some(Err(error))) if error.kind() == io::ErrorKind::StorageFull));
    assert!(matches!(frame(), Poll::Ready(None)));
    assert!(body.is_end_stream());
}

#[test]
fn a_body_reports_its_size_when_it_is_known() {
    use http_body::Body;
    within(|| {
        let (mut writer, chunks) = pipe(64);
        let body = chunks.into_body();
        assert_eq!((body.size_hint().lower(), body.size_hint().exact()), (0, None));
        writer.write_all(b"abc").unwrap();
        assert_eq!((body.size_hint().lower(), body.size_hint().exact()), (3, None));
        writer.finish().unwrap();
        assert_eq!(body.size_hint().exact(), Some(3));
        assert!(!body.is_end_stream());
        let collected = block_on(body.collect()).unwrap();
        assert_eq!(collected.to_bytes(), "abc");

        let (writer, chunks) = pipe(64);
        drop(writer);
        let body = chunks.into_body();
        assert_eq!(body.size_hint().exact(), None, "a body that fails has no size");
        assert!(!body.is_end_stream());

        let mut body = Local::new().pull(|w| w.write_all(b"abc")).into_body();
        let mut context = Context::from_waker(Waker::noop());
        let mut frame = |body: &mut local::Body| Pin::new(body).poll_frame(&mut context).is_ready();
        assert_eq!((body.size_hint().lower(), body.size_hint().exact()), (0, None));
        assert!(!body.is_end_stream());
        assert!(frame(&mut body));
        // The program has ended with its last chunk.
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.is_end_stream());
    });
}

#[test]
fn next_timeout_leaves_the_chunks_as_they_were() {
    within(|| {
        let (mut writer, mut chunks) = pipe(64);
        let error = chunks.next_timeout(Duration::ZERO).unwrap().unwrap_err();
        assert!(Error::of(&error).unwrap().is_timed_out());
        writer.write_all(b"abc").unwrap();
        assert_eq!(chunks.next_timeout(Duration::MAX).unwrap().unwrap(), "abc");
        writer.finish().unwrap();
        assert!(chunks.next_timeout(Duration::ZERO).is_none());
        assert!(chunks.next_timeout(Duration::ZERO).is_none());
    });
}

#[test]
fn local_stays_on_its_thread_and_the_rest_is_send() {
    fn send<T: Send + 'static>() {}
    fn sync<T: Sync>() {}
    send::<pushpull::Writer>();
    send::<pushpull::Chunks>();
    send::<pushpull::Reader>();
    send::<pushpull::Feed<u8>>();
    send::<pushpull::Filter>();
    send::<pushpull::Body>();
    sync::<pushpull::Chunks>();
    sync::<pushpull::Feed<u8>>();
    sync::<pushpull::Filter>();
    sync::<pushpull::Body>();
    send::<Error>();
    sync::<Error>();
}

#[test]
fn a_reader_of_an_inner_bridge_moves_on_as_bytes_come() {
    within(|| {
        let (bytes, end) = drain(Thread::new().chunk_size(4).pull(|w| {
            let mut inner = Thread::new().chunk_size(4).pull(|w| w.write_all(b"read inside")).into_reader();
            io::copy(&mut inner, w).map(drop)
        }));
        assert_eq!(bytes, b"read inside");
        assert!(end.is_none());
    });
}
