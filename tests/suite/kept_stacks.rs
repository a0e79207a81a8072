//! Memory that recycled stacks keep.

use std::hint::black_box;
use std::io::{self, Write};
use std::sync::Barrier;
use std::thread;

use pushpull::{Local, Pool};
use pushpull_testing::alone::alone;

const THREADS: usize = 8;
const PROGRAMS: usize = 64;

/// Returns the resident bytes of this process, without those of files.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// Keeps an array of zeros on its stack while it waits, or before.
fn zeros<const SIZE: usize>(w: &mut dyn Write, held: bool) -> io::Result<()> {
    if held {
        while_it_waits::<SIZE>(w)
    } else {
        let size = before_it_waits::<SIZE>();
        write!(w, "{size:100}")?;
        w.write_all(b"more")
    }
}

#[inline(never)]
fn while_it_waits<const SIZE: usize>(w: &mut dyn Write) -> io::Result<()> {
    let mut zeros = [0_u8; SIZE];
    w.write_all(&black_box(&mut zeros)[..100])?;
    w.write_all(&black_box(&mut zeros)[..100])
}

#[inline(never)]
fn before_it_waits<const SIZE: usize>() -> usize {
    black_box(&mut [0_u8; SIZE]).len()
}

/// Returns the growth in resident bytes after these programs have run at the same time on each thread and have ended.
fn left<const SIZE: usize>(held: bool) -> usize {
    let before = resident();
    let (gone, measured) = (&Barrier::new(THREADS + 1), &Barrier::new(THREADS + 1));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(move || {
                let program = move |w: &mut pushpull::local::Writer| zeros::<SIZE>(w, held);
                let mut live: Vec<_> = (0..PROGRAMS).map(|_| Local::new().chunk_size(64).pull(program)).collect();
                live.iter_mut().for_each(|chunks| drop(chunks.next().unwrap().unwrap()));
                drop(live);
                gone.wait();
                measured.wait();
            });
        }
        gone.wait();
        let left = resident().saturating_sub(before);
        measured.wait();
        left
    })
}

#[test]
fn memory_of_zeroed_arrays_returns_to_the_system() {
    alone("kept_stacks::memory_of_zeroed_arrays_returns_to_the_system", zeroed_arrays);
}

fn zeroed_arrays() {
    let most = 16 << 20;
    for held in [true, false] {
        let left = [left::<{ 64 << 10 }>(held), left::<{ 900 << 10 }>(held)];
        assert!(left.iter().all(|left| *left <= most), "{left:?} bytes are left, held: {held}");
    }
    // The same on workers.
    let before = resident();
    let pool = Pool::new(THREADS).chunk_size(64).capacity(64);
    let mut live: Vec<_> = (0..THREADS * PROGRAMS).map(|_| pool.pull(|w| zeros::<{ 64 << 10 }>(w, true))).collect();
    live.iter_mut().for_each(|chunks| drop(chunks.next().unwrap().unwrap()));
    live.into_iter().for_each(pushpull::Chunks::join);
    let left = resident().saturating_sub(before);
    assert!(left <= most, "{left} bytes are left on a pool");
}
