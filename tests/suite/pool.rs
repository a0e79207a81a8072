//! What only `Pool` has: turns, placement, waits and wake-ups of programs.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::panic;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::support::engine::{drain, is_disconnected, small};
use bytes::Bytes;
use pushpull::{Chunks, Error, Local, Pool, Thread, local, pipe};
use pushpull_testing::guard::guard;
use pushpull_testing::watchdog::within;

/// Returns a program that reports its worker.
fn tell_worker(tell: Sender<ThreadId>) -> impl FnOnce(&mut pushpull::Writer) -> io::Result<()> + Send {
    move |_| {
        tell.send(thread::current().id()).unwrap();
        Ok(())
    }
}

#[test]
fn many_more_programs_than_workers_take_turns() {
    within(|| {
        for workers in [1, 2, 3] {
            let pool = small(workers);
            let mut bridges: Vec<_> = (0..500_u32)
                .map(|n| pool.pull(move |w| (0..20).try_for_each(|round| write!(w, "{n}:{round};"))))
                .collect();
            let mut came = vec![Vec::new(); bridges.len()];
            let mut ended = 0;
            while ended < bridges.len() {
                ended = 0;
                for (chunks, came) in bridges.iter_mut().zip(&mut came) {
                    match chunks.next() {
                        Some(chunk) => came.extend_from_slice(&chunk.unwrap()),
                        None => ended += 1,
                    }
                }
            }
            for (n, came) in came.into_iter().enumerate() {
                let expected: String = (0..20).map(|round| format!("{n}:{round};")).collect();
                assert_eq!(String::from_utf8(came).unwrap(), expected);
            }
        }
    });
}

#[test]
fn law_12_a_waiting_program_holds_no_thread() {
    within(|| {
        let pool = small(2);
        let mut bridges: Vec<_> =
            (0..1000).map(|_| pool.pull(|w| (0..100).try_for_each(|_| w.write_all(b"again")))).collect();
        let workers: HashSet<ThreadId> = bridges
            .iter_mut()
            .map(|chunks| {
                assert!(chunks.next().is_some());
                // All earlier programs wait now, and both workers are free for others.
                let (tell, told) = channel();
                drop(drain(pool.pull(tell_worker(tell))));
                told.recv().unwrap()
            })
            .collect();
        assert!(workers.len() <= 2);
    });
}

/// Runs `busy` on the only worker of a pool, while another program waits for its turn. `busy` starts when the other
/// program is queued. Returns `true` if the other program ran before `busy` ended.
fn gives_way(busy: impl FnOnce(&mut pushpull::Writer) -> io::Result<()> + Send + 'static) -> bool {
    let pool = Pool::new(1).capacity(1 << 30);
    let other_is_there = Arc::new(AtomicBool::new(false));
    let other_ran = Arc::new(AtomicBool::new(false));
    let (is_there, ran) = (other_is_there.clone(), other_ran.clone());
    let (tell, told) = channel();
    let (begun, begins) = channel();
    let mut chunks = pool.pull(move |w| {
        begun.send(()).unwrap();
        while !is_there.load(SeqCst) {
            thread::yield_now();
        }
        busy(w)?;
        tell.send(ran.load(SeqCst)).unwrap();
        Ok(())
    });
    let puller = thread::spawn(move || chunks.by_ref().for_each(|chunk| drop(chunk.unwrap())));
    begins.recv().unwrap();
    let mut other = pool.pull(move |_| {
        other_ran.store(true, SeqCst);
        Ok(())
    });
    // Launches the program, and does not wait for its turn.
    let timed_out = other.next_timeout(Duration::ZERO).unwrap().unwrap_err();
    assert!(Error::of(&timed_out).unwrap().is_timed_out());
    other_is_there.store(true, SeqCst);
    let gave_way = told.recv().unwrap();
    puller.join().unwrap();
    gave_way
}

#[test]
fn law_13_a_program_that_never_waits_yields() {
    within(|| {
        assert!(gives_way(|w| (0..64).try_for_each(|_| w.write_all(&[7; 1 << 20]))), "large writes");
        assert!(gives_way(|w| (0..1 << 20).try_for_each(|_| w.write_all(&[7; 16]))), "small writes");
        assert!(gives_way(|w| (0..1000).try_for_each(|_| w.write_bytes(Bytes::from_static(b"x")))), "ready chunks");
        assert!(
            gives_way(|w| (0..1000).try_for_each(|_| {
                w.write_all(b"x")?;
                w.flush()
            })),
            "flushes"
        );
        // A program that pulls chunks which are always ready.
        let (mut writer, chunks) = pipe(1 << 30);
        (0..1000).for_each(|_| writer.write_bytes(Bytes::from_static(b"x")).unwrap());
        writer.finish().unwrap();
        assert!(gives_way(|_| chunks.into_iter().try_for_each(|chunk| chunk.map(drop))), "pulled chunks");
        let (mut writer, chunks) = pipe(1 << 30);
        (0..64).for_each(|_| writer.write_all(&[7; 1 << 20]).unwrap());
        writer.finish().unwrap();
        assert!(gives_way(move |_| io::copy(&mut chunks.into_reader(), &mut io::sink()).map(drop)), "read bytes");
        assert!(!gives_way(|w| w.write_all(b"a few bytes")), "a program that writes little yields");
    });
}

/// Hands over `row` chunks, and one more when the reader sleeps. The other program of the worker waits for that chunk.
fn is_woken_before_the_others_turn(row: usize) {
    let pool = Pool::new(1);
    let (mut out, mut chunks) = pipe(1 << 20);
    let (go, gone) = channel();
    let (told, other_told) = channel();
    let puller = thread::spawn(move || {
        // A peak of bytes in flight that no later chunk exceeds.
        assert_eq!(chunks.next().unwrap().unwrap().len(), 10_000);
        gone.recv().unwrap();
        chunks.by_ref().take(row).for_each(|chunk| assert_eq!(chunk.unwrap(), "x"));
        assert_eq!(chunks.next().unwrap().unwrap(), "y");
        told.send(()).unwrap();
    });
    let (mut begin, mut begun) = pipe(1 << 20);
    let mut other = pool.pull(move |_| {
        begun.next();
        other_told.recv().map_err(io::Error::other)
    });
    // Launches the program, and does not wait for its turn.
    assert!(other.next_timeout(Duration::ZERO).unwrap().is_err());
    let mut program = pool.pull(move |_| {
        let until = |reached: &dyn Fn() -> bool| {
            while !reached() {
                thread::yield_now();
            }
        };
        out.write_bytes(vec![7; 10_000].into())?;
        until(&|| out.stats().bytes == 10_000);
        (0..row).try_for_each(|_| out.write_bytes("x".into()))?;
        let waits = out.stats().puller_waits;
        go.send(()).unwrap();
        until(&|| out.stats().bytes == 10_000 + row as u64 && out.stats().puller_waits > waits);
        // The reader checks once more between the count and its sleep. If it checks after this sleep, the run proves
        // nothing.
        thread::sleep(Duration::from_millis(1));
        begin.write_bytes("go".into())?;
        out.write_bytes("y".into())
    });
    assert!(program.next().is_none() && other.next().is_none());
    puller.join().unwrap();
}

#[test]
fn law_5_a_sleeping_reader_is_woken_before_its_writers_turn_ends() {
    // The last of these chunks ends the turn.
    within(|| (57..62).for_each(is_woken_before_the_others_turn));
}

#[test]
fn the_stats_report_a_program_that_blocks() {
    within(|| {
        let block = Duration::from_millis(30);
        let mut chunks = Pool::new(1).capacity(4).pull(move |w| {
            thread::sleep(block);
            w.write_all(b"four and more")
        });
        let mut bytes = 0;
        for chunk in chunks.by_ref() {
            bytes += chunk.unwrap().len();
        }
        assert_eq!(bytes, 13);
        // The turn is measured when it has ended, which may be after the last byte.
        while chunks.stats().longest_run < block {
            thread::yield_now();
        }
        let mut chunks = Thread::new().pull(|w| w.write_all(b"x"));
        chunks.by_ref().for_each(drop);
        assert_eq!(chunks.stats().longest_run, Duration::ZERO);
        let mut chunks = Local::new().pull(|w| w.write_all(b"x"));
        chunks.by_ref().for_each(drop);
        assert_eq!(chunks.stats().longest_run, Duration::ZERO);
    });
}

#[test]
fn a_program_stays_on_its_worker_and_workers_share_the_programs() {
    within(|| {
        let pool = small(3);
        let (tell, told) = channel::<(usize, ThreadId)>();
        let mut bridges: Vec<_> = (0..30)
            .map(|n| {
                let tell = tell.clone();
                pool.pull(move |w| {
                    // Need not be `Send`, because it never leaves its worker.
                    let here = Rc::new(thread::current().id());
                    for _ in 0..20 {
                        w.write_all(b"across many waits")?;
                        assert_eq!(*here, thread::current().id());
                    }
                    tell.send((n, *here)).unwrap();
                    Ok(())
                })
            })
            .collect();
        // Each program is launched when the earlier ones wait, so that the number of live programs decides.
        for chunks in &mut bridges {
            chunks.next().unwrap().unwrap();
            while format!("{pool:?}").matches("runnable: 0").count() < 3 {
                thread::yield_now();
            }
        }
        bridges.into_iter().for_each(|chunks| drop(drain(chunks)));
        drop(tell);
        let mut programs: HashMap<ThreadId, usize> = HashMap::new();
        told.iter().for_each(|(_, worker)| *programs.entry(worker).or_default() += 1);
        assert_eq!(programs.into_values().collect::<Vec<_>>(), [10, 10, 10]);
    });
}

#[test]
fn a_new_program_is_placed_on_a_worker_with_no_runnable_program() {
    within(|| {
        let pool = Pool::new(2);
        let (release, held) = channel::<()>();
        let (tell, told) = channel();
        let told_busy = tell.clone();
        let mut busy = pool.pull(move |w| {
            told_busy.send(thread::current().id()).unwrap();
            held.recv().unwrap();
            w.write_all(b"x")
        });
        let busy = thread::spawn(move || drop(busy.next()));
        let held_up = told.recv().unwrap();
        for _ in 0..20 {
            let tell = tell.clone();
            let mut chunks = pool.pull(tell_worker(tell));
            assert!(chunks.next().is_none());
            chunks.join();
            assert_ne!(told.recv().unwrap(), held_up, "the program was placed behind a running one");
        }
        release.send(()).unwrap();
        busy.join().unwrap();
    });
}

#[test]
fn law_7_every_wait_inside_a_pooled_program_wakes() {
    within(|| {
        let pool = small(1);
        // A wait for an inner bridge that has no bytes, directly or inside a local bridge.
        for nested in [false, true] {
            let (_inner_writer, mut inner) = pipe(64);
            let (own, dropped) = guard();
            let (tell, told) = channel();
            let mut outer = pool.pull(move |w| {
                let _own = own;
                // Its reader may have been dropped before the flush.
                w.write_all(b"wait")?;
                let _ = w.flush();
                let error = if nested {
                    let local = Local::new().pull(move |_| Err(inner.next().unwrap().unwrap_err()));
                    local.into_iter().next().unwrap().unwrap_err()
                } else {
                    inner.next().unwrap().unwrap_err()
                };
                tell.send(is_disconnected(&error)).unwrap();
                Ok(())
            });
            outer.next().unwrap().unwrap();
            drop(outer);
            assert!(told.recv().unwrap());
            dropped.wait();
        }
        // A wait for the result of a feed whose program waits forever.
        let (_writer, mut never) = pipe(1);
        let inner = pool.clone();
        let (own, dropped) = guard();
        let mut outer = pool.pull(move |w| {
            let _own = own;
            let feed = inner.push(move |_| never.next().unwrap().map(drop));
            w.write_all(b"wait")?;
            let _ = w.flush();
            assert!(is_disconnected(&feed.finish().unwrap_err()));
            Ok(())
        });
        outer.next().unwrap().unwrap();
        outer.join();
        dropped.wait();
    });
}

#[test]
fn law_8_a_worker_survives_whatever_panics() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic::resume_unwind(Box::new("in a destructor"));
        }
    }
    within(|| {
        let pool = small(1);
        let worker = |pool: &Pool| {
            let (tell, told) = channel();
            drop(drain(pool.pull(tell_worker(tell))));
            told.recv().unwrap()
        };
        let before = worker(&pool);
        for _ in 0..10 {
            drop(drain(pool.pull(|_| panic::resume_unwind(Box::new("at once")))));
            // In a value that the program owns.
            let panics = Panics;
            drop(drain(pool.pull(move |w| {
                let _panics = panics;
                w.write_all(b"x")
            })));
            // In a result that no one reads.
            let (go, wait) = pipe(1);
            let mut feed = pool.push(move |_| {
                wait.for_each(drop);
                Ok(Panics)
            });
            feed.write_all(b"x").unwrap();
            drop(feed);
            drop(go);
            // In a program whose writes are refused.
            let mut chunks =
                pool.pull(|w| w.write_all(&[7; 100]).or_else(|_| panic::resume_unwind(Box::new("refused"))));
            chunks.next().unwrap().unwrap();
            chunks.join();
        }
        assert_eq!(worker(&pool), before);
    });
}

#[test]
fn law_8_a_destructor_that_panics_ends_in_the_bridge() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic::resume_unwind(Box::new("in a destructor"));
        }
    }
    within(|| {
        let pool = small(1);
        // A value that is ready when the feed is dropped.
        let mut feed = pool.push(|r| io::copy(r, &mut io::sink()).map(|_| Panics));
        feed.write_all(b"x").unwrap();
        feed.abort(io::ErrorKind::Other.into());
        let mut feed = pool.push(|_| Ok(Panics));
        while feed.write_all(b"x").is_ok() {}
        drop(feed);
        // A panic's payload and a chunk that are ready when the chunks are dropped, also if nothing else of the program
        // is left.
        for started in [1, 2] {
            let mut chunks = pool.pull(|w| {
                w.write_bytes(Bytes::from_owner(Owner(Panics)))?;
                panic::resume_unwind(Box::new(Panics))
            });
            chunks.head().wait().unwrap();
            if started == 2 {
                pool.pull(|_| Ok(())).join();
            }
            drop(chunks);
        }
        assert!(drain(pool.pull(|w| w.write_all(b"it goes on"))).1.is_none());
    });

    struct Owner(#[allow(dead_code, reason = "it is dropped")] Panics);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            b"a chunk"
        }
    }
}

#[test]
fn a_pool_lives_in_a_static() {
    static POOL: LazyLock<Pool> = LazyLock::new(|| Pool::new(2).chunk_size(4).name("static"));
    within(|| {
        let threads: Vec<_> = (0..4)
            .map(|n| thread::spawn(move || drain(POOL.pull(move |w| (0..100).try_for_each(|_| write!(w, "{n}")))).0))
            .collect();
        for (n, thread) in threads.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap(), n.to_string().repeat(100).into_bytes());
        }
        let small = Pool::global().clone().chunk_size(2);
        assert_eq!(small.pull(|w| w.write_all(b"12345")).count(), 1, "one write is one chunk");
        assert!(small.workers() >= 1);
        assert!(Pool::global().pull(|w| w.write_all(b"12345")).next().is_some());
    });
}

#[test]
fn a_timed_wait_inside_a_program_ends_in_time_and_frees_the_worker() {
    within(|| {
        let pool = small(1);
        let (mut writer, mut never) = pipe(64);
        let (tell, told) = channel();
        let mut waits = pool.pull(move |w| {
            let error = never.next_timeout(Duration::from_millis(50)).unwrap().unwrap_err();
            tell.send(Error::of(&error).unwrap().is_timed_out()).unwrap();
            // A chunk that arrives in time is returned.
            w.write_bytes(never.next_timeout(Duration::from_secs(1000)).unwrap()?)
        });
        let puller = thread::spawn(move || waits.next().unwrap().unwrap());
        let (bytes, _) = drain(pool.pull(|w| w.write_all(b"the worker is free")));
        assert_eq!(bytes, b"the worker is free");
        assert!(told.recv().unwrap());
        writer.write_all(b"come").unwrap();
        assert_eq!(puller.join().unwrap(), "come");
    });
}

#[test]
fn a_closed_bridge_is_dropped_in_a_program_of_the_same_pool() {
    within(|| {
        let pool = small(1);
        let inner_pool = pool.clone();
        let (bytes, end) = drain(pool.pull(move |w| {
            for pulls in 0..5 {
                let (own, dropped) = guard();
                let mut inner = inner_pool.pull(move |w| {
                    let _own = own;
                    loop {
                        w.write_all(b"again")?;
                    }
                });
                inner.by_ref().take(pulls).for_each(|chunk| drop(chunk.unwrap()));
                // Suspends until the other program, on the same worker, has ended.
                inner.join();
                assert!(dropped.is_gone());
            }
            w.write_all(b"done")
        }));
        assert!(end.is_none(), "{end:?}");
        assert_eq!(bytes, b"done");
    });
}

#[test]
fn a_wake_up_for_an_ended_program_wakes_no_other() {
    within(|| {
        let pool = small(1);
        let (mut writer, mut kept) = pipe(1);
        let away: Arc<std::sync::Mutex<Option<Chunks>>> = Arc::default();
        let keep = away.clone();
        // The program leaves its waker with the pipe and is unwound; then another program takes its place.
        let mut chunks = pool.pull(move |w| {
            w.write_all(b"wait")?;
            w.flush()?;
            let waited = kept.next().unwrap().map(drop);
            *keep.lock().unwrap() = Some(kept);
            waited
        });
        chunks.next().unwrap().unwrap();
        chunks.join();
        let mut next = pool.pull(|w| (0..10).try_for_each(|_| w.write_all(b"next")));
        assert!(next.next().is_some());
        let _ = writer.write_all(b"x");
        drop((writer, away));
        assert_eq!(drain(next).0.len() % 4, 0);
    });
}

#[test]
fn a_local_writer_may_be_driven_from_inside_a_pooled_one() {
    within(|| {
        let pool = small(1);
        let (bytes, end) = drain(pool.pull(|w| {
            // The inner program writes to the writer of the outer, pooled program. The wait suspends both.
            let mut tally = 0;
            Local::new().pull_scoped(
                |inner: &mut local::Writer| {
                    for _ in 0..50 {
                        w.write_all(b"outer")?;
                        inner.write_all(b"inner")?;
                    }
                    Ok(())
                },
                |chunks| chunks.for_each(|chunk| tally += chunk.unwrap().len()),
            );
            assert_eq!(tally, 250);
            Ok(())
        }));
        assert!(end.is_none(), "{end:?}");
        assert_eq!(bytes, b"outer".repeat(50));
    });
}

#[test]
fn all_public_types_are_send() {
    fn send<T: Send + Sync + 'static>() {}
    send::<Pool>();
    let pool: Pool = Pool::new(1);
    let (tell, told): (Sender<Vec<u8>>, _) = channel();
    let mut chunks = pool.pull(|w| w.write_all(b"sent"));
    thread::spawn(move || {
        let mut bytes = chunks.next().unwrap().unwrap().to_vec();
        thread::spawn(move || {
            bytes.extend(drain(chunks).0);
            tell.send(bytes).unwrap();
        });
    });
    assert_eq!(told.recv().unwrap(), b"sent");
}

#[test]
#[should_panic(expected = "`workers` must not be zero; for one worker per processor, use `Pool::global()`")]
fn a_pool_without_workers_panics() {
    let _ = Pool::new(0);
}

#[test]
#[should_panic(expected = "`workers` must be at most 65536: each is a thread")]
fn a_pool_with_more_workers_than_threads_panics() {
    let _ = Pool::new(usize::MAX);
}
