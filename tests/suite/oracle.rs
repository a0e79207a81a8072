//! Random scripts for both sides, compared with an oracle in memory.
//!
//! For a longer run: `PROPTEST_CASES=10000 cargo test --test suite oracle`.

use std::io::{self, IoSlice, Write};
use std::panic;
use std::thread;

use crate::support::engine::{Engine, OnLocal, OnPipe, OnPool, OnThread, Outlet, Setup};
use bytes::Bytes;
use proptest::prelude::*;
use pushpull::Error;
use pushpull_testing::watchdog::within;

/// One action of a program.
#[derive(Debug, Clone)]
enum Act {
    Write(usize),
    /// A number of chunks in a row, and the length of each.
    Hand(usize, usize),
    Vectored(usize, usize),
    Flush,
    Pause,
}

/// How a program ends.
#[derive(Debug, Clone, Copy)]
enum Ends {
    Well,
    Fails,
    Panics,
}

/// What the host does: a number of pulls with a pause now and then, and then a drop; or it pulls to the end.
#[derive(Debug, Clone)]
struct Host {
    goes_after: Option<usize>,
    pauses: bool,
    reads: bool,
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0..4_usize, 3 => 1..40_usize, 1 => 40..400_usize]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => len().prop_map(Act::Write),
        2 => (prop_oneof![2 => Just(1_usize), 1 => 2..100_usize], len()).prop_map(|(row, len)| Act::Hand(row, len)),
        1 => (len(), len()).prop_map(|(a, b)| Act::Vectored(a, b)),
        1 => Just(Act::Flush),
        1 => Just(Act::Pause),
    ]
}

fn setup() -> impl Strategy<Value = Setup> {
    let capacity = prop_oneof![Just(1_usize), 2..20_usize, 20..2000_usize];
    (1..64_usize, capacity, any::<bool>()).prop_map(|(chunk_size, capacity, unbuffered)| Setup {
        chunk_size,
        capacity,
        unbuffered,
        ..Setup::default()
    })
}

fn ends() -> impl Strategy<Value = Ends> {
    prop_oneof![3 => Just(Ends::Well), 1 => Just(Ends::Fails), 1 => Just(Ends::Panics)]
}

fn host() -> impl Strategy<Value = Host> {
    (proptest::option::of(0..20_usize), any::<bool>(), any::<bool>()).prop_map(|(goes_after, pauses, reads)| Host {
        goes_after,
        pauses,
        reads,
    })
}

/// The bytes of a script, numbered, so that a lost, doubled or moved byte is found.
struct Numbers(u32);

impl Numbers {
    fn take(&mut self, len: usize) -> Vec<u8> {
        (0..len)
            .map(|_| {
                self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (self.0 >> 24) as u8
            })
            .collect()
    }
}

fn expected(script: &[Act]) -> Vec<u8> {
    let mut numbers = Numbers(1);
    let len = |act: &Act| match act {
        Act::Write(len) => *len,
        Act::Hand(row, len) => row * len,
        Act::Vectored(a, b) => a + b,
        Act::Flush | Act::Pause => 0,
    };
    script.iter().flat_map(|act| numbers.take(len(act))).collect()
}

fn play(script: &[Act], ends: Ends, w: &mut dyn Outlet) -> io::Result<()> {
    let mut numbers = Numbers(1);
    for act in script {
        match *act {
            Act::Write(len) => w.write_all(&numbers.take(len))?,
            Act::Hand(row, len) => (0..row).try_for_each(|_| w.write_bytes(numbers.take(len).into()))?,
            Act::Vectored(a, b) => {
                let parts = [numbers.take(a), numbers.take(b)];
                let mut slices = [IoSlice::new(&parts[0]), IoSlice::new(&parts[1])];
                let mut slices = &mut slices[..];
                IoSlice::advance_slices(&mut slices, 0);
                while !slices.is_empty() {
                    let written = w.write_vectored(slices)?;
                    IoSlice::advance_slices(&mut slices, written);
                }
            }
            Act::Flush => w.flush()?,
            Act::Pause => thread::yield_now(),
        }
    }
    match ends {
        Ends::Well => Ok(()),
        Ends::Fails => Err(io::ErrorKind::StorageFull.into()),
        Ends::Panics => panic::resume_unwind(Box::new("the program's")),
    }
}

fn check_pull<E: Engine>(setup: Setup, script: Vec<Act>, ends: Ends, host: &Host) {
    // The program of a bare pipe runs on a thread of the test, where a panic would fail the test.
    let ends = if E::RUNS_PROGRAMS || !matches!(ends, Ends::Panics) { ends } else { Ends::Fails };
    let oracle = expected(&script);
    let program = Box::new(move |w: &mut dyn Outlet| play(&script, ends, w));
    let mut bytes = Vec::new();
    let mut end = None;
    if host.reads {
        let mut reader = E::read(setup, program);
        end = reader.read_to_end(&mut bytes).err();
        if let Some(error) = &end {
            assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap_err().kind(), error.kind(), "law 2");
        }
    } else {
        let items = E::pull(setup, program);
        for (pulled, item) in items.enumerate() {
            if host.goes_after == Some(pulled) {
                assert!(oracle.starts_with(&bytes), "law 1: the pulled bytes are not a prefix");
                return;
            }
            if host.pauses && pulled % 3 == 0 {
                thread::yield_now();
            }
            assert!(end.is_none(), "law 3: an item follows the error");
            match item {
                Ok(chunk) => {
                    assert!(!chunk.is_empty(), "law 6");
                    assert!(!E::QUEUED || chunk.len() <= setup.capacity, "law 4");
                    bytes.extend_from_slice(&chunk);
                }
                Err(error) => end = Some(error),
            }
        }
    }
    assert_eq!(bytes, oracle, "law 1");
    match (ends, end) {
        (Ends::Well, None) => {}
        (Ends::Fails, Some(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
        (Ends::Panics, Some(error)) => assert!(Error::of(&error).is_some_and(Error::is_panic)),
        (ends, end) => panic!("law 2: {ends:?} was reported as {end:?}"),
    }
}

/// Plays the script on the host's side. The program reads in pieces of its own, and may end early.
fn check_push<E: Engine>(setup: Setup, script: Vec<Act>, piece: usize, stops_after: Option<usize>) {
    let oracle = expected(&script);
    let mut feed = E::push(
        setup,
        Box::new(move |r| {
            let mut bytes = Vec::new();
            let mut buffer = vec![0; piece];
            loop {
                match r.read(&mut buffer)? {
                    0 => return Ok(bytes),
                    len => bytes.extend_from_slice(&buffer[..len]),
                }
                if stops_after.is_some_and(|most| bytes.len() >= most) {
                    return Ok(bytes);
                }
            }
        }),
    );
    struct Pushed<'a, T>(&'a mut Box<dyn crate::support::engine::Inlet<T>>);
    impl<T> Write for Pushed<'_, T> {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0.write(buf)
        }
        fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
            self.0.write_vectored(bufs)
        }
        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }
    impl<T> Outlet for Pushed<'_, T> {
        fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
            self.0.write_bytes(bytes)
        }
        fn is_closed(&self) -> bool {
            self.0.is_closed()
        }
    }
    let pushed = play(&script, Ends::Well, &mut Pushed(&mut feed));
    let bytes = feed.finish().unwrap();
    if stops_after.is_none() {
        pushed.unwrap();
        assert_eq!(bytes, oracle);
    } else if let Err(error) = pushed {
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "the program returned Ok");
    }
    assert!(oracle.starts_with(&bytes));
}

/// Checks a program that inverts each byte of its input, in pieces of its own.
fn check_filter<E: Engine>(setup: Setup, lengths: Vec<usize>, fails: bool) {
    let mut numbers = Numbers(1);
    let chunks: Vec<Vec<u8>> = lengths.into_iter().map(|len| numbers.take(len)).collect();
    let expected: Vec<u8> = chunks.concat().iter().map(|byte| !byte).collect();
    let program = || {
        Box::new(|r: &mut dyn io::BufRead, w: &mut dyn Outlet| {
            let mut buffer = [0; 13];
            loop {
                let len = r.read(&mut buffer)?;
                if len == 0 {
                    return Ok(());
                }
                buffer[..len].iter_mut().for_each(|byte| *byte = !*byte);
                w.write_all(&buffer[..len])?;
            }
        })
    };
    let mut source: Vec<io::Result<Bytes>> = chunks.iter().map(|chunk| Ok(Bytes::from(chunk.clone()))).collect();
    if fails {
        source.push(Err(io::ErrorKind::TimedOut.into()));
    }
    let (bytes, end) = crate::support::engine::drain(E::pull_from(setup, program(), source));
    assert_eq!(bytes, expected);
    assert_eq!(end.map(|error| error.kind()), fails.then_some(io::ErrorKind::TimedOut));
    let mut feed = E::push_into(setup, program(), Vec::new());
    for chunk in chunks {
        feed.write_all(&chunk).unwrap();
    }
    assert_eq!(feed.finish().unwrap(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_pulled(
        setup in setup(),
        script in proptest::collection::vec(act(), 0..40),
        ends in ends(),
        host in host(),
    ) {
        within(move || {
            check_pull::<OnLocal>(setup, script.clone(), ends, &host);
            check_pull::<OnThread>(setup, script.clone(), ends, &host);
            check_pull::<OnPool<1>>(setup, script.clone(), ends, &host);
            check_pull::<OnPool<2>>(setup, script.clone(), ends, &host);
            check_pull::<OnPipe>(setup, script.clone(), ends, &host);
        });
    }

    #[test]
    fn what_is_pushed_is_read(
        setup in setup(),
        script in proptest::collection::vec(act(), 0..40),
        piece in 1..50_usize,
        stops_after in proptest::option::of(0..200_usize),
    ) {
        within(move || {
            check_push::<OnLocal>(setup, script.clone(), piece, stops_after);
            check_push::<OnThread>(setup, script.clone(), piece, stops_after);
            check_push::<OnPool<1>>(setup, script.clone(), piece, stops_after);
            check_push::<OnPool<2>>(setup, script.clone(), piece, stops_after);
        });
    }

    #[test]
    fn what_is_filtered_comes_out(
        setup in setup(),
        lengths in proptest::collection::vec(len(), 0..30),
        fails in any::<bool>(),
    ) {
        within(move || {
            check_filter::<OnLocal>(setup, lengths.clone(), fails);
            check_filter::<OnThread>(setup, lengths.clone(), fails);
            check_filter::<OnPool<1>>(setup, lengths.clone(), fails);
            check_filter::<OnPool<2>>(setup, lengths.clone(), fails);
        });
    }
}
