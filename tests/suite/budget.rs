//! A byte budget that many bridges share.

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_util::Stream;
use proptest::prelude::*;
use pushpull::{Budget, Chunks, Pool, Thread, Writer};
use pushpull_testing::watchdog::within;

const CHUNK: usize = 4;

type Program = Box<dyn FnOnce(&mut Writer) -> std::io::Result<()> + Send>;
type Engine = Box<dyn Fn(Program) -> Chunks>;

/// Creates the engines that run ahead, with a capacity far larger than the budget.
fn engines(budget: &Budget) -> [Engine; 3] {
    let thread = Thread::new().chunk_size(CHUNK).capacity(1000).budget(budget);
    let pools = [1, 2].map(|workers| Pool::new(workers).chunk_size(CHUNK).capacity(1000).budget(budget));
    let [one, two] = pools;
    [
        Box::new(move |program| thread.pull(program)),
        Box::new(move |program| one.pull(program)),
        Box::new(move |program| two.pull(program)),
    ]
}

/// Starts the program, and waits until it is blocked.
fn until_held(chunks: &mut Chunks) {
    let _ = Pin::new(&mut chunks.head()).poll(&mut Context::from_waker(Waker::noop()));
    while chunks.stats().writer_waits == 0 {
        thread::yield_now();
    }
}

/// Creates a program that writes `len` bytes at a time without end, and counts the bytes of the writes that have
/// returned.
fn endless(len: usize, accepted: &Arc<AtomicUsize>) -> Program {
    let accepted = accepted.clone();
    Box::new(move |w| {
        loop {
            let written = w.write(&vec![7; len])?;
            accepted.fetch_add(written, SeqCst);
        }
    })
}

#[test]
fn bridges_hold_the_budget_and_one_chunk_each() {
    within(|| {
        for len in [1, 3, 4, 50] {
            for index in 0..3 {
                let budget = Budget::new(100);
                let engine = &engines(&budget)[index];
                let mut bridges: Vec<_> = (0..10).map(|_| engine(endless(len, &Arc::default()))).collect();
                bridges.iter_mut().for_each(until_held);
                // Nothing was pulled, so a bridge has accepted as many bytes as its peak.
                let held: usize = bridges.iter().map(|chunks| chunks.stats().peak).sum();
                assert!(held <= 100 + 10 * CHUNK, "{held} bytes are held");
                assert!(held >= 10 * CHUNK, "a bridge does not hold its own chunk");
                // All are blocked, and the rest of the budget is too small for the next write.
                assert!(budget.available() < len.max(CHUNK), "{} bytes are left", budget.available());
                // Some are dropped, and the others get their share.
                bridges.truncate(2);
                for chunks in &mut bridges {
                    assert!(chunks.by_ref().take(100).all(|chunk| chunk.is_ok()));
                }
                bridges.into_iter().for_each(Chunks::join);
                assert_eq!(budget.available(), 100, "the budget is not returned");
            }
        }
    });
}

#[test]
fn a_reader_drains_its_bridges_in_any_order() {
    within(|| {
        for index in 0..3 {
            for reverse in [false, true] {
                let budget = Budget::new(8);
                let engine = &engines(&budget)[index];
                let mut bridges: Vec<_> = (0..5).map(|_| engine(Box::new(|w| w.write_all(&[7; 1000])))).collect();
                // All are blocked, and some hold the whole budget. Each is drained while the others are not pulled.
                bridges.iter_mut().for_each(until_held);
                if reverse {
                    bridges.reverse();
                }
                for chunks in bridges {
                    assert_eq!(chunks.map(|chunk| chunk.unwrap().len()).sum::<usize>(), 1000);
                }
                assert_eq!(budget.available(), 8);
            }
        }
    });
}

/// A writer's bytes are queued a moment after the budget has granted them. A pull in between returns only its own share
/// of the budget.
#[test]
fn law_4_a_budget_holds_while_writers_and_their_reader_run_at_full_speed() {
    const BRIDGES: usize = 4;
    const LARGE: usize = 64 << 10;
    const SMALL: usize = 4 << 10;
    within(|| {
        let budget = Budget::new(LARGE);
        let thread = Thread::new().chunk_size(SMALL).capacity(8 * LARGE).budget(&budget);
        // Counts the writes that have returned, so it never exceeds what the bridges have accepted.
        let accepted = Arc::new(AtomicUsize::new(0));
        let mut bridges = [(); BRIDGES].map(|()| {
            let accepted = accepted.clone();
            thread.pull(move |w| {
                let bytes = [7; LARGE];
                loop {
                    for len in [SMALL, LARGE] {
                        w.write_all(&bytes[..len])?;
                        accepted.fetch_add(len, SeqCst);
                    }
                }
            })
        });
        let mut pulled = 0;
        for turn in 0..200_000 {
            let chunk = bridges[turn % BRIDGES].next().unwrap().unwrap();
            pulled += chunk.len();
            let held = accepted.load(SeqCst).saturating_sub(pulled);
            assert!(held <= LARGE + BRIDGES * SMALL, "{held} bytes are held after {turn} pulls");
        }
        bridges.into_iter().for_each(Chunks::join);
        assert_eq!(budget.available(), LARGE);
    });
}

#[test]
fn the_first_waiter_is_served_first() {
    within(|| {
        let budget = Budget::new(100);
        let engine = &engines(&budget)[1];
        let count = || Arc::new(AtomicUsize::new(0));
        let (hoards, wants, comes) = (count(), count(), count());
        // One bridge holds nearly all of the budget, a large write waits, and small writes follow it.
        let mut hoard = engine({
            let accepted = hoards.clone();
            Box::new(move |w| {
                accepted.fetch_add(w.write(&[7; CHUNK])?, SeqCst);
                accepted.fetch_add(w.write(&[7; 96])?, SeqCst);
                w.closed().wait();
                Ok(())
            })
        });
        let _ = Pin::new(&mut hoard.head()).poll(&mut Context::from_waker(Waker::noop()));
        while hoards.load(SeqCst) < 100 {
            thread::yield_now();
        }
        assert_eq!(budget.available(), 4);
        let mut large = engine(endless(80, &wants));
        until_held(&mut large);
        let mut small: Vec<_> = (0..10).map(|_| engine(endless(1, &comes))).collect();
        small.iter_mut().for_each(until_held);
        // A chunk of budget is left, and only the first waiter may take it.
        assert_eq!((budget.available(), comes.load(SeqCst)), (4, 10 * CHUNK));
        drop(hoard);
        while wants.load(SeqCst) < 80 {
            thread::yield_now();
        }
        drop(small);
        drop(large);
    });
}

#[test]
fn a_try_write_takes_what_is_there_and_a_feed_is_counted_too() {
    within(|| {
        let budget = Budget::new(10);
        let thread = Thread::new().chunk_size(CHUNK).capacity(1000).budget(&budget);
        let (tell, told) = std::sync::mpsc::channel();
        let mut chunks = thread.pull(move |w| {
            let mut accepted = 0;
            while let Ok(len) = w.try_write(&[7; 2]) {
                accepted += len;
            }
            tell.send(accepted).unwrap();
            Ok(())
        });
        let _ = Pin::new(&mut chunks.head()).poll(&mut Context::from_waker(Waker::noop()));
        let accepted = told.recv().unwrap();
        assert!((CHUNK..=10 + CHUNK).contains(&accepted), "{accepted}");
        assert_eq!(chunks.map(|chunk| chunk.unwrap().len()).sum::<usize>(), accepted);

        let (go, gone) = std::sync::mpsc::channel::<()>();
        let mut feed = thread.push(move |r| {
            gone.recv().unwrap_err();
            std::io::copy(r, &mut std::io::sink())
        });
        feed.write_all(&[7; 10]).unwrap();
        assert!(budget.available() < 10);
        drop(go);
        assert_eq!(feed.finish().unwrap(), 10);
        assert_eq!(budget.available(), 10);
    });
}

#[test]
#[should_panic(expected = "a `Budget` must not be zero")]
fn a_zero_budget_panics() {
    let _ = Budget::new(0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Pulls bridges partly or completely, or drops them, in any order.
    #[test]
    fn in_any_order_every_byte_arrives_and_the_budget_comes_back(
        total in 1_usize..40,
        writes in prop::collection::vec(prop::collection::vec(1_usize..20, 0..12), 1..6),
        steps in prop::collection::vec((0_usize..6, 0_u8..6), 0..60),
        index in 0_usize..3,
    ) {
        within(move || {
            let budget = Budget::new(total);
            let engine = &engines(&budget)[index];
            let mut bridges: Vec<_> = writes
                .into_iter()
                .map(|writes| {
                    let len = writes.iter().sum::<usize>();
                    let program = move |w: &mut Writer| writes.iter().try_for_each(|len| w.write_all(&vec![7; *len]));
                    Some((engine(Box::new(program)), len))
                })
                .collect();
            for (bridge, step) in steps {
                let Some(place) = bridges.get_mut(bridge) else { continue };
                let Some((chunks, left)) = place else { continue };
                match step {
                    0 => *place = None,
                    1 | 2 => {
                        if let Poll::Ready(Some(chunk)) = Pin::new(chunks).poll_next(&mut Context::from_waker(Waker::noop())) {
                            *left -= chunk.unwrap().len();
                        }
                    }
                    // Waits, however much the other bridges hold.
                    _ => match chunks.next() {
                        Some(chunk) => *left -= chunk.unwrap().len(),
                        None => assert_eq!(*left, 0),
                    },
                }
            }
            for (chunks, left) in bridges.into_iter().flatten() {
                assert_eq!(chunks.map(|chunk| chunk.unwrap().len()).sum::<usize>(), left);
            }
            assert_eq!(budget.available(), total);
        });
    }
}
