//! What becomes of a program's output: first it is its head, then the body, then perhaps what nobody gets.

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
use crate::cgi::request::ClientWatched;
use crate::service::answer::DRAIN_TIME;
use crate::service::report::{Report, surplus};

/// What the response is told first.
pub(crate) type Answer = Result<Opening, Refusal>;

/// How a response begins.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) head: ResponseHead,
    /// How many bytes follow, if that is known.
    pub(crate) length: Option<u64>,
    /// For the program that a local redirect leads to.
    pub(crate) permit: Option<Permit>,
}

/// Where a program's output goes.
#[derive(Debug)]
pub(crate) struct Output {
    inlet: Inlet<Answer>,
    phase: Phase,
    is_head_request: bool,
    /// What is waited for when the client takes nothing.
    client: Wait,
    /// How many bytes went nowhere.
    drained: u64,
}

#[derive(Debug)]
enum Phase {
    Head(HeadParser),
    /// A local redirect, which is answered when its program has gone.
    Redirect(ResponseHead),
    /// The response has its head.
    Body {
        /// How many bytes are to come, if that is known.
        left: Option<u64>,
        /// It has a status of 400 or more: programs that write such a page exit with 1, and it is whole.
        is_error: bool,
    },
    /// The response has as much as its content length says. So many bytes have come beyond it.
    Full(u64),
    /// The response has everything.
    Done,
}

/// Why a response is not whole, or may not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The exit status of its program says so.
    Status(String),
    /// Its program was ended by a signal, or it is not known how it ended.
    Broken(String),
    /// Its program has ended, and its output has not.
    Open,
}

impl Output {
    pub(crate) fn new(inlet: Inlet<Answer>, most_head: usize, request: &Parts) -> Output {
        let is_head_request = request.method == Method::HEAD;
        let client = if request.extensions.get::<ClientWatched>().is_some() { Wait::Server } else { Wait::Client };
        Output { inlet, phase: Phase::Head(HeadParser::new(most_head)), is_head_request, client, drained: 0 }
    }

    /// The response waits for its answer.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self.phase, Phase::Head(_) | Phase::Redirect(_))
    }

    /// The response has all that belongs to it.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.phase, Phase::Full(_) | Phase::Done)
    }

    /// The response has all but the exit status of its program.
    pub(crate) fn is_redirect(&self) -> bool {
        matches!(self.phase, Phase::Redirect(_))
    }

    /// Says who keeps the client to its time, if the client has to take something before more can come.
    pub(crate) fn waits(&self) -> Option<Wait> {
        (matches!(self.phase, Phase::Body { .. }) && self.inlet.is_full()).then_some(self.client)
    }

    /// Ready when the client has gone without all that belongs to its response.
    pub(crate) fn poll_gone(&self, context: &Context<'_>) -> Poll<()> {
        self.inlet.poll_gone(context)
    }

    pub(crate) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        match self.phase {
            Phase::Body { .. } => self.inlet.poll_room(context),
            _ => Poll::Ready(()),
        }
    }

    /// Takes what the program wrote, and has the clock know of it. There has to be room for it.
    ///
    /// # Errors
    ///
    /// Returns an error if it begins with no head, or if more goes nowhere than may.
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
        // The program does not know that it answers a HEAD request: it may write for as long as it has a client.
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

    /// The head is there, and the body begins with `rest`.
    fn open(&mut self, head: ResponseHead, rest: Bytes) {
        if head.is_local_redirect {
            self.phase = Phase::Redirect(head);
            return;
        }
        let has_body = !self.is_head_request && !has_no_body(head.status);
        let length = if has_body { head.length() } else { Some(0) };
        // First, so that a body that is all there goes out with its head.
        if has_body {
            let is_error = head.status.as_u16() >= 400;
            self.pass(length, is_error, rest);
        } else {
            self.done(Ok(()));
        }
        self.inlet.answer(Ok(Opening { head, length, permit: None }));
    }

    /// Hands on a chunk of the body, of which `left` bytes are to come. What is more goes nowhere.
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

    /// The response fails, after all that was taken: with an answer that says so, or cut. Says whether it is an answer,
    /// which is reported as such.
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

    /// Ends the response of a program that has closed its output, or redirects, and goes on running.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no response: the head is not complete.
    pub(crate) fn settle(&mut self, clock: &mut Clock, report: &Report) -> Result<(), Stop> {
        if matches!(self.phase, Phase::Head(_)) {
            return Err(Stop::Head(HeadError::Incomplete));
        }
        // The program needs its permit itself.
        self.finish(None, None, report);
        clock.completes();
        Ok(())
    }

    /// Ends the response, with all that the program wrote taken, and with this failure, if any. What no answer says is
    /// logged.
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
            // A fault, but not one of the response.
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
