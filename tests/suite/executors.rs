//! Law 7 for a program that waits in an executor of its own, by `block_on` on a future of another bridge.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::mpsc::channel;
use std::task::Context;
use std::thread;

use crate::support::engine::is_disconnected;
use bytes::Bytes;
use futures_util::stream::{self, FuturesUnordered};
use futures_util::{Stream, StreamExt as _};
use http_body_util::BodyExt;
use pushpull::{Chunks, Local, Pool, Reader, Thread, Writer, pipe};
use pushpull_testing::guard::guard;
use pushpull_testing::watchdog::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Refusals = Vec<io::Error>;

/// A future whose wait ends only by being refused, and the values that keep it waiting.
type Wait = Pin<Box<dyn Future<Output = Refusals> + Send>>;

async fn next(chunks: &mut (impl Stream<Item = io::Result<Bytes>> + Unpin)) -> io::Error {
    poll_fn(|context| Pin::new(&mut *chunks).poll_next(context)).await.unwrap().unwrap_err()
}

fn silent() -> (Writer, Chunks) {
    pipe(4)
}

/// Returns one wait for each kind of future.
fn waits() -> Vec<(&'static str, Wait)> {
    let never = || stream::pending::<io::Result<Bytes>>();
    vec![
        (
            "stream",
            Box::pin(async move {
                let (_writer, mut chunks) = silent();
                vec![next(&mut chunks).await]
            }) as Wait,
        ),
        (
            "body",
            Box::pin(async move {
                let (_writer, chunks) = silent();
                vec![chunks.into_body().frame().await.unwrap().unwrap_err()]
            }),
        ),
        (
            "reader",
            Box::pin(async move {
                let (_writer, chunks) = silent();
                vec![AsyncReadExt::read(&mut chunks.into_reader(), &mut [0; 8]).await.unwrap_err()]
            }),
        ),
        (
            "writer",
            Box::pin(async move {
                let (mut writer, _chunks) = silent();
                vec![AsyncWriteExt::write_all(&mut writer, &[7; 100]).await.unwrap_err()]
            }),
        ),
        (
            "head",
            Box::pin(async move {
                let (_writer, mut chunks) = silent();
                vec![chunks.head().await.unwrap_err()]
            }),
        ),
        (
            "closed",
            Box::pin(async move {
                let (writer, _chunks) = silent();
                writer.closed().await;
                Vec::new()
            }),
        ),
        (
            "fed by a stream",
            Box::pin(async move {
                vec![Thread::new().push(|r| io::copy(r, &mut io::sink())).feed_from_stream(never()).await.unwrap_err()]
            }),
        ),
        (
            "a program that does not end",
            Box::pin(async move {
                let (keep, kept) = channel::<()>();
                let feed = Thread::new().push(move |_| Ok(kept.recv().is_ok()));
                let refused = feed.feed_from_stream(stream::empty::<io::Result<Bytes>>()).await.unwrap_err();
                drop(keep);
                vec![refused]
            }),
        ),
        (
            "filter of a stream",
            Box::pin(async move {
                let mut copy = Thread::new().filter(|r, w| io::copy(r, w).map(drop)).pull_from_stream(never());
                vec![next(&mut copy).await]
            }),
        ),
        (
            "driven into a sink",
            Box::pin(async move {
                let (_writer, chunks) = silent();
                vec![pushpull::drive_tokio(chunks, &mut tokio::io::sink()).await.unwrap_err()]
            }),
        ),
        (
            "a foreign stream driven into a sink",
            Box::pin(async move { vec![pushpull::drive_tokio(never(), &mut tokio::io::sink()).await.unwrap_err()] }),
        ),
        (
            "several, each with a waker of its own",
            Box::pin(async move {
                let (_writers, several): (Vec<_>, Vec<_>) = (0..5).map(|_| silent()).unzip();
                let several: FuturesUnordered<_> =
                    several.into_iter().map(|mut chunks| async move { next(&mut chunks).await }).collect();
                several.collect().await
            }),
        ),
    ]
}

fn pollster(wait: Wait) -> Refusals {
    pollster::block_on(wait)
}

fn tokio(wait: Wait) -> Refusals {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(wait)
}

/// Polls again and again without being woken, as if there were no executor.
fn poller(wait: Wait) -> Refusals {
    let mut wait = pin!(wait);
    loop {
        if let std::task::Poll::Ready(refusals) = wait.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()))
        {
            return refusals;
        }
        thread::yield_now();
    }
}

#[test]
fn law_7_a_future_of_a_bridge_in_another_executor_inside_the_program_wakes() {
    within(|| {
        let pool = Pool::new(1);
        for block_on in [pollster, tokio, poller] {
            for pooled in [false, true] {
                for waits_first in [false, true] {
                    for (kind, wait) in waits() {
                        let (tell, told) = channel();
                        let (own, dropped) = guard();
                        let program = move |w: &mut Writer| {
                            let _own = own;
                            io::Write::write_all(w, b"begun")?;
                            tell.send(block_on(wait)).unwrap();
                            Ok(())
                        };
                        let mut outer = if pooled { pool.pull(program) } else { Thread::new().pull(program) };
                        if waits_first {
                            // Ready when the program waits: it has written less than a chunk.
                            outer.head().wait().unwrap();
                        } else {
                            Iterator::next(&mut outer).unwrap().unwrap();
                        }
                        drop(outer);
                        let refusals = told.recv().unwrap();
                        assert!(refusals.iter().all(is_disconnected), "{kind}: {refusals:?}");
                        dropped.wait();
                    }
                }
            }
        }
    });
}

#[test]
fn law_7_the_reader_of_a_feed_in_another_executor_wakes() {
    within(|| {
        let (_writer, mut other) = silent();
        let (tell, told) = channel();
        let (begin, begun) = channel();
        let mut feed = Thread::new().push(move |r: &mut Reader| {
            io::Read::read_exact(r, &mut [0; 3])?;
            begin.send(()).unwrap();
            tell.send(pollster::block_on(next(&mut other))).unwrap();
            Ok(())
        });
        io::Write::write_all(&mut feed, b"abc").unwrap();
        begun.recv().unwrap();
        drop(feed);
        assert!(is_disconnected(&told.recv().unwrap()));
    });
}

/// A local program inside a program on a thread or a worker learns that the outer one is to stop.
#[test]
fn law_7_a_local_bridge_in_another_executor_inside_the_program_wakes() {
    within(|| {
        let (_writers, others): (Vec<_>, Vec<_>) = (0..2).map(|_| silent()).unzip();
        let (tell, told) = channel();
        let mut outer = Thread::new().pull(move |w| {
            io::Write::write_all(w, b"begun")?;
            let locals: FuturesUnordered<_> = others
                .into_iter()
                .map(|mut other| async move {
                    // One program waits inside a poll of its chunks.
                    let mut local = Local::new().pull(move |_| Iterator::next(&mut other).unwrap().map(drop));
                    next(&mut local).await
                })
                .collect();
            tell.send(pollster::block_on(locals.collect::<Refusals>())).unwrap();
            let (_writer, mut inside) = silent();
            let nested = Local::new().pull(move |_| Err(pollster::block_on(next(&mut inside))));
            tell.send(Iterator::map(nested, Result::unwrap_err).collect()).unwrap();
            Ok(())
        });
        outer.head().wait().unwrap();
        drop(outer);
        for refused in [told.recv().unwrap(), told.recv().unwrap()] {
            assert!(!refused.is_empty() && refused.iter().all(is_disconnected), "{refused:?}");
        }
    });
}

/// A future that waited in a program leaves no waker there after it is dropped, done or polled elsewhere.
#[test]
fn a_future_that_waits_no_more_leaves_nothing_with_the_program() {
    use std::sync::Arc;
    use std::task::{Poll, Wake};

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    within(|| {
        let task = Arc::new(Task);
        let waker = task.clone().into();
        let (tell, told) = channel();
        let (go_on, goes_on) = channel::<()>();
        let mut outer = Thread::new().pull(move |w| {
            let mut context = Context::from_waker(&waker);
            let mut waits = |chunks: &mut Chunks| matches!(Pin::new(chunks).poll_next(&mut context), Poll::Pending);
            let (writer, mut dropped) = silent();
            assert!(waits(&mut dropped));
            drop((dropped, writer));
            let (mut writer, mut done) = silent();
            assert!(waits(&mut done));
            io::Write::write_all(&mut writer, b"abc")?;
            assert!(!waits(&mut done));
            let (writer, mut moved) = silent();
            assert!(waits(&mut moved));
            thread::spawn(move || {
                assert!(
                    Pin::new(&mut moved).poll_next(&mut Context::from_waker(std::task::Waker::noop())).is_pending()
                );
                drop(writer);
            })
            .join()
            .unwrap();
            drop(waker);
            tell.send(()).unwrap();
            let _ = goes_on.recv();
            io::Write::write_all(w, b"end")
        });
        let pulled = thread::spawn(move || Iterator::next(&mut outer).unwrap().unwrap());
        told.recv().unwrap();
        assert_eq!(Arc::strong_count(&task), 1);
        go_on.send(()).unwrap();
        assert_eq!(pulled.join().unwrap(), "end");
    });
}
