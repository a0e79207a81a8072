//! Bridges inside bridges, on one pool and across engines.

use std::collections::HashMap;
use std::io::{self, BufRead, Read, Write};
use std::panic;

use crate::support::engine::{drain, small};
use bytes::Bytes;
use pushpull::{Chunks, Error, Local, Pool, pipe};
use pushpull_testing::guard::{Dropped, Guard, guard};
use pushpull_testing::watchdog::within;

#[test]
fn law_12_nested_100_deep_on_one_worker() {
    fn nest(pool: Pool, depth: usize, w: &mut pushpull::Writer) -> io::Result<()> {
        match depth.checked_sub(1) {
            None => (0..200).try_for_each(|n| write!(w, "{n},")),
            Some(depth) => {
                let inner = pool.clone();
                pool.pull(move |w| nest(inner, depth, w)).try_for_each(|item| w.write_bytes(item?))
            }
        }
    }
    within(|| {
        for workers in [1, 2] {
            let pool = small(workers);
            let (bytes, end) = drain(pool.clone().pull(move |w| nest(pool, 100, w)));
            assert!(end.is_none(), "{end:?}");
            assert_eq!(bytes, (0..200).flat_map(|n| format!("{n},").into_bytes()).collect::<Vec<_>>());
        }
    });
}

#[test]
fn law_12_a_feed_finished_and_a_reader_read_inside_a_program() {
    within(|| {
        let pool = small(1);
        let inner = pool.clone();
        let (bytes, end) = drain(pool.pull(move |w| {
            // Three programs on one worker, each waiting for the next.
            let mut feed = inner.push(|r| {
                let mut text = String::new();
                r.read_to_string(&mut text).map(|_| text)
            });
            let mut reader = inner.pull(|w| (0..100).try_for_each(|n| writeln!(w, "line {n}"))).into_reader();
            io::copy(&mut reader, &mut feed)?;
            w.write_all(feed.finish()?.as_bytes())
        }));
        assert!(end.is_none(), "{end:?}");
        assert_eq!(bytes.lines().map(Result::unwrap).last().unwrap(), "line 99");
    });
}

/// A fault in a bridge of several levels, and its place.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    depth: usize,
    after: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    None,
    Panics,
    Fails,
    /// Returns early, and so drops the levels nested in it.
    Leaves,
}

impl Trouble {
    /// Applies the fault at a chunk. Returns `false` if the level is to return early.
    fn strike(self, depth: usize, chunks: usize) -> io::Result<bool> {
        if self.depth != depth || self.after != chunks {
            return Ok(true);
        }
        match self.kind {
            Kind::None => Ok(true),
            Kind::Leaves => Ok(false),
            Kind::Fails => Err(io::ErrorKind::StorageFull.into()),
            Kind::Panics => panic::resume_unwind(Box::new(depth)),
        }
    }
}

const ROUNDS: usize = 12;

/// Moves chunks one level up, and applies the level's fault.
fn pass(
    items: impl IntoIterator<Item = io::Result<Bytes>>,
    mut write: impl FnMut(Bytes) -> io::Result<()>,
    depth: usize,
    trouble: Trouble,
    own: &Guard,
) -> io::Result<()> {
    let _own = own;
    for (chunks, item) in items.into_iter().enumerate() {
        write(item?)?;
        if !trouble.strike(depth, chunks)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Nests four bridges: Pool, Local, Local, Pool, from the outermost.
fn four_levels(pool: &Pool, number: usize, trouble: Trouble) -> (Chunks, Vec<Dropped>) {
    let (guards, dropped): (Vec<_>, Vec<_>) = (0..4).map(|_| guard()).unzip();
    let [first, second, third, fourth] = <[Guard; 4]>::try_from(guards).unwrap_or_else(|_| unreachable!());
    let inner = pool.clone();
    let chunks = pool.pull(move |w| {
        let outer_local = Local::new().unbuffered().pull(move |w| {
            let inner_local = Local::new().unbuffered().pull(move |w| {
                let innermost = inner.unbuffered().pull(move |w| {
                    let rounds = (0..ROUNDS).map(|round| Ok(format!("{number}/{round} ").into()));
                    pass(rounds, |chunk| w.write_all(&chunk), 3, trouble, &fourth)
                });
                pass(innermost, |chunk| w.write_bytes(chunk), 2, trouble, &third)
            });
            pass(inner_local, |chunk| w.write_bytes(chunk), 1, trouble, &second)
        });
        pass(outer_local, |chunk| w.write_bytes(chunk), 0, trouble, &first)
    });
    (chunks, dropped)
}

#[test]
fn pool_local_local_pool_interleaved_with_panics_and_drops_at_every_depth() {
    within(|| {
        for workers in [1, 2] {
            let pool = small(workers);
            let troubles: Vec<Trouble> = [Kind::None, Kind::Panics, Kind::Fails, Kind::Leaves]
                .into_iter()
                .flat_map(|kind| (0..4).flat_map(move |depth| [0, 1, 5].map(|after| Trouble { depth, after, kind })))
                .collect();
            let (mut bridges, dropped): (Vec<_>, Vec<_>) =
                troubles.iter().enumerate().map(|(n, trouble)| four_levels(&pool, n, *trouble)).unzip();
            let mut came: Vec<Vec<u8>> = vec![Vec::new(); bridges.len()];
            let mut ends: HashMap<usize, Option<io::Error>> = HashMap::new();
            let goes = |number: usize| number % 7 == 3;
            for round in 0..ROUNDS * 8 {
                for number in 0..bridges.len() {
                    // Some hosts drop their end in the middle, too.
                    if goes(number) && round == number % 5 {
                        let gone = std::mem::replace(&mut bridges[number], pipe(1).1);
                        gone.join();
                    }
                    if ends.contains_key(&number) || (goes(number) && round >= number % 5) {
                        continue;
                    }
                    match bridges[number].next() {
                        Some(Ok(chunk)) => came[number].extend_from_slice(&chunk),
                        Some(Err(error)) => drop(ends.insert(number, Some(error))),
                        None => drop(ends.insert(number, None)),
                    }
                }
            }
            for (number, trouble) in troubles.iter().enumerate() {
                dropped[number].iter().for_each(Dropped::wait);
                let expected = |rounds: usize| -> String { (0..rounds).map(|n| format!("{number}/{n} ")).collect() };
                let came = String::from_utf8(came[number].clone()).unwrap();
                if goes(number) {
                    assert!(expected(ROUNDS).starts_with(&came), "{trouble:?}: {came}");
                    continue;
                }
                let end = ends.remove(&number).expect("every bridge has ended");
                let rounds = if trouble.kind == Kind::None { ROUNDS } else { trouble.after + 1 };
                assert_eq!(came, expected(rounds), "{trouble:?}");
                match (trouble.kind, &end) {
                    (Kind::None | Kind::Leaves, None) => {}
                    (Kind::Fails, Some(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
                    (Kind::Panics, Some(error)) => assert!(Error::of(error).unwrap().is_panic()),
                    (kind, end) => panic!("{kind:?} was reported as {end:?}"),
                }
            }
        }
    });
}
