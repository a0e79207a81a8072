//! Moves data between a program, its client and the log, all at the same time and without blocking.

use std::future::poll_fn;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep};

use super::streams::Stream;
use super::upload::Upload;
use crate::cgi::error_stream::ErrorStream;
use crate::external::ProgramLimits;
use crate::external::clock::{Clock, Limit, REST_TIME, Wait};
use crate::external::output::Output;
use crate::external::stop::Stop;
use crate::external::turn::{TURN, yield_turn};
use crate::service::report::Report;

/// The streams of a program, and their targets.
#[derive(Debug)]
pub(super) struct Pumps {
    pub(super) upload: Option<Upload>,
    pub(super) stdout: Option<Stream>,
    pub(super) stderr: Option<Stream>,
    pub(super) error_log: ErrorStream,
    pub(super) output: Output,
    clock: Clock,
    /// How many bytes of output were taken since the program ended. `None` while it runs.
    rest: Option<u64>,
}

impl Pumps {
    pub(super) fn new(
        upload: Option<Upload>,
        stdout: Stream,
        stderr: Stream,
        error_log: ErrorStream,
        output: Output,
    ) -> Pumps {
        let (stdout, stderr) = (Some(stdout), Some(stderr));
        Pumps { upload, stdout, stderr, error_log, output, clock: Clock::start(), rest: None }
    }

    /// Moves what can be moved. Ready when the program must stop.
    pub(super) fn poll(&mut self, limits: &ProgramLimits, context: &mut Context<'_>) -> Poll<Stop> {
        if self.output.poll_gone(context).is_ready() {
            return Poll::Ready(Stop::Gone);
        }
        let stop = self.poll_upload(context).err();
        self.poll_stderr(context);
        match stop.map_or_else(|| self.poll_stdout(limits, context), Err) {
            Err(stop) => Poll::Ready(stop),
            Ok(()) => Poll::Pending,
        }
    }

    fn poll_upload(&mut self, context: &mut Context<'_>) -> Result<(), Stop> {
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let mut moved = 0;
        let polled = upload.poll(&mut moved, context);
        if moved > 0 || polled.is_ready() {
            self.clock.moves();
        }
        match polled {
            Poll::Pending => Ok(()),
            Poll::Ready(result) => {
                self.upload = None;
                result.map_err(Stop::Client)
            }
        }
    }

    /// Takes one piece only: it may hold thousands of lines, each of which costs more than a chunk of a body.
    fn poll_stderr(&mut self, context: &mut Context<'_>) {
        let Some(stderr) = &mut self.stderr else { return };
        let Poll::Ready(read) = stderr.poll(context) else { return };
        match read {
            Some(text) => {
                // Writing to an error stream never fails.
                self.error_log.write_all(&text).unwrap_or_default();
                yield_turn(context);
            }
            None => self.stderr = None,
        }
    }

    fn poll_stdout(&mut self, limits: &ProgramLimits, context: &mut Context<'_>) -> Result<(), Stop> {
        for _ in 0..TURN {
            let Some(stdout) = &mut self.stdout else { return Ok(()) };
            let Poll::Ready(()) = self.output.poll_room(context) else { return Ok(()) };
            let Poll::Ready(read) = stdout.poll(context) else { return Ok(()) };
            match read {
                Some(chunk) => {
                    let len = chunk.len() as u64;
                    self.output.take(chunk, &mut self.clock, limits)?;
                    if let Some(rest) = &mut self.rest {
                        *rest += len;
                        if *rest > limits.get_max_drained() {
                            return Err(Stop::Limit(Limit::Waited(Wait::Rest)));
                        }
                    }
                }
                None => {
                    self.stdout = None;
                    self.clock.closes();
                }
            }
        }
        yield_turn(context);
        Ok(())
    }

    /// Polls for a time limit that is reached.
    pub(super) fn poll_limit(
        &mut self,
        limits: &ProgramLimits,
        timer: Pin<&mut Sleep>,
        context: &mut Context<'_>,
    ) -> Poll<Stop> {
        let wait = self.wait();
        self.clock.poll(wait, limits, timer, context).map(Stop::Limit)
    }

    /// Returns when the next limit is reached.
    pub(super) fn limit(&self, limits: &ProgramLimits) -> Instant {
        self.clock.next(self.wait(), limits).0
    }

    fn wait(&self) -> Wait {
        if self.rest.is_some() {
            return self.output.waits().unwrap_or(Wait::Rest);
        }
        if self.output.is_complete() {
            return Wait::Work;
        }
        if self.stdout.is_none() || self.output.is_redirect() {
            return Wait::Status;
        }
        if let Some(client) = self.output.waits() {
            return client;
        }
        match &self.upload {
            Some(upload) if upload.waits() => Wait::Upload,
            _ if self.output.is_unanswered() => Wait::Head,
            _ => Wait::Program,
        }
    }

    /// Ends the response of a program that continues to run without an output.
    ///
    /// # Errors
    ///
    /// Returns an error if the head is incomplete.
    pub(super) fn settle(&mut self, report: &Report) -> Result<(), Stop> {
        self.output.settle(&mut self.clock, report)
    }

    /// Returns `true` if the output has not ended.
    pub(super) fn is_open(&self) -> bool {
        self.stdout.is_some()
    }

    /// Returns `true` if no process is left that can write to the output.
    pub(super) fn is_hung_up(&self) -> bool {
        self.stdout.as_ref().is_none_or(Stream::is_hung_up)
    }

    /// Notes that the program has ended. The rest of its output is still read, and so is that of processes which
    /// inherited it, such as a filter. The amount is bounded, because such a process may be a daemon that writes
    /// forever.
    pub(super) fn finish(&mut self) {
        self.upload = None;
        self.rest = Some(0);
        self.clock.ends();
        self.stderr.iter_mut().for_each(Stream::mark);
    }

    /// Polls for the end of the output and of the program's own messages.
    pub(super) fn poll_over(&self) -> Poll<()> {
        let is_said = self.stderr.as_ref().is_none_or(Stream::is_past_mark);
        if self.stdout.is_none() && is_said { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Takes the messages of processes that the program has left behind, for a moment.
    pub(super) async fn take_last_errors(&mut self) {
        self.stdout = None;
        let taken = poll_fn(|context| {
            self.poll_stderr(context);
            if self.stderr.is_none() { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = tokio::time::timeout(REST_TIME, taken).await;
    }

    /// Closes the streams.
    pub(super) fn close(&mut self) {
        (self.upload, self.stdout, self.stderr) = (None, None, None);
    }
}
