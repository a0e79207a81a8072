//! One process of an application, and what it writes.

use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::settings::Workers;
use super::socket::Socket;
use crate::cgi::environ::Environ;
use crate::cgi::error_stream::ErrorStream;
use crate::external::turn::yield_turn;
use crate::script::{Ended, MAX_ERRORS, Process, Stream};

/// A process, which leads a group of its own. If it is dropped, it is killed with its group, and reaped.
pub(super) struct Worker {
    process: Process,
    outputs: [Output; 2],
    started: Instant,
}

/// A stream of a process, until it is closed.
struct Output {
    stream: Option<Stream>,
    log: ErrorStream,
}

impl Worker {
    /// Starts a process with the socket as its descriptor 0.
    pub(super) fn start(settings: &Workers, socket: &Socket) -> io::Result<Worker> {
        let mut command = settings.program.command(&Environ::new(), socket.descriptor()?.into());
        let (process, streams) = Process::start_bound(&mut command)?;
        let output = |pipe| {
            let stream = Some(Stream::new(pipe, MAX_ERRORS)?);
            io::Result::Ok(Output { stream, log: settings.error_log.clone() })
        };
        let outputs = [output(streams.stdout)?, output(streams.stderr)?];
        Ok(Worker { process, outputs, started: Instant::now() })
    }

    pub(super) fn id(&self) -> i32 {
        self.process.id()
    }

    /// Returns how long ago the process was started.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Polls for the end of the process. Meanwhile, logs what it writes.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Ended> {
        for output in &mut self.outputs {
            output.poll(context);
        }
        self.process.poll_ended(context)
    }

    /// Signals the process, and not its group: a child of it may not know the signal.
    pub(super) fn signal(&self, signal: Signal) {
        self.process.signal_leader(signal);
    }

    /// Kills what a process that has ended left of its group, and logs what it still wrote.
    pub(super) async fn end(self) {
        let Worker { process, mut outputs, .. } = self;
        mark(&mut outputs);
        process.kill().await;
        finish(&mut outputs).await;
    }

    /// Sends SIGTERM to the group, and SIGKILL after `grace`. Meanwhile, logs what is written.
    pub(super) async fn stop(self, grace: Duration) {
        let Worker { process, mut outputs, .. } = self;
        let mut stopped = pin!(process.stop(grace));
        poll_fn(|context| {
            outputs.iter_mut().for_each(|output| output.poll(context));
            stopped.as_mut().poll(context)
        })
        .await;
        mark(&mut outputs);
        finish(&mut outputs).await;
    }
}

/// Notes how much a process has written: the rest is of others, to whom it left its streams.
fn mark(outputs: &mut [Output]) {
    outputs.iter_mut().filter_map(|output| output.stream.as_mut()).for_each(Stream::mark);
}

/// Logs what a process has written before the mark.
async fn finish(outputs: &mut [Output]) {
    poll_fn(|context| {
        outputs.iter_mut().for_each(|output| output.finish(context));
        Poll::Ready(())
    })
    .await;
}

impl Output {
    /// Logs one piece, which may hold many lines.
    fn poll(&mut self, context: &mut Context<'_>) {
        if self.take(context) {
            yield_turn(context);
        }
    }

    /// Logs what the process itself has written.
    fn finish(&mut self, context: &mut Context<'_>) {
        while self.stream.as_ref().is_some_and(|stream| !stream.is_past_mark()) && self.take(context) {}
    }

    fn take(&mut self, context: &mut Context<'_>) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        match stream.poll(context) {
            Poll::Pending => return false,
            // Writing to an error stream never fails.
            Poll::Ready(Some(text)) => self.log.write_all(&text).unwrap_or_default(),
            Poll::Ready(None) => self.stream = None,
        }
        true
    }
}
