//! The output of a program: its head, then its body, then perhaps bytes that are discarded.

use std::io;
use std::mem;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::request::Parts;
use http::{Method, StatusCode};

use super::clock::{Clock, Limit, Wait};
use super::limits::ProgramLimits;
use super::programs::Permit;
use super::relay::Inlet;
use super::stop::{OPEN, Stop};
use crate::cgi::head::{Fed, HeadError, HeadParser, ResponseHead, has_no_body};
use crate::cgi::refusal::Refusal;
use crate::cgi::request::Hosted;
use crate::service::answer::DRAIN_TIME;
use crate::service::report::{Report, surplus};

/// What the response receives first.
pub(crate) type Answer = Result<Opening, Refusal>;

/// The beginning of a response.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) head: ResponseHead,
    /// How many bytes follow, if known.
    pub(crate) length: Option<u64>,
    /// The permit of a local redirect, for the program that it leads to.
    pub(crate) permit: Option<Permit>,
}

/// Splits a program's output, and passes it to the response.
#[derive(Debug)]
pub(crate) struct Output {
    inlet: Inlet<Answer>,
    phase: Phase,
    is_head_request: bool,
    /// What the response waits for when the client reads nothing.
    client: Wait,
    /// How many bytes were discarded.
    drained: u64,
}

#[derive(Debug)]
enum Phase {
    Head(HeadParser),
    /// A local redirect, which is answered when its program has ended.
    Redirect(ResponseHead),
    /// The response has its head.
    Body {
        /// How many bytes are to come, if known.
        left: Option<u64>,
        /// Whether the status is 400 or more. Programs that write an error page exit with 1, and the page is complete.
        is_error: bool,
    },
    /// The response has its content length. This number of bytes exceeds it.
    Full(u64),
    /// The response has ended.
    Done,
}

/// Why a response is, or may be, incomplete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The exit status of the program.
    Status(String),
    /// The program was ended by a signal, or its end is unknown.
    Broken(String),
    /// The program has ended, and its output has not.
    Open,
}

impl Output {
    pub(crate) fn new(inlet: Inlet<Answer>, max_head: usize, request: &Parts) -> Output {
        let is_head_request = request.method == Method::HEAD;
        let client = if request.extensions.get::<Hosted>().is_some() { Wait::Server } else { Wait::Client };
        Output { inlet, phase: Phase::Head(HeadParser::new(max_head)), is_head_request, client, drained: 0 }
    }

    /// Returns `true` if the response has no answer yet.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self.phase, Phase::Head(_) | Phase::Redirect(_))
    }

    /// Returns `true` if the response is complete.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.phase, Phase::Full(_) | Phase::Done)
    }

    /// Returns `true` if the response is a redirect, which lacks only the exit status of its program.
    pub(crate) fn is_redirect(&self) -> bool {
        matches!(self.phase, Phase::Redirect(_))
    }

    /// Returns how the client's time is limited, if the client must read before more can come.
    pub(crate) fn waits(&self) -> Option<Wait> {
        (matches!(self.phase, Phase::Body { .. }) && self.inlet.is_full()).then_some(self.client)
    }

    /// Polls for a client that disconnected before its response was complete.
    pub(crate) fn poll_gone(&self, context: &Context<'_>) -> Poll<()> {
        self.inlet.poll_gone(context)
    }

    pub(crate) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        match self.phase {
            Phase::Body { .. } => self.inlet.poll_room(context),
            _ => Poll::Ready(()),
        }
    }

    /// Takes a chunk that the program wrote, and updates the clock. There must be room for it.
    ///
    /// # Errors
    ///
    /// Returns an error if the head is invalid, or if too many bytes were discarded.
    pub(crate) fn take(&mut self, chunk: Bytes, clock: &mut Clock, limits: &ProgramLimits) -> Result<(), Stop> {
        if self.is_complete() || self.is_redirect() {
            self.drained += chunk.len() as u64;
        } else {
            clock.moves();
        }
        self.part(chunk).map_err(Stop::Head)?;
        if self.is_redirect() {
            clock.closes();
        }
        if self.is_complete() {
            clock.completes();
        }
        // A program that ignores `HEAD` may write endlessly.
        let is_endless = self.is_head_request && clock.has_been_complete_for(DRAIN_TIME);
        if is_endless || self.drained > limits.get_max_drained() { Err(Stop::Limit(Limit::Drained)) } else { Ok(()) }
    }

    fn part(&mut self, mut chunk: Bytes) -> Result<(), HeadError> {
        match &mut self.phase {
            Phase::Head(parser) => {
                if let Fed::Complete(head, used) = parser.feed(&chunk)? {
                    chunk.advance(used);
                    self.open(head, chunk);
                }
            }
            Phase::Body { left, is_error } => {
                let (left, is_error) = (*left, *is_error);
                self.pass(left, is_error, chunk);
            }
            Phase::Full(surplus) => *surplus += chunk.len() as u64,
            Phase::Redirect(_) | Phase::Done => {}
        }
        Ok(())
    }

    /// Opens the response with its head. The body begins with `rest`.
    fn open(&mut self, head: ResponseHead, rest: Bytes) {
        if head.is_local_redirect {
            self.phase = Phase::Redirect(head);
            return;
        }
        let has_body = !self.is_head_request && !has_no_body(head.status);
        let length = if has_body { head.length() } else { Some(0) };
        // The body comes first, so that a complete body is sent together with its head.
        if has_body {
            let is_error = head.status.as_u16() >= 400;
            self.pass(length, is_error, rest);
        } else {
            self.done(Ok(()));
        }
        self.inlet.answer(Ok(Opening { head, length, permit: None }));
    }

    /// Passes on a chunk of the body, of which `left` bytes are to come. Discards the bytes beyond.
    fn pass(&mut self, left: Option<u64>, is_error: bool, mut chunk: Bytes) {
        let written = chunk.len();
        let left = left.map(|left| {
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left - chunk.len() as u64
        });
        self.phase = Phase::Body { left, is_error };
        let surplus = (written - chunk.len()) as u64;
        if !chunk.is_empty() {
            self.inlet.send(chunk);
        }
        if left == Some(0) {
            self.done(Ok(()));
            self.phase = Phase::Full(surplus);
        }
    }

    /// Fails the response after everything that was taken: by an answer, or by aborting it. Returns `true` if it was an
    /// answer, which is reported as such.
    pub(crate) fn fail(&mut self, refusal: Refusal, kind: io::ErrorKind) -> bool {
        match mem::replace(&mut self.phase, Phase::Done) {
            Phase::Head(_) | Phase::Redirect(_) => {
                self.inlet.answer(Err(refusal));
                self.done(Ok(()));
                true
            }
            Phase::Body { .. } => {
                self.done(Err(io::Error::new(kind, refusal)));
                false
            }
            Phase::Full(_) | Phase::Done => false,
        }
    }

    /// Ends the response of a program that has closed its output, or redirects, and continues to run.
    ///
    /// # Errors
    ///
    /// Returns an error if the head is incomplete.
    pub(crate) fn settle(&mut self, clock: &mut Clock, report: &Report) -> Result<(), Stop> {
        if matches!(self.phase, Phase::Head(_)) {
            return Err(Stop::Head(HeadError::Incomplete));
        }
        // The running program keeps its permit.
        self.finish(None, None, report);
        clock.completes();
        Ok(())
    }

    /// Ends the response after all output was taken, with a failure if there is one. Logs what the client's answer does
    /// not contain.
    pub(crate) fn finish(&mut self, failure: Option<Failure>, permit: Option<Permit>, report: &Report) {
        let reason = match (failure, &self.phase) {
            (Some(Failure::Status(status)), Phase::Body { left: None, is_error: true }) => {
                report.failure(&status);
                None
            }
            (Some(Failure::Status(reason) | Failure::Broken(reason)), _) => Some(reason),
            (Some(Failure::Open), Phase::Body { .. }) => Some(OPEN.to_owned()),
            (_, Phase::Body { left: Some(left), .. }) => {
                Some(format!("the program wrote {left} bytes fewer than its content length"))
            }
            // A fault of the program, but its response is complete.
            (_, Phase::Full(bytes @ 1..)) => Some(surplus(*bytes)),
            (_, Phase::Head(_)) => Some(HeadError::Incomplete.to_string()),
            _ => None,
        };
        if let Some(reason) = reason {
            let refusal = Refusal::new(StatusCode::BAD_GATEWAY, reason.clone());
            if !self.fail(refusal, io::ErrorKind::UnexpectedEof) {
                report.failure(&reason);
            }
            return;
        }
        if let Phase::Redirect(head) = mem::replace(&mut self.phase, Phase::Done) {
            self.inlet.answer(Ok(Opening { head, length: Some(0), permit }));
        }
        self.done(Ok(()));
    }

    fn done(&mut self, result: io::Result<()>) {
        self.phase = Phase::Done;
        self.inlet.end(result);
    }
}
