//! What is `Pool`'s own: nesting on few workers, turns, placement, shutdown.

mod support;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Read, Write};
use std::panic;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock};
use std::thread::{self, ThreadId};
use std::time::Duration;

use bytes::Bytes;
use pushpull::{Chunks, Error, Local, Pool, Thread, local, pipe};
use support::engine::{drain, is_disconnected};
use support::guard::{Dropped, Guard, guard};
use support::watchdog::within;

fn is_shut_down(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionAborted && Error::of(error).is_some_and(Error::is_shut_down)
}

/// Small chunks, so that everybody waits for everybody all the time.
fn small(workers: usize) -> Pool {
    Pool::new(workers).chunk_size(4).capacity(8)
}

/// A program that says which worker runs it.
fn tell_worker(tell: Sender<ThreadId>) -> impl FnOnce(&mut pushpull::Writer) -> io::Result<()> + Send {
    move |_| {
        tell.send(thread::current().id()).unwrap();
        Ok(())
    }
}

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
            // Three programs of one worker, each of which waits for the next.
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

/// What goes wrong in a bridge of several levels, and where.
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
    /// Returns early, and so drops what is nested in it.
    Leaves,
}

impl Trouble {
    /// To be called at each chunk; false when the level is to leave.
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

/// Moves chunks one level up, with the level's own trouble.
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

/// Pool, in it Local, in it Local, in it Pool again.
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
                    // Some hosts go in the middle, too.
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
                    (kind, end) => panic!("{kind:?} was told as {end:?}"),
                }
            }
        }
    });
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
                // All that were there before wait now, and others still find the two free.
                let (tell, told) = channel();
                drop(drain(pool.pull(tell_worker(tell))));
                told.recv().unwrap()
            })
            .collect();
        assert!(workers.len() <= 2);
    });
}

/// Runs `busy` on the only worker of a pool, behind which another program waits for its turn. `busy` begins when the other
/// is there. Says whether the other had its turn before `busy` had come to its end.
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
    // Launches it, and does not wait for its turn.
    let timed_out = other.next_timeout(Duration::ZERO).unwrap().unwrap_err();
    assert!(Error::of(&timed_out).unwrap().is_timed_out());
    other_is_there.store(true, SeqCst);
    let gave_way = told.recv().unwrap();
    puller.join().unwrap();
    gave_way
}

#[test]
fn law_13_a_program_that_is_never_held_gives_way() {
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
        // One that pulls what is always there.
        let (mut writer, chunks) = pipe(1 << 30);
        (0..1000).for_each(|_| writer.write_bytes(Bytes::from_static(b"x")).unwrap());
        writer.finish().unwrap();
        assert!(gives_way(|_| chunks.into_iter().try_for_each(|chunk| chunk.map(drop))), "pulled chunks");
        let (mut writer, chunks) = pipe(1 << 30);
        (0..64).for_each(|_| writer.write_all(&[7; 1 << 20]).unwrap());
        writer.finish().unwrap();
        assert!(gives_way(move |_| io::copy(&mut chunks.into_reader(), &mut io::sink()).map(drop)), "read bytes");
        assert!(!gives_way(|w| w.write_all(b"a few bytes")), "a program without much to say is not interrupted");
    });
}

#[test]
fn a_program_that_blocks_is_told_in_the_stats() {
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
        assert!(chunks.stats().longest_run >= block);
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
                    // Not `Send`, and no matter: it never leaves.
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
        // Each is launched when the ones before it wait, so that those that live decide.
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
fn a_new_program_goes_where_nobody_can_go_on() {
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
            assert_ne!(told.recv().unwrap(), held_up, "a program was put behind one that runs");
        }
        release.send(()).unwrap();
        busy.join().unwrap();
    });
}

#[test]
fn law_7_what_waits_for_anything_inside_a_program_wakes() {
    within(|| {
        let pool = small(1);
        // For an inner bridge that never gives anything, directly or inside a local one.
        for nested in [false, true] {
            let (_inner_writer, mut inner) = pipe(64);
            let (own, dropped) = guard();
            let (tell, told) = channel();
            let mut outer = pool.pull(move |w| {
                let _own = own;
                w.write_all(b"wait")?;
                w.flush()?;
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
        // For a feed's verdict that never comes, because its program waits for ever itself.
        let (_writer, mut never) = pipe(1);
        let inner = pool.clone();
        let (own, dropped) = guard();
        let mut outer = pool.pull(move |w| {
            let _own = own;
            let feed = inner.push(move |_| never.next().unwrap().map(drop));
            w.write_all(b"wait")?;
            w.flush()?;
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
            // In what the program owns.
            let panics = Panics;
            drop(drain(pool.pull(move |w| {
                let _panics = panics;
                w.write_all(b"x")
            })));
            // In a result that nobody waits for.
            let (go, wait) = pipe(1);
            let mut feed = pool.push(move |_| {
                wait.for_each(drop);
                Ok(Panics)
            });
            feed.write_all(b"x").unwrap();
            drop(feed);
            drop(go);
            // In a program that is refused.
            let mut chunks =
                pool.pull(|w| w.write_all(&[7; 100]).or_else(|_| panic::resume_unwind(Box::new("refused"))));
            chunks.next().unwrap().unwrap();
            chunks.join();
        }
        assert_eq!(worker(&pool), before);
    });
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

thread_local! {
    /// Something that goes with the worker's thread.
    static WITH_THREAD: RefCell<Option<Guard>> = const { RefCell::new(None) };
}

/// Tells when the worker that runs this program has ended.
fn watch_worker(pool: &Pool) -> Dropped {
    let (own, dropped) = guard();
    let mut chunks = pool.pull(move |w| {
        WITH_THREAD.set(Some(own));
        w.write_all(b"set")
    });
    assert_eq!(chunks.next().unwrap().unwrap(), "set");
    dropped
}

#[test]
fn dropping_the_last_handle_lets_programs_finish_and_leaks_no_worker() {
    within(|| {
        let pool = small(1);
        let worker = watch_worker(&pool);
        let mut running = pool.pull(|w| (0..100).try_for_each(|n| write!(w, "{n},")));
        let first = running.next().unwrap().unwrap();
        let not_started = pool.pull(|w| w.write_all(b"later"));
        drop(pool);
        let (rest, end) = drain(running);
        assert!(end.is_none());
        let expected: String = (0..100).map(|n| format!("{n},")).collect();
        assert_eq!([&first[..], &rest].concat(), expected.as_bytes());
        assert!(!worker.is_gone(), "a bridge that has not started keeps the pool");
        assert_eq!(drain(not_started).0, b"later");
        worker.wait();
    });
}

#[test]
fn a_program_may_hold_the_last_handle() {
    within(|| {
        let pool = small(1);
        let worker = watch_worker(&pool);
        let inner = pool.clone();
        let chunks =
            pool.pull(move |w| inner.pull(|w| w.write_all(b"inner")).try_for_each(|chunk| w.write_bytes(chunk?)));
        drop(pool);
        assert_eq!(drain(chunks).0, b"inner");
        worker.wait();
    });
}

#[test]
fn shutdown_ends_programs_as_if_their_pullers_had_gone() {
    within(|| {
        let pool = small(2);
        let worker = watch_worker(&pool);
        let (own, dropped) = guard();
        let (tell, told) = channel();
        let mut endless = pool.pull(move |w| {
            let _own = own;
            let error = loop {
                if let Err(error) = w.write_all(b"again") {
                    break error;
                }
            };
            tell.send(is_disconnected(&error) && w.is_closed()).unwrap();
            Err(error)
        });
        let first = endless.next().unwrap().unwrap();
        let (tell, read) = channel();
        let (begun, begins) = channel();
        let mut fed = pool.push(move |r| {
            begun.send(()).unwrap();
            let mut bytes = Vec::new();
            let error = r.read_to_end(&mut bytes).unwrap_err();
            tell.send((bytes, is_shut_down(&error))).unwrap();
            Err::<(), _>(error)
        });
        fed.write_all(b"abc").unwrap();
        begins.recv().unwrap();
        let not_started = pool.pull(|w| w.write_all(b"never"));
        assert!(!pool.shutdown(Duration::ZERO));
        assert!(told.recv().unwrap());
        dropped.wait();
        let (bytes, end) = drain(endless);
        assert!(b"again".repeat(100).starts_with(&[&first[..], &bytes].concat()));
        assert!(is_shut_down(&end.unwrap()), "the puller is told why");
        assert_eq!(read.recv().unwrap(), (b"abc".to_vec(), true));
        assert!(is_shut_down(&fed.finish().unwrap_err()));
        let (bytes, end) = drain(not_started);
        assert!(bytes.is_empty() && is_shut_down(&end.unwrap()));
        // What is made now is refused too, and so is what another handle makes.
        assert!(is_shut_down(&pool.clone().chunk_size(9).pull(|_| Ok(())).next().unwrap().unwrap_err()));
        let mut feed = pool.push(|_| Ok(()));
        assert!(is_shut_down(&feed.finish_after_write()));
        assert!(pool.shutdown(Duration::MAX), "all are gone");
        worker.wait();
    });
}

trait FinishAfterWrite {
    fn finish_after_write(self) -> io::Error;
}

impl FinishAfterWrite for &mut pushpull::Feed<()> {
    fn finish_after_write(self) -> io::Error {
        assert_eq!(self.write_all(b"x").unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        std::mem::replace(self, Thread::new().push(|_| Ok(()))).finish().unwrap_err()
    }
}

#[test]
fn shutdown_lets_those_finish_that_do_so_in_time() {
    within(|| {
        let pool = small(1);
        let chunks = pool.pull(|w| (0..100).try_for_each(|_| w.write_all(b"all of it")));
        let (started, starts) = channel();
        let puller = thread::spawn(move || {
            let mut chunks = chunks;
            let first = chunks.next().unwrap().unwrap();
            started.send(()).unwrap();
            let (rest, end) = drain(chunks);
            (first.len() + rest.len(), end)
        });
        starts.recv().unwrap();
        assert!(pool.shutdown(Duration::MAX));
        let (bytes, end) = puller.join().unwrap();
        assert_eq!(bytes, 900);
        assert!(end.is_none());
        assert!(pool.shutdown(Duration::ZERO));
    });
}

#[test]
fn shutdown_does_not_wait_for_a_program_that_computes_but_tells_it() {
    within(|| {
        let pool = Pool::new(1);
        let (told, tells) = channel();
        let (begun, begins) = channel();
        let mut chunks = pool.pull(move |w| {
            w.write_all(b"x")?;
            begun.send(()).unwrap();
            while !w.is_closed() {
                thread::yield_now();
            }
            told.send(()).unwrap();
            Ok(())
        });
        chunks.next().unwrap().unwrap();
        begins.recv().unwrap();
        pool.shutdown(Duration::ZERO);
        tells.recv().unwrap();
        assert!(is_shut_down(&chunks.next().unwrap().unwrap_err()));
        assert!(pool.shutdown(Duration::MAX));
    });
}

#[test]
fn a_wait_with_a_limit_inside_a_program_ends_in_time_and_holds_up_nobody() {
    within(|| {
        let pool = small(1);
        let (mut writer, mut never) = pipe(64);
        let (tell, told) = channel();
        let mut waits = pool.pull(move |w| {
            let error = never.next_timeout(Duration::from_millis(50)).unwrap().unwrap_err();
            tell.send(Error::of(&error).unwrap().is_timed_out()).unwrap();
            // And what comes in time comes.
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
fn a_program_may_shut_down_its_own_pool() {
    within(|| {
        let pool = small(1);
        let own = pool.clone();
        let (bytes, end) = drain(pool.pull(move |w| {
            w.write_all(b"x")?;
            // It is itself one that does not end in time.
            assert!(!own.shutdown(Duration::from_millis(10)));
            assert!(w.is_closed());
            Ok(())
        }));
        assert_eq!(bytes, b"x");
        assert!(is_shut_down(&end.unwrap()));
        assert!(pool.shutdown(Duration::MAX));
    });
}

#[test]
fn shutdown_races_with_those_who_pull() {
    within(|| {
        for round in 0..200 {
            let pool = small(2);
            let ended = Arc::new(AtomicUsize::new(0));
            let pullers: Vec<_> = (0..3)
                .map(|_| {
                    let (pool, ended) = (pool.clone(), ended.clone());
                    thread::spawn(move || {
                        // Until the pool is shut down, and none of them hangs.
                        loop {
                            let (_, end) = drain(pool.pull(|w| w.write_all(b"a few chunks of it")));
                            if end.is_some_and(|end| is_shut_down(&end)) {
                                break;
                            }
                        }
                        ended.fetch_add(1, SeqCst);
                    })
                })
                .collect();
            if round % 2 == 0 {
                thread::yield_now();
            }
            pool.shutdown(Duration::ZERO);
            pullers.into_iter().for_each(|puller| puller.join().unwrap());
            assert_eq!(ended.load(SeqCst), 3);
            assert!(pool.shutdown(Duration::MAX));
        }
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
                // Suspends until the other program, on the same worker, is gone.
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
fn a_wake_up_for_a_program_that_has_ended_wakes_nobody_else() {
    within(|| {
        let pool = small(1);
        let (mut writer, mut kept) = pipe(1);
        let away: Arc<std::sync::Mutex<Option<Chunks>>> = Arc::default();
        let keep = away.clone();
        // Leaves its waker with the pipe and is unwound there; then its place is taken by another.
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
            // The inner program writes to the outer, pooled writer: the wait suspends both.
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
fn all_of_it_may_be_sent() {
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
#[should_panic(expected = "`Pool::new(0)`")]
fn a_pool_without_workers_is_a_mistake() {
    let _ = Pool::new(0);
}
