//! A filter without input and output of its own, for hosts that move bytes in their own way.

use std::io;

use bytes::Bytes;

use super::bridge::{Bridge, ENGINE_NAME, Pause};
use super::exchange::Given;
use super::{Reader, Writer};
use crate::ended::{Ledger, Outcome};
use crate::error::Error;
use crate::options::Options;
use crate::runtime::program;
use crate::stats::Stats;

/// A program that reads and writes, run step by step, from [`Filter::steps`](super::Filter::steps).
///
/// Nothing in it waits or does input or output.
///
/// # Examples
///
/// ```
/// use pushpull::{Local, local::Step};
///
/// let mut steps = Local::new().filter(|r, w| std::io::copy(r, w).map(drop)).steps();
/// let mut input = ["a", "b"].into_iter();
/// let mut output = Vec::new();
/// loop {
///     match steps.step()? {
///         Step::Chunk(chunk) => output.extend_from_slice(&chunk),
///         Step::NeedsInput => match input.next() {
///             Some(text) => steps.give(text.into()),
///             None => steps.end(),
///         },
///         Step::End => break,
///     }
/// }
/// assert_eq!(output, b"ab");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Steps {
    bridge: StepsStage,
    needs_input: bool,
    bytes: u64,
    chunks: u64,
    ledger: Ledger,
}

/// A program of a filter, until it is known what it reads from.
pub(super) type LocalFilterProgram = Box<dyn FnOnce(&mut Reader, &mut Writer) -> io::Result<()>>;

#[derive(Debug)]
enum StepsStage {
    Running(Bridge),
    Refused(io::Error),
    Over,
}

/// The result of one step of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The program wrote this chunk.
    Chunk(Bytes),
    /// The program reads: call [`give`](Steps::give), [`end`](Steps::end) or [`fail`](Steps::fail), and step again.
    NeedsInput,
    /// The program has ended.
    End,
}

impl Steps {
    pub(super) fn new(options: &Options, program: LocalFilterProgram) -> Steps {
        let bridge = Bridge::new(options, |link| {
            let mut reader = Reader::fed(link.clone());
            let mut writer = Writer::new(link.clone());
            link.finish(program::run(move || program(&mut reader, &mut writer)));
        });
        Steps {
            bridge: match bridge {
                Ok(bridge) => StepsStage::Running(bridge),
                Err(error) => StepsStage::Refused(error),
            },
            needs_input: false,
            bytes: 0,
            chunks: 0,
            ledger: Ledger::open(ENGINE_NAME, options.name.as_ref(), options.hook()),
        }
    }

    /// Queues a chunk for the program to read.
    ///
    /// Chunks are kept until the program reads them. To hold only one at a time, call this after [`Step::NeedsInput`].
    /// An empty chunk is ignored.
    pub fn give(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.put(Given::Chunk(chunk));
        }
    }

    /// Ends the program's input after the queued chunks. The program does not read what is queued later.
    pub fn end(&mut self) {
        self.put(Given::End);
    }

    /// Makes the program's read return `error` after the queued chunks. The program does not read what is queued later.
    pub fn fail(&mut self, error: io::Error) {
        self.put(Given::Error(error));
    }

    fn put(&mut self, given: Given) {
        if let StepsStage::Running(bridge) = &self.bridge {
            bridge.give(given);
            self.needs_input = false;
        }
    }

    /// Runs the program until it writes a chunk, needs input, or ends.
    ///
    /// # Errors
    ///
    /// Returns the error that the program ended with, once. Later calls return [`Step::End`].
    pub fn step(&mut self) -> io::Result<Step> {
        if self.needs_input {
            return Ok(Step::NeedsInput);
        }
        self.ledger.begin();
        let step = self.advance();
        match &step {
            Ok(Step::Chunk(chunk)) => {
                self.bytes += chunk.len() as u64;
                self.chunks += 1;
            }
            Ok(Step::NeedsInput) => {}
            Ok(Step::End) => self.report_end(Outcome::Finished, None),
            Err(error) => self.report_end(Outcome::of(Some(error)), Some(error)),
        }
        step
    }

    fn report_end(&mut self, outcome: Outcome, error: Option<&io::Error>) {
        self.ledger.close(outcome, error, || Stats::unqueued(self.bytes, self.chunks));
    }

    /// Returns what the program has written so far.
    pub fn stats(&self) -> Stats {
        Stats::unqueued(self.bytes, self.chunks)
    }

    fn advance(&mut self) -> io::Result<Step> {
        if let StepsStage::Running(bridge) = &mut self.bridge {
            if let Some(chunk) = bridge.resume(None) {
                return Ok(Step::Chunk(chunk));
            }
            match bridge.pause() {
                Pause::Last(chunk) => return Ok(Step::Chunk(chunk)),
                Pause::Lent => return Ok(Step::Chunk(bridge.copy_lent().0)),
                Pause::NeedsInput => {
                    self.needs_input = true;
                    return Ok(Step::NeedsInput);
                }
                Pause::Waiting | Pause::Ended => {}
            }
        }
        match std::mem::replace(&mut self.bridge, StepsStage::Over) {
            StepsStage::Running(bridge) => bridge.take_error().map_or(Ok(Step::End), Err),
            StepsStage::Refused(error) => Err(error),
            StepsStage::Over => Ok(Step::End),
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if let StepsStage::Running(bridge) = std::mem::replace(&mut self.bridge, StepsStage::Over) {
            bridge.give(Given::Error(Error::truncated()));
            drop(bridge);
            self.report_end(Outcome::Disconnected, None);
        }
    }
}
