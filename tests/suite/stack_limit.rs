//! Crates that ask `stacker` how much stack is left get the right answer.

use std::hint::black_box;
use std::io::{self, Write};
use std::thread;

use pest::{ParseResult, ParserState};
use pushpull::{Local, Pool, Thread, local};
use pushpull_testing::watchdog::within;

const STACK: usize = 1 << 20;

/// Returns the stack that is left, by `stacker`.
fn left() -> usize {
    stacker::remaining_stack().expect("stacker supports this system")
}

/// Uses 4 KiB for each call, more than a stack in total, and lets `stacker` grow the stack.
#[inline(never)]
fn deep(calls: usize) -> usize {
    stacker::maybe_grow(64 << 10, 1 << 20, || {
        black_box(&[calls as u8; 4096]);
        if calls == 0 { 0 } else { 1 + deep(calls - 1) }
    })
}

#[allow(non_camel_case_types, reason = "what the parser asks of a rule")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Rule {
    nested,
}

/// Matches nested parentheses.
fn nested(state: Box<ParserState<'_, Rule>>) -> ParseResult<Box<ParserState<'_, Rule>>> {
    state.rule(Rule::nested, |state| {
        state.sequence(|state| {
            state.match_string("(").and_then(|state| state.optional(nested)).and_then(|state| state.match_string(")"))
        })
    })
}

/// Parses `depth` nested parentheses with `pest`.
fn parse(depth: usize) -> io::Result<()> {
    let text = "(".repeat(depth) + &")".repeat(depth);
    pest::state(&text, nested).map(drop).map_err(io::Error::other)
}

/// Checks the stack that is left, in any program.
fn asks(w: &mut dyn Write) -> io::Result<()> {
    let before = left();
    assert!((STACK / 2..=2 * STACK).contains(&before), "{before} bytes are left of {STACK}");
    parse(10)?;
    let refused = parse(20_000).unwrap_err();
    assert!(refused.to_string().contains("stack limit reached"), "{refused}");
    assert_eq!(deep(1000), 1000);
    // A program that is suspended on a grown stack finds that stack again, and then its own.
    stacker::grow(8 * STACK, || {
        let inside = left();
        assert!((7 * STACK..=8 * STACK).contains(&inside), "{inside} bytes are left");
        (0..10).try_for_each(|_| w.write_all(&[7; 100]))?;
        assert!(left().abs_diff(inside) < 4096);
        io::Result::Ok(())
    })?;
    assert!(left().abs_diff(before) < 4096);
    w.write_all(b"asked")
}

/// Pulls everything, and checks that `stacker` always sees the host's own stack.
fn pull(chunks: impl Iterator<Item = io::Result<bytes::Bytes>>) {
    let before = left();
    for chunk in chunks {
        chunk.unwrap();
        assert!(left().abs_diff(before) < 4096, "stacker sees a program's stack in the host");
        parse(10).unwrap();
    }
    assert!(left().abs_diff(before) < 4096);
}

fn asks_locally(w: &mut local::Writer) -> io::Result<()> {
    asks(w)
}

#[test]
fn stacker_sees_the_stack_of_the_program_and_of_its_host() {
    within(|| {
        for _ in 0..3 {
            pull(Local::new().chunk_size(64).pull(asks_locally));
            pull(Thread::new().chunk_size(64).capacity(64).pull(|w| asks(w)));
            pull(Pool::new(1).chunk_size(64).capacity(64).pull(|w| asks(w)));
        }
        let mut feed = Local::new().push(|r| {
            let before = left();
            io::copy(r, &mut io::sink())?;
            assert!(left().abs_diff(before) < 4096 && before <= STACK);
            parse(10)
        });
        feed.write_all(&[7; 1 << 20]).unwrap();
        parse(10).unwrap();
        feed.finish().unwrap();
    });
}

/// Many programs at a time on a worker, nested, and on all kinds of threads, so that stacks lie above and below the
/// threads' own.
#[test]
fn stacker_sees_the_stack_of_each_of_many_programs() {
    within(|| {
        // Later threads reuse stacks that were mapped early.
        thread::spawn(|| {
            let mut live: Vec<_> = (0..20).map(|_| Local::new().chunk_size(64).pull(asks_locally)).collect();
            live.iter_mut().for_each(|chunks| drop(chunks.next().unwrap().unwrap()));
        })
        .join()
        .unwrap();
        let pool = Pool::new(2).chunk_size(64).capacity(64);
        let pooled: Vec<_> = (0..10).map(|_| pool.pull(|w| asks(w))).collect();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut live: Vec<_> = (0..4).map(|_| Local::new().chunk_size(64).pull(asks_locally)).collect();
                    for _ in 0..5 {
                        let before = left();
                        live.iter_mut().for_each(|chunks| drop(chunks.next().unwrap().unwrap()));
                        assert!(left().abs_diff(before) < 4096);
                    }
                    live.into_iter().for_each(pull);
                });
            }
        });
        pooled.into_iter().for_each(pull);
        // A program pulls another, which pulls another.
        pull(Local::new().chunk_size(64).pull(|w| {
            let inner = Local::new().chunk_size(64).pull(|w| {
                asks(w)?;
                pull(Local::new().chunk_size(64).pull(asks_locally));
                asks(w)
            });
            pull(inner);
            asks(w)
        }));
    });
}

/// The first program of a process may be created on a stack that `stacker` has switched to.
#[test]
fn the_host_may_run_on_a_grown_stack() {
    within(|| {
        stacker::grow(4 * STACK, || {
            assert!(left() > 3 * STACK);
            pull(Local::new().chunk_size(64).pull(asks_locally));
        });
        parse(10).unwrap();
    });
}
