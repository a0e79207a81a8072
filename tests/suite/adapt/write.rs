//! Asynchronous producers: the bare writer as both kinds of `AsyncWrite`.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread;

use pushpull::{Error, Local, Thread, Writer, pipe};

use crate::support::engine::{drain, is_disconnected};
use crate::support::polled::block_on;
use pushpull_testing::watchdog::within;

/// A trait through which bytes are written.
trait Way {
    fn poll_write(writer: &mut Writer, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;
    fn poll_vectored(writer: &mut Writer, context: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;
    fn poll_flush(writer: &mut Writer, context: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_shut(writer: &mut Writer, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

macro_rules! way {
    ($name:ident, $write:path, $shut:ident) => {
        struct $name;

        impl Way for $name {
            fn poll_write(writer: &mut Writer, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                <Writer as $write>::poll_write(Pin::new(writer), context, buf)
            }

            fn poll_vectored(
                writer: &mut Writer,
                context: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                <Writer as $write>::poll_write_vectored(Pin::new(writer), context, bufs)
            }

            fn poll_flush(writer: &mut Writer, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                <Writer as $write>::poll_flush(Pin::new(writer), context)
            }

            fn poll_shut(writer: &mut Writer, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                <Writer as $write>::$shut(Pin::new(writer), context)
            }
        }
    };
}

way!(Tokio, tokio::io::AsyncWrite, poll_shutdown);
way!(Futures, futures_util::AsyncWrite, poll_close);

async fn write_all<W: Way>(writer: &mut Writer, mut bytes: &[u8]) -> io::Result<()> {
    poll_fn(|context| {
        while !bytes.is_empty() {
            let len = ready!(W::poll_write(writer, context, bytes))?;
            bytes = &bytes[len..];
        }
        Poll::Ready(Ok(()))
    })
    .await
}

fn idle() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

macro_rules! both_ways {
    ($($(#[doc = $doc:literal])* fn $name:ident<$way:ident>() $body:block)*) => {$(
        $(#[doc = $doc])*
        mod $name {
            use super::*;

            fn law<$way: Way>() $body

            #[test]
            fn of_tokio() {
                within(law::<Tokio>);
            }

            #[test]
            fn of_futures() {
                within(law::<Futures>);
            }
        }
    )*};
}

both_ways! {
    /// Law 1, through a pipe that is full most of the time. A shutdown is a clean end, also if it is repeated.
    fn what_a_task_writes_is_pulled<W>() {
        for capacity in [1, 7, 1000] {
            let (mut writer, chunks) = pipe(capacity);
            let puller = thread::spawn(move || drain(chunks));
            let mut expected = Vec::new();
            block_on(async {
                for n in 0..200_usize {
                    let piece = vec![n as u8; n % 50];
                    write_all::<W>(&mut writer, &piece).await.unwrap();
                    expected.extend_from_slice(&piece);
                    if n % 7 == 0 {
                        poll_fn(|context| W::poll_flush(&mut writer, context)).await.unwrap();
                    }
                }
                let parts = [&b"vec"[..], b"", b"tored", &[7; 40]];
                let mut slices = parts.map(IoSlice::new);
                let mut slices = &mut slices[..];
                IoSlice::advance_slices(&mut slices, 0);
                while !slices.is_empty() {
                    let written = poll_fn(|context| W::poll_vectored(&mut writer, context, slices)).await.unwrap();
                    IoSlice::advance_slices(&mut slices, written);
                }
                expected.extend(parts.concat());
                for _ in 0..3 {
                    poll_fn(|context| W::poll_shut(&mut writer, context)).await.unwrap();
                }
            });
            drop(writer);
            let (bytes, end) = puller.join().unwrap();
            assert!(end.is_none(), "{end:?}");
            assert_eq!(bytes, expected);
        }
    }

    /// Law 2: dropping the writer without a shutdown is a truncation, after every byte.
    fn dropped_without_a_shutdown_is_an_error<W>() {
        let (mut writer, chunks) = pipe(1024);
        block_on(write_all::<W>(&mut writer, b"a beginning")).unwrap();
        drop(writer);
        let (bytes, end) = drain(chunks);
        assert_eq!(bytes, b"a beginning");
        assert!(Error::of(&end.unwrap()).unwrap().is_truncated());
    }

    /// Law 7: if the reader is dropped, a task that waits for room is woken, and its write fails.
    fn a_dropped_reader_wakes_the_task<W>() {
        let (mut writer, chunks) = pipe(4);
        assert!(matches!(W::poll_write(&mut writer, &mut idle(), b"abcd"), Poll::Ready(Ok(4))));
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        assert!(W::poll_write(&mut writer, &mut Context::from_waker(&waker), b"e").is_pending());
        drop(chunks);
        assert_eq!(wakes.0.load(SeqCst), 1);
        let Poll::Ready(Err(error)) = W::poll_write(&mut writer, &mut idle(), b"e") else { panic!() };
        assert!(is_disconnected(&error));
        let Poll::Ready(Err(error)) = W::poll_shut(&mut writer, &mut idle()) else { panic!() };
        assert!(is_disconnected(&error));
    }

    /// Law 11: a cancelled write, with any waker, changes no order of bytes and takes no wake-up from another write.
    fn a_cancelled_write_writes_nothing<W>() {
        let (mut writer, mut chunks) = pipe(4);
        assert!(matches!(W::poll_write(&mut writer, &mut idle(), b"abcd"), Poll::Ready(Ok(4))));
        for _ in 0..3 {
            assert!(W::poll_write(&mut writer, &mut idle(), b"given up").is_pending());
        }
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        assert!(W::poll_write(&mut writer, &mut Context::from_waker(&waker), b"efgh").is_pending());
        assert_eq!(chunks.next().unwrap().unwrap(), "abcd");
        assert_eq!(wakes.0.load(SeqCst), 1, "the last task that polled is not woken once");
        assert!(matches!(W::poll_write(&mut writer, &mut idle(), b"efgh"), Poll::Ready(Ok(4))));
        assert!(matches!(W::poll_shut(&mut writer, &mut idle()), Poll::Ready(Ok(()))));
        assert_eq!(drain(chunks).0, b"efgh");
    }

    /// A write after a shutdown is refused, and changes nothing.
    fn writes_after_a_shutdown_are_refused<W>() {
        let (mut writer, chunks) = pipe(64);
        assert!(matches!(W::poll_write(&mut writer, &mut idle(), b"whole"), Poll::Ready(Ok(5))));
        assert!(matches!(W::poll_shut(&mut writer, &mut idle()), Poll::Ready(Ok(()))));
        let Poll::Ready(Err(error)) = W::poll_write(&mut writer, &mut idle(), b"more") else { panic!() };
        assert!(is_disconnected(&error));
        drop(writer);
        let (bytes, end) = drain(chunks);
        assert_eq!(bytes, b"whole");
        assert!(end.is_none());
    }

    /// Law 13: a task that always finds room yields to other tasks.
    fn law_13_an_always_ready_writer_yields<W>() {
        let (mut writer, mut chunks) = pipe(1 << 20);
        let waits = (0..200).filter(|_| {
            let waits = W::poll_write(&mut writer, &mut idle(), &[7; 64 << 10]).is_pending();
            while chunks.stats().bytes < (1 << 30) && Iterator::size_hint(&chunks).0 > 0 {
                chunks.next();
            }
            waits
        });
        assert!((10..=20).contains(&waits.count()));
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_program_may_run_an_asynchronous_encoder() {
    use futures_util::AsyncWriteExt as _;
    use tokio::io::AsyncWriteExt as _;

    within(|| {
        async fn of_tokio(w: &mut (impl tokio::io::AsyncWrite + Unpin)) -> io::Result<()> {
            for n in 0..100_u8 {
                tokio::io::AsyncWriteExt::write_all(w, &[n; 100]).await?;
            }
            w.shutdown().await
        }
        async fn of_futures(w: &mut (impl futures_util::AsyncWrite + Unpin)) -> io::Result<()> {
            for n in 0..100_u8 {
                futures_util::AsyncWriteExt::write_all(w, &[n; 100]).await?;
            }
            w.close().await
        }
        let expected: Vec<u8> = (0..100_u8).flat_map(|n| [n; 100]).collect();
        let ends = [
            drain(Local::new().chunk_size(64).pull(|w| block_on(of_tokio(w)))),
            drain(Local::new().chunk_size(64).pull(|w| block_on(of_futures(w)))),
            drain(Thread::new().chunk_size(64).capacity(256).pull(|w| block_on(of_tokio(w)))),
            drain(Thread::new().chunk_size(64).capacity(256).pull(|w| block_on(of_futures(w)))),
        ];
        for (bytes, end) in ends {
            assert!(end.is_none(), "{end:?}");
            assert_eq!(bytes, expected);
        }
    });
}

#[test]
fn a_writer_that_was_shut_down_and_is_finished_has_ended_well() {
    use tokio::io::AsyncWriteExt as _;

    let (mut writer, chunks) = pipe(64);
    block_on(async {
        tokio::io::AsyncWriteExt::write_all(&mut writer, b"all").await.unwrap();
        writer.shutdown().await.unwrap();
        writer.shutdown().await.unwrap();
    });
    writer.finish().unwrap();
    let (bytes, end) = drain(chunks);
    assert!(bytes == b"all" && end.is_none(), "{end:?}");
    // A writer whose reader was dropped has not ended well.
    let (mut writer, chunks) = pipe(64);
    drop(chunks);
    for _ in 0..2 {
        assert_eq!(block_on(writer.shutdown()).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
    assert_eq!(writer.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}
