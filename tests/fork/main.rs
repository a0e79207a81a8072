//! A process that forks: the child has the parent's memory, but only the thread that forked.
#![cfg(all(unix, not(miri)))]
#![allow(unsafe_code, reason = "fork, and the end of a child, are bare system calls")]
#![cfg(feature = "stream")]

use std::io::{self, Read, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use pushpull::{Budget, Chunks, Error, Local, Pool, Thread, local, pipe};
use pushpull_testing::watchdog::within;

/// The seconds after which an alarm ends a child that hangs.
const PATIENCE: u32 = 60;

/// The number of children that are forked while other threads are busy.
const CHILDREN: usize = if cfg!(debug_assertions) { 200 } else { 2000 };

/// Creates a child process. Returns twice: with `None` in the child.
fn fork() -> Option<libc::pid_t> {
    // SAFETY: that the child can use bridges after `fork` is what this test checks.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: a system call that touches no memory.
            unsafe { libc::alarm(PATIENCE) };
            None
        }
        child => {
            assert!(child > 0, "{}", io::Error::last_os_error());
            Some(child)
        }
    }
}

/// Waits for a child, and returns how it ended.
fn wait(child: libc::pid_t) -> Result<(), &'static str> {
    let mut status = 0;
    // SAFETY: `status` is valid for the write.
    while unsafe { libc::waitpid(child, &raw mut status, 0) } < 0 {
        assert_eq!(io::Error::last_os_error().kind(), io::ErrorKind::Interrupted);
    }
    match status {
        0 => Ok(()),
        status if libc::WIFEXITED(status) => Err("failed"),
        status if libc::WTERMSIG(status) == libc::SIGALRM => Err("hangs"),
        _ => Err("crashed"),
    }
}

/// Runs `test` in a child, and nothing after it.
fn in_child(test: impl FnOnce()) {
    match fork() {
        Some(child) => assert_eq!(wait(child), Ok(())),
        None => {
            let failed = panic::catch_unwind(AssertUnwindSafe(test)).is_err();
            // SAFETY: ends the process at once. An orderly exit would run the parent's exit handlers a second time.
            unsafe { libc::_exit(i32::from(failed)) }
        }
    }
}

fn count(chunks: impl Iterator<Item = io::Result<bytes::Bytes>>) -> usize {
    chunks.map(|chunk| chunk.unwrap().len()).sum()
}

/// Runs a bridge of every kind from beginning to end.
fn bridges(pool: &Pool) {
    let program = |w: &mut dyn Write| (0..100).try_for_each(|_| w.write_all(&[7; 1000]));
    assert_eq!(count(Thread::new().pull(move |w| program(w))), 100_000);
    assert_eq!(count(pool.pull(move |w| program(w))), 100_000);
    assert_eq!(count(Pool::global().pull(move |w| program(w))), 100_000);
    assert_eq!(count(Pool::new(1).pull(move |w| program(w))), 100_000);
    assert_eq!(count(Local::new().pull(move |w| program(w))), 100_000);
    let nested = pool.clone();
    assert_eq!(
        count(pool.pull(move |w| {
            nested
                .pull(move |w| program(w))
                .into_reader()
                .read_to_end(&mut Vec::new())
                .and_then(|n| w.write_all(&[7; 1][..n.min(1)]))
        })),
        1
    );
    let mut feed = Thread::new().push(|r| r.read_to_end(&mut Vec::new()));
    feed.write_all(&[7; 300_000]).unwrap();
    assert_eq!(feed.finish().unwrap(), 300_000);
    let (mut writer, chunks) = pipe(16);
    let puller = thread::spawn(move || count(chunks));
    writer.write_all(&[7; 1000]).unwrap();
    writer.finish().unwrap();
    assert_eq!(puller.join().unwrap(), 1000);
}

#[test]
fn in_a_child_every_engine_runs() {
    within(|| {
        let pool = Pool::new(2).budget(&Budget::new(1 << 20));
        bridges(&pool);
        in_child(|| {
            bridges(&pool);
            in_child(|| bridges(&pool));
            bridges(&pool);
        });
        bridges(&pool);
        // A shutdown completes in the parent, and in a child, which never had the pool's workers.
        assert!(pool.shutdown(Duration::MAX).wait().is_complete());
        in_child(|| {
            let refused = pool.pull(|_| Ok(())).next().unwrap().unwrap_err();
            assert!(Error::of(&refused).unwrap().is_shut_down());
            assert!(pool.shutdown(Duration::MAX).wait().is_complete());
        });
    });
}

/// A lock that another thread holds at the fork stays locked in the child, and its work stays half done.
#[test]
fn locks_of_other_threads_do_not_hang_a_child() {
    within(|| {
        let pool = Pool::new(2).chunk_size(100).capacity(1000).budget(&Budget::new(1 << 20));
        let done = Arc::new(AtomicBool::new(false));
        let others: Vec<_> = (0..3)
            .map(|_| {
                let (pool, done) = (pool.clone(), done.clone());
                thread::spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        bridges(&pool);
                        let mut half = pool.pull(|w| {
                            loop {
                                w.write_all(&[7; 10])?
                            }
                        });
                        half.next().unwrap().unwrap();
                        // A stack size of its own, so that its stacks are mapped and unmapped.
                        drop(
                            Local::new()
                                .stack_size(3 << 16)
                                .pull(|w| {
                                    loop {
                                        w.write_all(&[7; 10])?
                                    }
                                })
                                .next(),
                        );
                    }
                })
            })
            .collect();
        let mut fed = Thread::new().capacity(64).push(|r| io::copy(r, &mut io::sink()));
        for _ in 0..CHILDREN {
            let mut held = pool.pull(|w| {
                loop {
                    w.write_all(&[7; 10])?
                }
            });
            held.next().unwrap().unwrap();
            fed.write_all(&[7; 100]).unwrap();
            match fork() {
                Some(child) => assert_eq!(wait(child), Ok(())),
                None => {
                    let failed = panic::catch_unwind(AssertUnwindSafe(|| {
                        drop(held);
                        let _ = fed.flush();
                        drop(fed);
                        bridges(&pool);
                    }));
                    // SAFETY: as in `in_child`.
                    unsafe { libc::_exit(i32::from(failed.is_err())) }
                }
            }
        }
        done.store(true, Ordering::Relaxed);
        others.into_iter().for_each(|other| other.join().unwrap());
        fed.finish().unwrap();
    });
}

/// Pulls to the end, which must be an error.
fn left_behind(chunks: &mut Chunks) {
    let error = chunks.find_map(Result::err).expect("the bridge has ended well in a child");
    assert!(Error::of(&error).unwrap().is_disconnected());
    assert!(chunks.next().is_none());
}

#[test]
fn a_bridge_that_was_started_stays_with_the_parent() {
    within(|| {
        let pool = Pool::new(1);
        for pooled in [false, true] {
            let program = |w: &mut pushpull::Writer| (0..1000).try_for_each(|_| w.write_all(&[7; 1000]));
            let pull = || match pooled {
                true => pool.pull(program),
                false => Thread::new().pull(program),
            };
            let mut chunks = pull();
            let first = chunks.next().unwrap().unwrap().len();
            let (mut other, mut third, mut fourth) = (pull(), pull(), pull());
            for started in [&mut other, &mut third, &mut fourth] {
                started.next().unwrap().unwrap();
            }
            let late = pull();
            let mut feed = pool.push(|r| r.read_to_end(&mut Vec::new()));
            feed.write_all(b"abc").unwrap();
            let mut dropped = pool.push(|r| r.read_to_end(&mut Vec::new()));
            dropped.write_all(b"abc").unwrap();
            match fork() {
                Some(child) => {
                    assert_eq!(wait(child), Ok(()));
                    assert_eq!(first + count(chunks), 1_000_000);
                    assert_eq!(feed.finish().unwrap(), 3);
                }
                None => {
                    let failed = panic::catch_unwind(AssertUnwindSafe(|| {
                        left_behind(&mut chunks);
                        let _ = (chunks.stats(), chunks.size_hint());
                        let _ = chunks.next_timeout(Duration::from_secs(1));
                        let _ = other.head().wait();
                        other.join();
                        drop(third);
                        assert!(fourth.into_reader().read_to_end(&mut Vec::new()).is_err());
                        let refused = (0..1000).find_map(|_| feed.write_all(&[7; 10_000]).err()).unwrap();
                        assert_eq!(refused.kind(), io::ErrorKind::BrokenPipe);
                        assert_eq!(feed.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
                        drop(dropped);
                        // Nothing of it ran before the fork, so it starts in the child.
                        assert_eq!(count(late), 1_000_000);
                    }));
                    // SAFETY: as in `in_child`.
                    unsafe { libc::_exit(i32::from(failed.is_err())) }
                }
            }
        }
    });
}

/// In the child, no wait of the program blocks a worker or runs the worker's other programs.
#[test]
fn a_program_may_fork() {
    within(|| {
        let pool = Pool::new(1);
        // Suspended in the middle of its output. If the child continued it too, two processes would run it.
        let (tell, told) = channel();
        let mut other = pool.pull(move |w| {
            w.write_all(b"one").and_then(|()| w.flush())?;
            pipe_end(w.closed());
            tell.send(()).unwrap();
            Ok(())
        });
        other.next().unwrap().unwrap();
        let parent = std::process::id();
        let program = move |w: &mut dyn Write| {
            in_child(|| {
                assert_ne!(std::process::id(), parent);
                bridges(Pool::global());
                bridges(&Pool::new(1));
            });
            // A child that continues the program has no reader, and ends with its thread.
            match fork() {
                Some(child) => {
                    assert_eq!(wait(child), Ok(()));
                    w.write_all(b"parent")
                }
                None => {
                    let refused = (0..1000).find_map(|_| w.write_all(&[7; 10_000]).err());
                    refused.map_or(Ok(()), Err)
                }
            }
        };
        assert_eq!(count(Thread::new().pull(move |w| program(w))), 6);
        assert_eq!(count(pool.pull(move |w| program(w))), 6);
        drop(other);
        told.recv().unwrap();
        let mut polled = Local::new().pull(move |w| {
            in_child(|| bridges(Pool::global()));
            w.write_all(b"parent")
        });
        assert_eq!(poll_once(&mut polled), 6);
    });
}

fn pipe_end(closed: pushpull::Closed<'_>) {
    closed.wait();
}

fn poll_once(chunks: &mut local::Chunks) -> usize {
    use std::future::poll_fn;
    use std::pin::Pin;

    use futures_util::Stream;

    pollster::block_on(poll_fn(|context| Pin::new(&mut *chunks).poll_next(context))).unwrap().unwrap().len()
}
