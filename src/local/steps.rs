//! A filter without input and output of its own: for hosts that have their own way of moving bytes.

use std::io;

use bytes::Bytes;

use super::bridge::{Bridge, ENGINE, Pause};
use super::exchange::Given;
use super::filter::LocalFilterProgram;
use super::{Reader, Writer};
use crate::ended::{Ledger, Outcome};
use crate::error::Error;
use crate::options::Options;
use crate::runtime::program;
use crate::stats::Stats;

/// A program that reads and writes, run step by step. Nothing in it waits or does input or output.
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
    /// The program has asked for input and been given none.
    hungry: bool,
    bytes: u64,
    chunks: u64,
    ledger: Ledger,
}

#[derive(Debug)]
enum StepsStage {
    Running(Bridge),
    Refused(io::Error),
    Over,
}

/// What a program came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It wrote this.
    Chunk(Bytes),
    /// It reads: call [`give`](Steps::give), [`end`](Steps::end) or [`fail`](Steps::fail), and step again.
    NeedsInput,
    /// It has ended.
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
            hungry: false,
            bytes: 0,
            chunks: 0,
            ledger: Ledger::open(ENGINE, options.name.as_ref(), options.hook()),
        }
    }

    /// Gives the program a chunk to read, after those that it was given before. They are kept until it reads them: to
    /// hold only one, give when [`Step::NeedsInput`] asks for it. An empty chunk is no input.
    pub fn give(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.put(Given::Chunk(chunk));
        }
    }

    /// Says that there is no more input after what was given. What is given later is not read.
    pub fn end(&mut self) {
        self.put(Given::End);
    }

    /// Lets the program's read fail, after what was given. What is given later is not read.
    pub fn fail(&mut self, error: io::Error) {
        self.put(Given::Error(error));
    }

    fn put(&mut self, given: Given) {
        if let StepsStage::Running(bridge) = &self.bridge {
            bridge.give(given);
            self.hungry = false;
        }
    }

    /// Runs the program until it writes a chunk, reads what it has not been given, or ends.
    ///
    /// # Errors
    ///
    /// The error that the program ended with, once; after it, [`Step::End`].
    pub fn step(&mut self) -> io::Result<Step> {
        if self.hungry {
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
            Ok(Step::End) => self.tell(Outcome::Finished, None),
            Err(error) => self.tell(Outcome::of(Some(error)), Some(error)),
        }
        step
    }

    /// The bridge has ended; whoever asked for that is told, the first time.
    fn tell(&mut self, outcome: Outcome, error: Option<&io::Error>) {
        self.ledger.close(outcome, error, || Stats::unqueued(self.bytes, self.chunks));
    }

    /// What has happened so far: bytes and chunks are those that the program has written.
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
                Pause::Hungry => {
                    self.hungry = true;
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
            self.tell(Outcome::Disconnected, None);
        }
    }
}
