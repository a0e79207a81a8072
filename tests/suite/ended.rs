//! The end hook: it reports the end of each bridge once, on every engine and verb.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use pushpull::{Ended, Local, Outcome, Pool, Thread};
use pushpull_testing::watchdog::within;

/// What a test keeps of a reported end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    engine: &'static str,
    name: Option<String>,
    outcome: Outcome,
    error: Option<io::ErrorKind>,
    bytes: u64,
    chunks: u64,
}

impl Told {
    fn of(ended: &Ended<'_>) -> Told {
        assert!(ended.duration < Duration::from_secs(3600));
        Told {
            engine: ended.engine,
            name: ended.name.map(String::from),
            outcome: ended.outcome,
            error: ended.error.map(io::Error::kind),
            bytes: ended.stats.bytes,
            chunks: ended.stats.chunks,
        }
    }
}

fn told(engine: &'static str, outcome: Outcome, error: Option<io::ErrorKind>, bytes: u64, chunks: u64) -> Told {
    Told { engine, name: Some("told".into()), outcome, error, bytes, chunks }
}

fn hook() -> (impl Fn(&Ended<'_>) + Send + Sync + 'static, Receiver<Told>) {
    let (tell, ends) = channel();
    let tell = Mutex::new(tell);
    (move |ended: &Ended<'_>| drop(tell.lock().send(Told::of(ended))), ends)
}

/// Runs a test on an engine of each kind, with a hook that reports the ends.
macro_rules! on_each {
    ($(fn $name:ident($engine:ident, $word:ident, $ends:ident) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports, reason = "each test uses its own part")]
            use super::*;

            #[test]
            fn on_local() {
                within(|| {
                    let (hook, $ends) = hook();
                    let ($engine, $word) = (Local::new().chunk_size(4).name("told").on_end(hook), "local");
                    $body
                    drop($engine);
                    assert_eq!($ends.iter().next(), None, "an end is reported twice");
                });
            }

            #[test]
            fn on_thread() {
                within(|| {
                    let (hook, $ends) = hook();
                    let ($engine, $word) = (Thread::new().chunk_size(4).capacity(8).name("told").on_end(hook), "thread");
                    $body
                    drop($engine);
                    assert_eq!($ends.iter().next(), None, "an end is reported twice");
                });
            }

            #[test]
            fn on_pool() {
                within(|| {
                    let (hook, $ends) = hook();
                    let ($engine, $word) = (Pool::new(1).chunk_size(4).capacity(8).name("told").on_end(hook), "pool");
                    $body
                    drop($engine);
                    assert_eq!($ends.iter().next(), None, "an end is reported twice");
                });
            }
        }
    )*};
}

const LOST: io::ErrorKind = io::ErrorKind::StorageFull;

on_each! {
    fn a_bridge_that_finished(engine, word, ends) {
        engine.clone().pull(|w| w.write_all(b"abcdefgh")).for_each(drop);
        let end = ends.recv().unwrap();
        assert_eq!(end, told(word, Outcome::Finished, None, 8, end.chunks));
        // A reader that has everything, and does not pull the end.
        let mut chunks = engine.pull(|w| w.write_all(b"abc"));
        chunks.head().wait().unwrap();
        chunks.next().unwrap().unwrap();
        drop(chunks);
        assert_eq!(ends.recv().unwrap(), told(word, Outcome::Finished, None, 3, 1));
    }

    fn a_bridge_that_failed(engine, word, ends) {
        let fail = |w: &mut dyn Write| w.write_all(b"abc").and(Err(LOST.into()));
        assert_eq!(engine.pull(move |w| fail(w)).filter_map(Result::err).count(), 1);
        assert_eq!(ends.recv().unwrap(), told(word, Outcome::Failed, Some(LOST), 3, 1));
        let mut chunks = engine.pull(move |_| Err(LOST.into()));
        chunks.head().wait().unwrap_err();
        // The end is reported as soon as it is known, and not again.
        assert_eq!(ends.recv().unwrap(), told(word, Outcome::Failed, Some(LOST), 0, 0));
        assert!(chunks.next().is_none());
    }

    fn a_bridge_whose_program_panicked(engine, word, ends) {
        engine.pull(|_| panic!("out of ink")).for_each(drop);
        assert_eq!(ends.recv().unwrap(), told(word, Outcome::Panicked, Some(io::ErrorKind::Other), 0, 0));
        let feed = engine.push(|_| -> io::Result<()> { panic!("out of ink") });
        feed.finish().unwrap_err();
        assert_eq!(ends.recv().unwrap().outcome, Outcome::Panicked);
    }

    fn a_bridge_whose_reader_was_dropped(engine, word, ends) {
        let mut chunks = engine.pull(|w| (0..100).try_for_each(|_| w.write_all(b"abcd")));
        let len = chunks.next().unwrap().unwrap().len() as u64;
        drop(chunks);
        assert_eq!(ends.recv().unwrap(), told(word, Outcome::Disconnected, None, len, 1));
        // The reader was dropped first, however the program ends.
        let mut chunks = engine.pull(|w| loop {
            assert!(w.write_all(b"abcd").is_ok(), "the reader was dropped");
        });
        chunks.next().unwrap().unwrap();
        drop(chunks);
        assert_eq!(ends.recv().unwrap().outcome, Outcome::Disconnected);
    }

    fn a_bridge_that_never_began(engine, word, ends) {
        drop(engine.pull(|_| Ok(())));
        drop(engine.push(|_| Ok(())));
        drop(engine.filter(|_, _| Ok(())));
        drop(engine.filter(|_, _| Ok(())).pull_from([]));
        drop(engine.filter(|_, _| Ok(())).push_into(Vec::new()));
        assert!(ends.try_recv().is_err(), "{word}: a bridge that never started reports an end");
    }

    fn a_feed(engine, word, ends) {
        let count = |r: &mut dyn Read| io::copy(r, &mut io::sink());
        let mut feed = engine.push(move |r| count(r));
        feed.write_all(b"abcdef").unwrap();
        assert_eq!(feed.finish().unwrap(), 6);
        let end = ends.recv().unwrap();
        assert_eq!(end, told(word, Outcome::Finished, None, 6, end.chunks));

        let mut feed = engine.push(move |r| count(r));
        feed.write_all(b"abcdef").unwrap();
        feed.abort(LOST.into());
        let end = ends.recv().unwrap();
        assert_eq!((end.outcome, end.error, end.bytes), (Outcome::Failed, Some(LOST), 6));

        let mut feed = engine.push(move |r| count(r));
        feed.write_all(b"abcdef").unwrap();
        drop(feed);
        assert_eq!(ends.recv().unwrap().outcome, Outcome::Disconnected);

        // A program that ends on its own while it is fed.
        let mut feed = engine.push(|r| r.read_exact(&mut [0; 4]));
        while feed.write_all(b"abcd").is_ok() {}
        assert_eq!(ends.recv().unwrap().outcome, Outcome::Finished);
        feed.finish().unwrap();
    }

    fn a_filter(engine, word, ends) {
        let source = [b"ab", b"cd"].map(|part| Ok(Bytes::from_static(part)));
        engine.filter(|r, w| io::copy(r, w).map(drop)).pull_from(source).for_each(drop);
        let end = ends.recv().unwrap();
        assert_eq!(end, told(word, Outcome::Finished, None, 4, end.chunks));

        let mut copy = engine.filter(|r, w| io::copy(r, w).map(drop)).push_into(Vec::new());
        copy.write_all(b"abcd").unwrap();
        assert_eq!(copy.finish().unwrap(), b"abcd");
        let end = ends.recv().unwrap();
        assert_eq!(end, told(word, Outcome::Finished, None, 4, end.chunks));
    }

    fn other_ends_of_the_same_bridge(engine, word, ends) {
        let mut text = String::new();
        engine.pull(|w| w.write_all(b"abc")).into_reader().read_to_string(&mut text).unwrap();
        assert_eq!(ends.recv().unwrap(), told(word, Outcome::Finished, None, 3, 1));
        drop(engine.pull(|w| w.write_all(b"abc")).into_body());
        assert!(ends.try_recv().is_err());
    }
}

#[test]
fn the_hook_covers_steps_and_scoped_programs() {
    within(|| {
        use pushpull::local::Step;
        let (hook, ends) = hook();
        let engine = Local::new().name("told").on_end(hook);
        let mut steps = engine.filter(|r, w| io::copy(r, w).map(drop)).steps();
        steps.give("abc".into());
        steps.end();
        while steps.step().unwrap() != Step::End {}
        assert_eq!(steps.stats().bytes, 3);
        drop(steps);
        assert_eq!(ends.recv().unwrap(), told("local", Outcome::Finished, None, 3, 1));
        let mut steps = engine.filter(|r, w| io::copy(r, w).map(drop)).steps();
        assert_eq!(steps.step().unwrap(), Step::NeedsInput);
        drop(steps);
        assert_eq!(ends.recv().unwrap().outcome, Outcome::Disconnected);
        drop(engine.filter(|_, _| Ok(())).steps());
        engine.pull_scoped(|w| w.write_all(b"abc"), |chunks| chunks.for_each(drop));
        assert_eq!(ends.recv().unwrap(), told("local", Outcome::Finished, None, 3, 1));
        let mut sink: &mut [u8] = &mut [];
        engine.pull(|w| w.write_all(b"abc")).drive_into(&mut sink).unwrap_err();
        assert_eq!(ends.recv().unwrap().outcome, Outcome::Disconnected);
        drop(engine);
        assert_eq!(ends.iter().next(), None);
    });
}

#[test]
fn the_hook_reports_a_pool_shutdown() {
    within(|| {
        let (hook, ends) = hook();
        let pool = Pool::new(1).name("told").on_end(hook);
        let mut endless = pool.pull(|w| {
            loop {
                w.write_all(b"again and again")?;
            }
        });
        endless.next();
        let _ = pool.shutdown(Duration::ZERO).wait();
        endless.for_each(drop);
        assert_eq!(ends.recv().unwrap().outcome, Outcome::ShutDown);
        // A program that could not be started has ended too.
        pool.pull(|_| Ok(())).for_each(drop);
        assert_eq!(ends.recv().unwrap().outcome, Outcome::ShutDown);
        pool.push(|_| Ok(())).finish().unwrap_err();
        assert_eq!(ends.recv().unwrap().outcome, Outcome::ShutDown);
    });
}

#[test]
fn a_panic_in_the_hook_breaks_nothing() {
    /// A value whose drop panics too.
    struct Vicious;
    impl Drop for Vicious {
        fn drop(&mut self) {
            panic!("again");
        }
    }
    within(|| {
        let pool = Pool::new(1).on_end(|_| std::panic::panic_any(Vicious));
        for _ in 0..10 {
            assert_eq!(pool.pull(|w| w.write_all(b"abc")).map(|chunk| chunk.unwrap().len()).sum::<usize>(), 3);
            assert!(pool.push(|_| Ok(())).finish().is_ok());
        }
        let local = Local::new().on_end(|_| panic!("in the hook"));
        assert_eq!(local.pull(|w| w.write_all(b"abc")).map(|chunk| chunk.unwrap().len()).sum::<usize>(), 3);
        assert!(local.push(|_| Ok(())).finish().is_ok());
        // The same while the host unwinds.
        let host = thread::spawn(move || {
            let mut chunks = pool.pull(|w| w.write_all(b"abc"));
            chunks.next();
            panic!("the host's own");
        });
        assert_eq!(*host.join().unwrap_err().downcast::<&str>().unwrap(), "the host's own");
    });
}

#[test]
fn each_end_is_reported_once_in_every_interleaving() {
    within(|| {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let noted = ends.clone();
        let pool = Pool::new(2).chunk_size(2).capacity(4).on_end(move |ended| noted.lock().push(ended.stats.bytes));
        let count = 2000;
        for n in 0..count {
            let mut chunks = pool.pull(move |w| (0..n % 7).try_for_each(|_| w.write_all(b"abc")));
            // Starts every bridge, and drops it in every state.
            let _ = chunks.by_ref().take(1 + n % 5).count();
            if n % 3 == 0 {
                chunks.join();
            }
        }
        assert_eq!(ends.lock().len(), count);
    });
}
