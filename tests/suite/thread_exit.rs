//! Programs on `Local` that are still suspended when their thread ends.
//!
//! A thread-local that holds a program is destroyed then. The program may borrow from another thread-local that is
//! destroyed already. Such a program stays suspended, and leaks.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use pushpull::{Error, Local, local};
use pushpull_testing::alone::again;
use pushpull_testing::watchdog::within;

/// Data that a thread-local lends to a program.
struct Data {
    bytes: Vec<u8>,
    life: Arc<Life>,
}

/// What a test observes of a thread that has ended.
#[derive(Default)]
struct Life {
    data_is_gone: AtomicBool,
    /// A program or its host has read the data after it was dropped.
    was_read_after: AtomicBool,
    ran_to_its_end: AtomicBool,
    errors: AtomicUsize,
}

impl Data {
    fn read(&self, life: &Life) -> &[u8] {
        life.was_read_after.fetch_or(life.data_is_gone.load(SeqCst), SeqCst);
        &self.bytes
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        self.life.data_is_gone.store(true, SeqCst);
    }
}

/// The holder of a program in a thread-local, and whether it pulls again when it is destroyed.
struct Held {
    of: Of,
    pulls_on: bool,
    life: Arc<Life>,
}

enum Of {
    Chunks(local::Chunks),
    Boxed(Box<local::Chunks>),
    Reader(local::Reader),
    Feed(Option<local::Feed<()>>),
    Steps(local::Steps),
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.pulls_on {
            return;
        }
        let is_truncated = |error: &std::io::Error| Error::of(error).is_some_and(Error::is_truncated);
        let fails = match &mut self.of {
            Of::Chunks(chunks) => chunks.find_map(Result::err).is_some_and(|error| is_truncated(&error)),
            Of::Boxed(chunks) => chunks.find_map(Result::err).is_some_and(|error| is_truncated(&error)),
            Of::Reader(reader) => reader.read_to_end(&mut Vec::new()).is_err_and(|error| is_truncated(&error)),
            Of::Feed(feed) => feed.take().unwrap().finish().is_err(),
            Of::Steps(steps) => loop {
                match steps.step() {
                    Err(error) => break is_truncated(&error),
                    Ok(local::Step::End) => break false,
                    Ok(_) => steps.end(),
                }
            },
        };
        self.life.errors.fetch_add(usize::from(fails), SeqCst);
    }
}

thread_local! {
    static DATA: RefCell<Option<Data>> = const { RefCell::new(None) };
    static HOLDER: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// Borrows from a thread-local while it writes.
fn write(w: &mut local::Writer, life: &Life) -> std::io::Result<()> {
    DATA.with_borrow(|data| {
        let data = data.as_ref().unwrap();
        let result = (0..1000).try_for_each(|_| w.write_all(data.read(life)));
        data.read(life);
        life.ran_to_its_end.store(true, SeqCst);
        result
    })
}

/// Borrows from a thread-local while it reads.
fn read(r: &mut local::Reader, life: &Life) -> std::io::Result<()> {
    DATA.with_borrow(|data| {
        let data = data.as_ref().unwrap();
        let result = r.read_to_end(&mut Vec::new()).map(drop);
        data.read(life);
        life.ran_to_its_end.store(true, SeqCst);
        result
    })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum First {
    /// Another bridge was used on the thread.
    Bridge,
    Data,
    Holder,
}

const KINDS: usize = 5;

/// Runs a thread on which these were first used in this order. Its program lies in the holder, and was pulled at least
/// once.
fn end_a_thread(order: &[First], kind: usize, pulls_on: bool, stored_late: bool) -> Arc<Life> {
    let life = Arc::new(Life::default());
    let (own, order) = (life.clone(), order.to_vec());
    thread::spawn(move || {
        let make_data = || {
            DATA.with_borrow_mut(|data| {
                data.get_or_insert_with(|| Data { bytes: vec![7; 100], life: own.clone() });
            });
        };
        for first in order {
            match first {
                First::Bridge => assert_eq!(Local::new().unbuffered().pull(|w| w.write_all(b"warm")).count(), 1),
                First::Data => make_data(),
                First::Holder => HOLDER.with_borrow(|held| assert!(held.is_none())),
            }
        }
        let life = own.clone();
        let engine = Local::new().chunk_size(64);
        let writes = move |w: &mut local::Writer| write(w, &life);
        let life = own.clone();
        let mut of = match kind {
            0 => Of::Chunks(engine.pull(writes)),
            1 => Of::Boxed(Box::new(engine.pull(writes))),
            2 => Of::Reader(engine.pull(writes).into_reader()),
            3 => Of::Feed(Some(engine.push(move |r| read(r, &life)))),
            _ => Of::Steps(engine.filter(move |_, w| write(w, &life)).steps()),
        };
        let pull = |of: &mut Of| {
            // Created just before the program borrows it.
            make_data();
            match of {
                Of::Chunks(chunks) => drop(chunks.next().unwrap().unwrap()),
                Of::Boxed(chunks) => drop(chunks.next().unwrap().unwrap()),
                Of::Reader(reader) => reader.read_exact(&mut [0; 10]).unwrap(),
                Of::Feed(feed) => feed.as_mut().unwrap().write_all(&[7; 100]).unwrap(),
                Of::Steps(steps) => assert!(matches!(steps.step().unwrap(), local::Step::Chunk(_))),
            }
        };
        if stored_late {
            pull(&mut of);
        }
        HOLDER.set(Some(Held { of, pulls_on, life: own.clone() }));
        if !stored_late {
            HOLDER.with_borrow_mut(|held| pull(&mut held.as_mut().unwrap().of));
        }
    })
    .join()
    .unwrap();
    life
}

#[test]
fn a_program_that_outlives_what_it_borrowed_from_its_thread_does_not_run() {
    use First::{Bridge, Data, Holder};
    let orders: [&[First]; 10] = [
        &[],
        &[Bridge],
        &[Holder],
        &[Data],
        &[Bridge, Holder],
        &[Holder, Bridge],
        &[Bridge, Data, Holder],
        &[Bridge, Holder, Data],
        &[Holder, Bridge, Data],
        &[Data, Holder, Bridge],
    ];
    within(move || {
        for (order, kind) in orders.iter().flat_map(|order| (0..KINDS).map(move |kind| (order, kind))) {
            for (pulls_on, stored_late) in [(false, false), (false, true), (true, false), (true, true)] {
                let case = (order, kind, pulls_on, stored_late);
                if order.first() == Some(&Bridge) && !cfg!(any(windows, all(target_os = "linux", target_env = "gnu"))) {
                    // Other C libraries give no way to detect it.
                    continue;
                }
                let life = end_a_thread(order, kind, pulls_on, stored_late);
                assert!(life.data_is_gone.load(SeqCst) && !life.was_read_after.load(SeqCst), "{case:?}");
                // The thread-local that was used first is destroyed last.
                let first = order.iter().find(|first| **first != Bridge);
                if *first.unwrap_or(if stored_late { &Data } else { &Holder }) == Holder {
                    assert!(!life.ran_to_its_end.load(SeqCst), "{case:?}");
                    assert_eq!(life.errors.load(SeqCst), usize::from(pulls_on), "{case:?}");
                }
            }
        }
    });
}

/// A thread-local's destructor may use bridges of its own.
#[test]
fn a_bridge_that_is_made_while_its_thread_ends_works() {
    struct AtLast(Arc<AtomicUsize>);
    impl Drop for AtLast {
        fn drop(&mut self) {
            for _ in 0..3 {
                let chunks = Local::new().chunk_size(4).pull(|w| w.write_all(b"before it goes"));
                let bytes: usize = chunks.map(|chunk| chunk.unwrap().len()).sum();
                self.0.fetch_add(bytes, SeqCst);
                let mut left = Local::new().unbuffered().pull(|w| {
                    loop {
                        w.write_all(b"again and again")?;
                    }
                });
                left.next().unwrap().unwrap();
            }
        }
    }
    thread_local! {
        static AT_LAST: RefCell<Option<AtLast>> = const { RefCell::new(None) };
    }
    within(|| {
        for warm in [false, true] {
            let bytes = Arc::new(AtomicUsize::new(0));
            let own = bytes.clone();
            thread::spawn(move || {
                AT_LAST.set(Some(AtLast(own)));
                if warm {
                    assert_eq!(Local::new().pull(|w| w.write_all(b"warm")).count(), 1);
                }
            })
            .join()
            .unwrap();
            assert_eq!(bytes.load(SeqCst), 3 * 14);
        }
    });
}

/// `process::exit` in a program destroys the thread-locals of its thread, including the one that holds the program.
#[test]
fn a_program_may_end_the_process_that_holds_it_in_a_thread_local() {
    const CHILD: &str = "PUSHPULL_TEST_EXITS";
    if std::env::var_os(CHILD).is_none() {
        let child = again().args(["a_program_may_end_the_process"]).env(CHILD, "1").output().unwrap();
        assert_eq!(child.status.code(), Some(7), "{}", String::from_utf8_lossy(&child.stderr));
        return;
    }
    thread_local! {
        static CHUNKS: RefCell<Vec<local::Chunks>> = const { RefCell::new(Vec::new()) };
    }
    let mut suspended = Local::new().unbuffered().pull(|w| {
        loop {
            w.write_all(b"again and again")?;
        }
    });
    suspended.next().unwrap().unwrap();
    let exits = Local::new().unbuffered().pull(|w| {
        w.write_all(b"first")?;
        process::exit(7)
    });
    CHUNKS.set(vec![suspended, exits]);
    CHUNKS.with_borrow_mut(|chunks| while chunks[1].next().is_some() {});
}
