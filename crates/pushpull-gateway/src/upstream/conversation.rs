//! The task that exchanges one request for its response. It moves data both ways at the same time, and outlives a
//! dropped response until the connection is closed.

use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::StatusCode;

use super::connection::{Connecting, Socket, connect};
use super::idle::{Idle, Unheard};
use super::receiving::{Ended, Heard, Receiving};
use super::sending::Sending;
use super::settings::Settings;
use crate::cgi::error_stream::ErrorStream;
use crate::cgi::refusal::Refusal;
use crate::external::clock::{Clock, Limit, Wait};
use crate::external::output::Output;
use crate::external::programs::{Counted, Permit, Programs, is_full};
use crate::external::stop::Stop;
use crate::external::turn::{TURN, yield_turn};
use crate::fastcgi::ProtocolStatus;
use crate::service::report::Report;
use crate::workers::turnover::Entered;

/// A request, and the connection on which it is answered.
pub(super) struct Conversation {
    settings: Arc<Settings>,
    idle: Arc<Idle>,
    link: Link,
    /// Counts the request among those of workers of this process, and lets none be replaced that would lose it.
    entered: Option<Entered>,
    /// Present until something arrives on a new connection.
    unheard: Option<Unheard>,
    sending: Sending,
    output: Output,
    error_log: ErrorStream,
    clock: Clock,
    /// Whether the application has ended its output, but not the request.
    has_closed: bool,
}

enum Link {
    Connecting(Connecting),
    Open {
        socket: Socket,
        receiving: Receiving,
        /// Whether the connection was used before: the application may have closed it.
        was_kept: bool,
    },
    Closed,
}

/// What counts a conversation, and reports its failure.
pub(super) struct Place {
    pub(super) programs: Arc<Programs>,
    pub(super) report: Report,
    pub(super) permit: Permit,
    pub(super) counted: Counted,
}

impl Conversation {
    /// Creates a conversation, on a kept connection if there is one. The request must then be safe to send twice.
    pub(super) fn new(
        settings: Arc<Settings>,
        idle: Arc<Idle>,
        kept: Option<Socket>,
        sending: Sending,
        output: Output,
        error_log: ErrorStream,
    ) -> Conversation {
        let link = match kept {
            Some(socket) => Link::Open { socket, receiving: Receiving::new(), was_kept: true },
            None => Link::Connecting(connect(&settings)),
        };
        let unheard = matches!(link, Link::Connecting(_)).then(|| idle.unheard());
        Conversation {
            settings,
            idle,
            link,
            entered: None,
            unheard,
            sending,
            output,
            error_log,
            clock: Clock::start(),
            has_closed: false,
        }
    }

    /// Runs until the request has been answered, or will not be.
    pub(super) async fn run(mut self, place: Place) {
        let Place { programs, report, permit, counted } = place;
        match self.ended(&programs, &report).await {
            Ok(ended) => {
                self.part();
                drop(counted);
                // A redirect needs a permit for the next program.
                let permit = self.output.is_unanswered().then_some(permit);
                self.finish(ended, permit, &report);
            }
            Err(stop) => {
                self.unheard = None;
                // Only closing is reliable: php-fpm, for example, ignores ABORT_REQUEST.
                self.link = Link::Closed;
                drop(counted);
                stop.fail(&mut self.output, &report);
                if matches!(stop, Stop::Limit(Limit::Drained)) {
                    // A redirect does not need the output that was not taken.
                    self.output.finish(None, Some(permit), &report);
                    report.failure(&stop);
                }
            }
        }
    }

    async fn ended(&mut self, programs: &Programs, report: &Report) -> Result<Ended, Stop> {
        let settings = self.settings.clone();
        let mut timer = pin!(tokio::time::sleep_until(self.clock.next(self.wait(), &settings.common.limits).0));
        let mut server = pin!(programs.stopped());
        loop {
            let ended = poll_fn(|context| {
                if server.as_mut().poll(context).is_ready() || programs.is_stopping() {
                    return Poll::Ready(Err(Stop::Server));
                }
                match self.poll(context) {
                    Err(stop) => Poll::Ready(Err(stop)),
                    Ok(Some(ended)) => Poll::Ready(Ok(ended)),
                    Ok(None) => {
                        let wait = self.wait();
                        let reached = self.clock.poll(wait, &settings.common.limits, timer.as_mut(), context);
                        reached.map(|limit| Err(Stop::Limit(limit)))
                    }
                }
            });
            match ended.await {
                // The application continues without an output; its response does not wait for it.
                Err(Stop::Limit(Limit::Waited(Wait::Status))) => self.output.settle(&mut self.clock, report)?,
                ended => return ended,
            }
        }
    }

    fn wait(&self) -> Wait {
        if self.output.is_complete() {
            return Wait::Work;
        }
        if self.has_closed || self.output.is_redirect() {
            return Wait::Status;
        }
        if let Some(client) = self.output.waits() {
            return client;
        }
        match () {
            () if self.sending.waits() => Wait::Upload,
            () if self.output.is_unanswered() => Wait::Head,
            () => Wait::Program,
        }
    }

    /// Moves what can be moved. Returns `None` while the request continues.
    fn poll(&mut self, context: &mut Context<'_>) -> Result<Option<Ended>, Stop> {
        loop {
            if self.output.poll_gone(context).is_ready() {
                return Err(Stop::Gone);
            }
            if let Link::Connecting(connecting) = &mut self.link {
                let Poll::Ready(connected) = connecting.as_mut().poll(context) else { return Ok(None) };
                let (socket, entered) = connected.map_err(|error| self.not_connected(&error))?;
                self.entered = entered;
                self.link = Link::Open { socket, receiving: Receiving::new(), was_kept: false };
            }
            let mut moved = 0;
            if let Link::Open { socket, .. } = &mut self.link {
                self.sending.poll(socket, &mut moved, context).map_err(Stop::Client)?;
            }
            if moved > 0 {
                self.clock.moves();
            }
            match self.receive(context)? {
                Received::Nothing => return Ok(None),
                Received::All(ended) => return Ok(Some(ended)),
                Received::Lost(reason) => self.connect_again(reason)?,
            }
        }
    }

    fn receive(&mut self, context: &mut Context<'_>) -> Result<Received, Stop> {
        for _ in 0..TURN {
            let Link::Open { socket, receiving, .. } = &mut self.link else { return Ok(Received::Nothing) };
            // One stream carries everything: output that the client does not read blocks what follows it. An end that
            // has already arrived is still seen, because it determines the length of a short response.
            let has_room = self.output.poll_room(context).is_ready();
            match receiving.next() {
                Ok(Some(Heard::Output(chunk))) if !has_room => {
                    receiving.hold(Heard::Output(chunk));
                    return Ok(Received::Nothing);
                }
                Ok(Some(Heard::Output(chunk))) => {
                    self.output.take(chunk, &mut self.clock, &self.settings.common.limits)?;
                }
                Ok(Some(Heard::Errors(text))) => {
                    self.clock.moves();
                    // Writing to an error stream never fails.
                    self.error_log.write_all(&text).unwrap_or_default();
                }
                Ok(Some(Heard::Closed)) => {
                    self.has_closed = true;
                    self.clock.closes();
                }
                Ok(Some(Heard::End(ended))) => return Ok(Received::All(ended)),
                Ok(None) if !has_room => return Ok(Received::Nothing),
                Ok(None) => match receiving.poll_read(socket, context) {
                    Poll::Pending => return Ok(Received::Nothing),
                    Poll::Ready(Ok(true)) => self.unheard = None,
                    Poll::Ready(Ok(false)) => return Ok(Received::Lost("closed its connection".to_owned())),
                    Poll::Ready(Err(error)) => return Ok(Received::Lost(format!("lost its connection: {error}"))),
                },
                Err(malformed) => {
                    let reason = format!("the application does not speak FastCGI: {malformed}");
                    return Err(Stop::Connection(Refusal::new(StatusCode::BAD_GATEWAY, reason)));
                }
            }
        }
        yield_turn(context);
        Ok(Received::Nothing)
    }

    /// Connects again after the connection was lost. The application may have closed a kept connection before the
    /// request arrived. Such a request is sent again on a new connection, once.
    fn connect_again(&mut self, reason: String) -> Result<(), Stop> {
        if let Link::Open { receiving, was_kept: true, .. } = &self.link
            && !receiving.has_begun()
            && self.sending.rewind()
        {
            tracing::debug!(target: "pushpull::upstream", "a kept connection was closed; sending the request again");
            self.link = Link::Connecting(connect(&self.settings));
            self.unheard = Some(self.idle.unheard());
            return Ok(());
        }
        let reason = format!("the application {reason} before the end of its answer");
        Err(Stop::Connection(Refusal::new(StatusCode::BAD_GATEWAY, reason)))
    }

    /// Returns the reason that there is no connection: a temporary shortage, or no application.
    fn not_connected(&self, error: &io::Error) -> Stop {
        let status = if is_full(error) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_GATEWAY };
        Stop::Connection(Refusal::new(status, format!("cannot connect to {}: {error}", self.settings.address)))
    }

    /// Keeps the connection for the next request, if nothing of this one is left on it.
    fn part(&mut self) {
        let link = std::mem::replace(&mut self.link, Link::Closed);
        if let Link::Open { socket, mut receiving, .. } = link
            && self.sending.is_sent()
            && receiving.is_clean()
        {
            self.idle.keep(socket, self.settings.max_idle, self.settings.idle_timeout);
        }
    }

    /// Ends the response, after the application has ended the request.
    fn finish(&mut self, ended: Ended, permit: Option<Permit>, report: &Report) {
        let (status, reason) = match ended.status {
            Some(ProtocolStatus::RequestComplete) => {
                let message = || format!("the application ended the request with status {}", ended.app_status);
                let failing = (ended.app_status != 0).then(message);
                let failure = failing.and_then(|message| self.settings.common.exit_status.failing(message, report));
                return self.output.finish(failure, permit, report);
            }
            Some(ProtocolStatus::Overloaded) => (StatusCode::SERVICE_UNAVAILABLE, "the application is overloaded"),
            Some(ProtocolStatus::CantMpxConn) => {
                (StatusCode::BAD_GATEWAY, "the application refuses another request on the connection")
            }
            Some(ProtocolStatus::UnknownRole) => (StatusCode::BAD_GATEWAY, "the application is not a responder"),
            None => (StatusCode::BAD_GATEWAY, "the application ended the request with an unknown status"),
        };
        Stop::Connection(Refusal::new(status, reason)).fail(&mut self.output, report);
    }
}

enum Received {
    /// Nothing more for now.
    Nothing,
    All(Ended),
    Lost(String),
}
