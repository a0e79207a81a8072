//! How a pool ends: when its last handle is dropped, and by `shutdown`.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::support::engine::{drain, is_disconnected, small};
use pushpull::{Error, Pool, ShutdownOutcome, Thread};
use pushpull_testing::guard::{Dropped, Guard, guard};
use pushpull_testing::watchdog::within;

fn is_shut_down(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionAborted && Error::of(error).is_some_and(Error::is_shut_down)
}

thread_local! {
    /// A guard that is dropped with the worker's thread.
    static WITH_THREAD: RefCell<Option<Guard>> = const { RefCell::new(None) };
}

/// Returns a handle that reports when a worker of the pool has ended.
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
fn shutdown_ends_programs_as_if_their_readers_were_dropped() {
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
        assert!(!pool.shutdown(Duration::ZERO).wait().is_complete());
        assert!(told.recv().unwrap());
        dropped.wait();
        let (bytes, end) = drain(endless);
        assert!(b"again".repeat(100).starts_with(&[&first[..], &bytes].concat()));
        assert!(is_shut_down(&end.unwrap()), "the reader does not receive the reason");
        assert_eq!(read.recv().unwrap(), (b"abc".to_vec(), true));
        assert!(is_shut_down(&fed.finish().unwrap_err()));
        let (bytes, end) = drain(not_started);
        assert!(bytes.is_empty() && is_shut_down(&end.unwrap()));
        // A later bridge is refused too, and so is a bridge from another handle.
        assert!(is_shut_down(&pool.clone().chunk_size(9).pull(|_| Ok(())).next().unwrap().unwrap_err()));
        let mut feed = pool.push(|_| Ok(()));
        assert!(is_shut_down(&feed.finish_after_write()));
        assert!(pool.shutdown(Duration::MAX).wait().is_complete(), "some programs are left");
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
fn shutdown_lets_programs_finish_in_time() {
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
        assert!(pool.shutdown(Duration::MAX).wait().is_complete());
        let (bytes, end) = puller.join().unwrap();
        assert_eq!(bytes, 900);
        assert!(end.is_none());
        assert!(pool.shutdown(Duration::ZERO).wait().is_complete());
    });
}

#[test]
fn shutdown_closes_a_program_that_computes_without_waiting_for_it() {
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
        let _ = pool.shutdown(Duration::ZERO).wait();
        tells.recv().unwrap();
        assert!(is_shut_down(&chunks.next().unwrap().unwrap_err()));
        assert!(pool.shutdown(Duration::MAX).wait().is_complete());
    });
}

#[test]
fn a_program_may_shut_down_its_own_pool() {
    within(|| {
        let pool = small(1);
        let own = pool.clone();
        let (bytes, end) = drain(pool.pull(move |w| {
            w.write_all(b"x")?;
            // The program itself does not end in time.
            assert!(!own.shutdown(Duration::from_millis(10)).wait().is_complete());
            assert!(w.is_closed());
            Ok(())
        }));
        assert_eq!(bytes, b"x");
        assert!(is_shut_down(&end.unwrap()));
        assert!(pool.shutdown(Duration::MAX).wait().is_complete());
    });
}

#[test]
fn shutdown_races_with_pulls() {
    within(|| {
        for round in 0..200 {
            let pool = small(2);
            let ended = Arc::new(AtomicUsize::new(0));
            let pullers: Vec<_> = (0..3)
                .map(|_| {
                    let (pool, ended) = (pool.clone(), ended.clone());
                    thread::spawn(move || {
                        // Until the pool is shut down. No pull hangs.
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
            let _ = pool.shutdown(Duration::ZERO).wait();
            pullers.into_iter().for_each(|puller| puller.join().unwrap());
            assert_eq!(ended.load(SeqCst), 3);
            assert!(pool.shutdown(Duration::MAX).wait().is_complete());
        }
    });
}

/// No accepted byte is lost, and no refused byte arrives, also if the pool is shut down in the middle of a write.
#[test]
fn law_1_what_was_accepted_before_a_shutdown_arrives_and_no_more() {
    within(|| {
        for round in 0..1000_usize {
            // Small writes that share a segment, and writes that are each a chunk of their own, on both paths.
            let (chunk_size, len) = [(32 << 10, 1), (1, 1), (64, 100), (64, 3)][round % 4];
            let pool = Pool::new(1);
            let accepted = Arc::new(AtomicUsize::new(0));
            let count = accepted.clone();
            let mut chunks = pool.clone().chunk_size(chunk_size).capacity(1 << 30).pull(move |w| {
                loop {
                    count.fetch_add(w.write(&[7; 100][..len])?, SeqCst);
                }
            });
            let mut arrived = chunks.next().unwrap().unwrap().len();
            (0..round % 500).for_each(|_| std::hint::spin_loop());
            let _ = pool.shutdown(Duration::ZERO).wait();
            assert!(pool.shutdown(Duration::MAX).wait().is_complete());
            let (rest, end) = drain(chunks);
            arrived += rest.len();
            assert!(is_shut_down(&end.unwrap()));
            assert_eq!(arrived, accepted.load(SeqCst), "{chunk_size} {len}");
        }
    });
}

/// The executor that awaits the shutdown has no clock. The program computes, and only the timeout ends the wait.
#[test]
fn law_7_an_awaited_shutdown_ends_at_its_timeout() {
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let pool = Pool::new(1);
    let mut busy = pool.pull(move |w| {
        w.write_all(b"begun")?;
        w.flush()?;
        let _ = wait.recv();
        Ok(())
    });
    assert_eq!(busy.next().unwrap().unwrap(), "begun");
    assert_eq!(pollster::block_on(pool.shutdown(Duration::from_millis(5))), ShutdownOutcome::TimedOut);
    drop(done);
    assert_eq!(pollster::block_on(pool.shutdown(Duration::MAX)), ShutdownOutcome::Complete);
}
