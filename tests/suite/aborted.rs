//! An exchange that is aborted in any state leaves nothing behind: no program, thread, stack, descriptor or byte.
//!
//! For a longer run: `EXCHANGES=10000000 cargo test --test suite aborted`.

use std::env;
use std::io::{self, BufRead, Read};
use std::panic;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::support::engine::{OnLocal, OnPipe, OnPool, OnThread, Outlet, Setup};
use crate::support::polled::{Polled, Polls, Source};
use bytes::Bytes;
use futures_util::Stream;
use pushpull::{drive_tokio, pipe};
use pushpull_testing::alone::alone;
use pushpull_testing::counted::Counted;
use pushpull_testing::dice::Dice;
use pushpull_testing::watchdog::within;

/// A reference that every program, source and queued chunk of an exchange holds.
type Held = Arc<()>;

fn chunk(held: &Held, len: usize) -> Bytes {
    struct Kept(Vec<u8>, #[allow(dead_code, reason = "it is there to be dropped")] Held);
    impl AsRef<[u8]> for Kept {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    Bytes::from_owner(Kept(vec![7; len], held.clone()))
}

/// Writes, computes and ends at random.
fn act(held: &Held, mut dice: Dice, w: &mut dyn Outlet) -> io::Result<()> {
    for _ in 0..dice.roll(12) {
        match dice.roll(8) {
            0 => w.flush()?,
            1..4 => w.write_bytes(chunk(held, dice.roll(100)))?,
            // An encoder that ignores an error.
            4 => drop(w.write(b"swallowed")),
            _ => w.write_all(&vec![7; dice.roll(100)])?,
        }
    }
    match dice.roll(6) {
        0 => Err(io::ErrorKind::StorageFull.into()),
        1 => panic::resume_unwind(Box::new("the program's")),
        _ => Ok(()),
    }
}

/// Creates a source that has chunks, pauses, fails or ends. One in three never wakes its task again.
fn source(held: &Held, mut dice: Dice) -> Source {
    let held = held.clone();
    let mut over = false;
    Box::pin(futures_util::stream::poll_fn(move |context| {
        assert!(!over, "polled after its end");
        let polled = match dice.roll(12) {
            0 => Poll::Ready(None),
            1 => Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into()))),
            2 => Poll::Pending,
            3..5 => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(Some(Ok(chunk(&held, dice.roll(100))))),
        };
        over = matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }))
}

/// Polls up to `times` times.
fn polls<T>(times: usize, mut poll: impl FnMut(&mut Context<'_>) -> Poll<Option<T>>) {
    for _ in 0..times {
        match poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(_)) => {}
            Poll::Ready(None) => break,
            // Another thread may have something by the next poll.
            Poll::Pending => thread::yield_now(),
        }
    }
}

fn exchange<E: Polled>(held: &Held, dice: &mut Dice) {
    let (chunk_size, capacity) = (1 + dice.roll(64), 1 + dice.roll(200));
    let setup = Setup { chunk_size, capacity, unbuffered: dice.roll(4) == 0, ..Setup::default() };
    let times = dice.roll(10);
    let (own, own_dice, source_dice) = (held.clone(), Dice(dice.0 | 1), Dice(dice.0.rotate_left(20) | 1));
    let writes = {
        let own = own.clone();
        move |w: &mut dyn Outlet| act(&own, own_dice, w)
    };
    let reads = {
        let own = own.clone();
        let mut dice = Dice(dice.0.rotate_left(40) | 1);
        move |r: &mut dyn BufRead| {
            let _own = &own;
            let mut buffer = [0; 50];
            while dice.roll(20) > 0 && r.read(&mut buffer)? > 0 {}
            Ok(dice.roll(5))
        }
    };
    let filters = {
        let own = own.clone();
        let dice = Dice(dice.0.rotate_left(30) | 1);
        move |r: &mut dyn BufRead, w: &mut dyn Outlet| {
            io::copy(r, w)?;
            act(&own, dice, w)
        }
    };
    let body = dice.roll(2) == 0;
    let source = source(held, source_dice);
    match dice.roll(8) {
        0 => {
            let mut chunks = E::chunks(setup, Box::new(writes));
            polls(times, |context| Pin::new(&mut chunks).poll_next(context));
        }
        1 => {
            let mut body = E::chunks(setup, Box::new(writes)).into_body();
            polls(times, |context| http_body::Body::poll_frame(Pin::new(&mut body), context));
        }
        2 => {
            let mut reader = E::chunks(setup, Box::new(writes)).into_reader();
            let mut buffer = [0; 30];
            polls(times, |context| {
                let mut into = tokio::io::ReadBuf::new(&mut buffer);
                tokio::io::AsyncRead::poll_read(Pin::new(&mut reader), context, &mut into)
                    .map(|read| (read.is_ok() && !into.filled().is_empty()).then_some(()))
            });
        }
        3 => E::chunks(setup, Box::new(writes)).into_reader().read_to_end(&mut Vec::new()).map_or((), drop),
        4 => {
            let mut fate = E::fed(setup, Box::new(reads), source, body);
            polls(times, |context| fate.as_mut().poll(context).map(|_| None::<()>));
        }
        5 => {
            let mut chunks = E::filtered(setup, Box::new(filters), source, body);
            polls(times, |context| Pin::new(&mut chunks).poll_next(context));
        }
        6 => {
            let mut sink = tokio::io::sink();
            let chunks = E::filtered(setup, Box::new(filters), source, body);
            let mut drive = Box::pin(drive_tokio(chunks, &mut sink));
            polls(times, |context| drive.as_mut().poll(context).map(|_| None::<()>));
        }
        _ => {
            // An asynchronous producer that is dropped, finishes, or has no reader.
            let (mut writer, mut chunks) = pipe(setup.capacity);
            polls(times, |context| {
                use tokio::io::AsyncWrite;
                let written = AsyncWrite::poll_write(Pin::new(&mut writer), context, &[7; 40]);
                if written.is_pending() {
                    let _ = Pin::new(&mut chunks).poll_next(context);
                }
                written.map(Result::ok)
            });
            if dice.roll(2) == 0 {
                drop(chunks);
            }
        }
    }
}

fn exchanges(count: usize, held: &Held, dice: &mut Dice) {
    for _ in 0..count {
        match dice.roll(6) {
            0 | 1 => exchange::<OnLocal>(held, dice),
            2 => exchange::<OnThread>(held, dice),
            3 => exchange::<OnPool<1>>(held, dice),
            4 => exchange::<OnPool<2>>(held, dice),
            _ => exchange::<OnPipe>(held, dice),
        }
    }
    // The programs learn that their hosts were dropped, and end.
    while Arc::strong_count(held) > 1 {
        thread::yield_now();
    }
}

#[test]
fn law_7_aborted_exchanges_leave_nothing_behind() {
    alone("aborted::law_7_aborted_exchanges_leave_nothing_behind", || {
        within(|| {
            let count = env::var("EXCHANGES").map_or(100_000, |count| count.parse().expect("a number"));
            let (held, mut dice) = (Held::default(), Dice(0x5eed));
            // A warm-up, for workers, idle threads, recycled stacks and the allocator's arenas.
            exchanges(count / 5, &held, &mut dice);
            let before = Counted::now();
            exchanges(count - count / 5, &held, &mut dice);
            before.expect_no_more();
        })
    });
}
