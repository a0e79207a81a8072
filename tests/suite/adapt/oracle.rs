//! Streams that are cut, late, early, woken for nothing and aborted at random, compared with the expected results.
//!
//! For a longer run: `PROPTEST_CASES=10000 cargo test --test suite adapt::oracle`.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::panic;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use pushpull::Error;

use super::source::{Scripted, Step, bytes_of, steps};
use crate::support::engine::{Filters, OnLocal, OnPool, OnThread, Outlet, Pulls, Setup};
use crate::support::polled::{Adapter, AsBody, AsFutures, AsStream, AsTokio, Polled, block_on};
use pushpull_testing::guard::guard;
use pushpull_testing::watchdog::within;

/// What the program does after a number of bytes.
#[derive(Debug, Clone, Copy)]
enum Ends {
    WithItsInput,
    Well(usize),
    Fails(usize),
    Panics(usize),
}

impl Ends {
    fn after(self) -> usize {
        match self {
            Ends::WithItsInput => usize::MAX,
            Ends::Well(after) | Ends::Fails(after) | Ends::Panics(after) => after,
        }
    }

    fn result(self) -> io::Result<()> {
        match self {
            Ends::WithItsInput | Ends::Well(_) => Ok(()),
            Ends::Fails(_) => Err(io::ErrorKind::StorageFull.into()),
            Ends::Panics(_) => panic::resume_unwind(Box::new("the program's")),
        }
    }
}

#[derive(Debug, Clone)]
struct Case {
    setup: Setup,
    steps: Vec<Step>,
    fails: bool,
    /// The number of bytes that the program reads at a time.
    piece: usize,
    ends: Ends,
    /// The number of polls after which the host drops its end.
    goes_after: Option<usize>,
}

fn case() -> impl Strategy<Value = Case> {
    let capacity = prop_oneof![Just(1_usize), 2..20_usize, 20..2000_usize];
    let setup = (1..64_usize, capacity, any::<bool>()).prop_map(|(chunk_size, capacity, unbuffered)| Setup {
        chunk_size,
        capacity,
        unbuffered,
        ..Setup::default()
    });
    let ends = prop_oneof![
        4 => Just(Ends::WithItsInput),
        1 => (0..300_usize).prop_map(Ends::Well),
        1 => (0..300_usize).prop_map(Ends::Fails),
        1 => (0..300_usize).prop_map(Ends::Panics),
    ];
    let goes_after = prop_oneof![3 => Just(None), 1 => (0..30_usize).prop_map(Some)];
    (setup, steps(), any::<bool>(), 1..50_usize, ends, goes_after).prop_map(
        |(setup, steps, fails, piece, ends, goes_after)| Case { setup, steps, fails, piece, ends, goes_after },
    )
}

impl Case {
    fn source(&self) -> Pin<Box<Scripted>> {
        Box::pin(Scripted::new(self.steps.clone(), self.fails.then_some(io::ErrorKind::TimedOut)))
    }

    /// Returns what the program reads, and how it ends.
    fn expected(&self) -> (Vec<u8>, Result<(), &'static str>) {
        let mut bytes = bytes_of(&self.steps);
        if bytes.len() > self.ends.after() {
            bytes.truncate(self.ends.after());
            return (bytes, outcome(self.ends));
        }
        (bytes, if self.fails { Err("its input") } else { outcome(self.ends) })
    }

    /// Reads in pieces up to where this case ends, and passes every byte to `give`.
    fn read(&self, r: &mut dyn Read, mut give: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut left = self.ends.after();
        let mut buffer = vec![0; self.piece];
        loop {
            // One byte more, to find the end of the input.
            let most = buffer.len().min(left.saturating_add(1));
            let len = r.read(&mut buffer[..most])?;
            give(&buffer[..len.min(left)])?;
            if len == 0 || len > left {
                return self.ends.result();
            }
            left -= len;
        }
    }

    fn filter(&self) -> Filters {
        let case = self.clone();
        Box::new(move |r: &mut dyn io::BufRead, w: &mut dyn Outlet| {
            case.read(&mut &mut *r, |bytes| w.write_all(&bytes.iter().map(|byte| !byte).collect::<Vec<_>>()))
        })
    }

    fn pull(&self) -> Pulls<Vec<u8>> {
        let case = self.clone();
        Box::new(move |r: &mut dyn io::BufRead| {
            let mut bytes = Vec::new();
            case.read(&mut &mut *r, |piece| bytes.write_all(piece))?;
            Ok(bytes)
        })
    }
}

fn outcome(ends: Ends) -> Result<(), &'static str> {
    match ends {
        Ends::WithItsInput | Ends::Well(_) => Ok(()),
        Ends::Fails(_) => Err("by itself"),
        Ends::Panics(_) => Err("by a panic"),
    }
}

fn told(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::TimedOut => "its input",
        io::ErrorKind::StorageFull => "by itself",
        _ if Error::of(error).is_some_and(Error::is_panic) => "by a panic",
        _ => "otherwise",
    }
}

/// Checks that a filter's output is its input, for every adapter.
fn check_filter<A: Adapter, E: Polled>(case: &Case) {
    let (mut bytes, mut end) = (Vec::new(), Ok(()));
    for item in A::items(E::filtered(case.setup, case.filter(), case.source(), A::BODY)) {
        match item {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(error) => end = Err(told(&error)),
        }
    }
    bytes.iter_mut().for_each(|byte| *byte = !*byte);
    assert_eq!((bytes, end), case.expected(), "{}", std::any::type_name::<(A, E)>());
}

fn check_feed<A: Adapter, E: Polled>(case: &Case) {
    let value = block_on(E::fed(case.setup, case.pull(), case.source(), A::BODY));
    let (bytes, end) = case.expected();
    match end {
        Ok(()) => assert_eq!(value.unwrap(), bytes),
        Err(reason) => assert_eq!(told(&value.unwrap_err()), reason),
    }
}

/// Checks a host that is woken for nothing, polls for nothing, and drops its end in the middle. The pulled bytes are a
/// prefix, and everything that the program and its source own is dropped.
fn check_going<E: Polled>(case: &Case, goes_after: usize) {
    let expected = case.expected().0;
    let (own, dropped) = guard();
    let (kept, gone) = guard();
    let mut filter = case.filter();
    filter = {
        let inner = filter;
        Box::new(move |r, w| {
            let _own = &own;
            inner(r, w)
        })
    };
    let mut source = case.source();
    let source = futures_util::stream::poll_fn(move |context| {
        let _kept = &kept;
        futures_util::Stream::poll_next(source.as_mut(), context)
    });
    let mut chunks = E::filtered(case.setup, filter, Box::pin(source), false);
    let mut bytes = Vec::new();
    for poll in 0..goes_after {
        // Another waker first, which the next poll replaces.
        let polled =
            match futures_util::Stream::poll_next(Pin::new(&mut chunks), &mut Context::from_waker(Waker::noop())) {
                Poll::Ready(item) => item,
                Poll::Pending if poll % 2 == 0 => continue,
                Poll::Pending => {
                    block_on(poll_fn(|context| futures_util::Stream::poll_next(Pin::new(&mut chunks), context)))
                }
            };
        match polled {
            Some(Ok(chunk)) => bytes.extend(chunk.iter().map(|byte| !byte)),
            Some(Err(_)) | None => break,
        }
    }
    assert!(expected.starts_with(&bytes));
    drop(chunks);
    dropped.wait();
    gone.wait();
    // The same for a feed whose future is dropped between two polls.
    let (own, dropped) = guard();
    let pull = case.pull();
    let mut fate = E::fed(
        case.setup,
        Box::new(move |r| {
            let _own = &own;
            pull(r)
        }),
        case.source(),
        false,
    );
    for _ in 0..goes_after {
        if fate.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            break;
        }
    }
    drop(fate);
    dropped.wait();
}

fn check<E: Polled>(case: &Case) {
    if let Some(goes_after) = case.goes_after {
        return check_going::<E>(case, goes_after);
    }
    check_filter::<AsStream, E>(case);
    check_filter::<AsBody, E>(case);
    check_filter::<AsTokio, E>(case);
    check_filter::<AsFutures, E>(case);
    check_feed::<AsStream, E>(case);
    check_feed::<AsBody, E>(case);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_streamed_comes_out(case in case()) {
        within(move || {
            check::<OnLocal>(&case);
            check::<OnThread>(&case);
            check::<OnPool<1>>(&case);
            check::<OnPool<2>>(&case);
        });
    }
}
