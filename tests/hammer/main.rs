//! Many random bridges at once, of every engine, with the smallest capacities, beside busy threads.
//!
//! `HAMMER=100000000 cargo test --release --test hammer` makes 100,000,000 operations (default: 30,000). Each is a write,
//! a pull, or a bridge. A bridge that makes none for a minute fails the test, which prints its script.

#![cfg(feature = "stream")]

use std::io::{self, BufRead, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_core::Stream;
use pushpull::{BridgeWriter, Budget, Error, Local, Pool, Thread, pipe};
use pushpull_testing::dice::Dice;

/// The number of threads that run bridges, and of those that only compute.
const DRIVERS: usize = 4;
const NEIGHBOURS: usize = 2;

/// The time without an operation after which a bridge hangs. One needs microseconds, or beside busy threads some turns of
/// the scheduler. A slow bridge still makes operations.
const STUCK: Duration = Duration::from_secs(60);

/// The time between two lines about the progress.
const TOLD: Duration = Duration::from_secs(10);

const CAPACITIES: [usize; 8] = [1, 2, 3, 7, 16, 64, 1000, 65_536];
const CHUNKS: [usize; 5] = [1, 2, 5, 64, 4096];

/// What one driver does now.
struct Turn {
    script: Mutex<String>,
    operations: AtomicU64,
}

/// The byte at a position of every stream.
fn byte(at: usize) -> u8 {
    (at.wrapping_mul(167) >> 3) as u8
}

fn bytes(at: usize, len: usize) -> Vec<u8> {
    (at..at + len).map(byte).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Well,
    Fails,
    Panics,
}

fn program(
    mut dice: Dice,
    len: usize,
    ends: Ends,
    w: &mut impl BridgeWriter,
    operations: &AtomicU64,
) -> io::Result<()> {
    let mut at = 0;
    while at < len {
        let part = (1 + dice.roll(40)).min(len - at);
        match dice.roll(12) {
            0 => w.flush()?,
            1 => thread::yield_now(),
            2..5 => {
                w.write_bytes(bytes(at, part).into())?;
                at += part;
            }
            5 => {
                // A bridge in a bridge.
                let mut inner = Local::new().chunk_size(3).pull(move |w| w.write_all(&bytes(at, part)));
                inner.drive_into(w)?;
                at += part;
            }
            _ => {
                w.write_all(&bytes(at, part))?;
                at += part;
            }
        }
        operations.fetch_add(1, Ordering::Relaxed);
    }
    match ends {
        Ends::Well => Ok(()),
        Ends::Fails => Err(io::ErrorKind::StorageFull.into()),
        Ends::Panics => std::panic::resume_unwind(Box::new("the program's")),
    }
}

/// Reads a bridge in a random way, to its end or not.
fn host<C>(
    mut chunks: C,
    mut dice: Dice,
    len: usize,
    ends: Ends,
    operations: &AtomicU64,
    reader: fn(C) -> Box<dyn BufRead>,
) where
    C: Iterator<Item = io::Result<Bytes>> + Stream<Item = io::Result<Bytes>> + Unpin,
{
    let drops_after = (dice.roll(3) == 0).then(|| dice.roll(20));
    let reads_after = (dice.roll(3) == 0).then(|| dice.roll(10));
    let (mut at, mut pulls) = (0, 0);
    let error = loop {
        if drops_after == Some(pulls) {
            return;
        }
        if reads_after == Some(pulls) {
            let mut rest = Vec::new();
            let error = reader(chunks).read_to_end(&mut rest).err();
            assert!(rest.iter().enumerate().all(|(number, found)| *found == byte(at + number)), "law 1");
            at += rest.len();
            break error;
        }
        pulls += 1;
        operations.fetch_add(1, Ordering::Relaxed);
        let item = match dice.roll(4) {
            0 => match Pin::new(&mut chunks).poll_next(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(item) => item,
                Poll::Pending => continue,
            },
            _ => chunks.next(),
        };
        match item {
            Some(Ok(chunk)) => {
                assert!(!chunk.is_empty(), "law 6");
                assert!(chunk.iter().enumerate().all(|(number, found)| *found == byte(at + number)), "law 1");
                at += chunk.len();
            }
            Some(Err(error)) => {
                assert!(chunks.next().is_none(), "law 3");
                break Some(error);
            }
            None => break None,
        }
    };
    assert_eq!(at, len, "law 1");
    let is_right = match (ends, &error) {
        (Ends::Well, None) => true,
        (Ends::Fails, Some(error)) => error.kind() == io::ErrorKind::StorageFull,
        (Ends::Panics, Some(error)) => Error::of(error).is_some_and(Error::is_panic),
        _ => false,
    };
    assert!(is_right, "law 2: {ends:?} was {error:?}");
}

/// Runs one random bridge.
fn bridge(dice: &mut Dice, pools: &[Pool], budget: &Budget, turn: &Arc<Turn>) {
    let (capacity, chunk) = (dice.pick(&CAPACITIES), dice.pick(&CHUNKS));
    let most = if dice.roll(20) == 0 { 20_000 } else { 400 };
    let len = dice.roll(most);
    let ends = dice.pick(&[Ends::Well, Ends::Well, Ends::Well, Ends::Fails, Ends::Panics]);
    let (engine, writes, reads) = (dice.roll(8), dice.clone(), Dice(dice.0.rotate_left(17) | 1));
    dice.roll(2);
    let script =
        format!("engine {engine}, capacity {capacity}, chunk {chunk}, {len} bytes, {ends:?}, seed {}", writes.0);
    *turn.script.lock().unwrap() = script;
    let operations = turn.clone();
    let queued = |chunks: pushpull::Chunks| {
        host(chunks, reads.clone(), len, ends, &turn.operations, |chunks| Box::new(chunks.into_reader()))
    };
    match engine {
        0 | 1 => {
            let chunks =
                Local::new().chunk_size(chunk).pull(move |w| program(writes, len, ends, w, &operations.operations));
            host(chunks, reads, len, ends, &turn.operations, |chunks| Box::new(chunks.into_reader()));
        }
        2 | 3 => {
            let engine = Thread::new().chunk_size(chunk).capacity(capacity);
            let engine = if engine_has_budget(&writes) { engine.budget(budget) } else { engine };
            queued(engine.pull(move |w| program(writes, len, ends, w, &operations.operations)));
        }
        4..7 => {
            let pool = pools[dice.roll(pools.len())].clone().chunk_size(chunk).capacity(capacity);
            let pool = if engine_has_budget(&writes) { pool.budget(budget) } else { pool };
            queued(pool.pull(move |w| program(writes, len, ends, w, &operations.operations)));
        }
        _ => {
            let ends = if ends == Ends::Panics { Ends::Fails } else { ends };
            let (mut writer, chunks) = pipe(capacity);
            let writing =
                thread::spawn(move || match program(writes, len, ends, &mut writer, &operations.operations) {
                    Ok(()) => drop(writer.finish()),
                    Err(error) => writer.abort(error),
                });
            host(chunks, reads, len, ends, &turn.operations, |chunks| Box::new(chunks.into_reader()));
            writing.join().expect("the writer of a pipe does not panic");
        }
    }
    turn.operations.fetch_add(1, Ordering::Relaxed);
}

fn engine_has_budget(dice: &Dice) -> bool {
    dice.0.is_multiple_of(3)
}

#[test]
fn laws_1_2_3_6_and_11_many_random_bridges_at_once() {
    let wanted: u64 = std::env::var("HAMMER").map_or(30_000, |text| text.parse().expect("a number of operations"));
    let pools = [Pool::new(1), Pool::new(2)];
    // Less than all bridges together would hold, and enough for each to hold a chunk.
    let budget = Budget::new(DRIVERS * 4096);
    let turns: Vec<Arc<Turn>> =
        (0..DRIVERS).map(|_| Arc::new(Turn { script: Mutex::default(), operations: AtomicU64::new(0) })).collect();
    let is_over = AtomicBool::new(false);
    let made = || turns.iter().map(|turn| turn.operations.load(Ordering::Relaxed)).sum::<u64>();
    thread::scope(|scope| {
        for _ in 0..NEIGHBOURS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let drivers: Vec<_> = turns
            .iter()
            .enumerate()
            .map(|(number, turn)| {
                let (pools, budget, made) = (&pools, &budget, &made);
                scope.spawn(move || {
                    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1) << 32);
                    while made() < wanted {
                        bridge(&mut dice, pools, budget, turn);
                    }
                })
            })
            .collect();
        let (start, mut said) = (Instant::now(), Duration::ZERO);
        let mut moved = vec![(0, start); DRIVERS];
        while drivers.iter().any(|driver| !driver.is_finished()) {
            thread::sleep(Duration::from_millis(50));
            if start.elapsed() > said + TOLD {
                said = start.elapsed();
                eprintln!("{} of {wanted} operations after {} s", made(), said.as_secs());
            }
            for (turn, (seen, since)) in turns.iter().zip(&mut moved) {
                let operations = turn.operations.load(Ordering::Relaxed);
                if operations != *seen {
                    (*seen, *since) = (operations, Instant::now());
                } else if since.elapsed() > STUCK && made() < wanted {
                    eprintln!("a bridge hangs: {}", turn.script.lock().unwrap());
                    // The threads cannot be ended, and the test must not wait for them.
                    std::process::exit(101);
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
        for driver in drivers {
            if let Err(panic) = driver.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    println!("{} operations", made());
}
