//! The log: lines for standard output and standard error, written by threads of their own, so that serving never waits for
//! a terminal or a pipe. What does not fit is counted, and told of later.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How many lines may wait for a stream.
const MAX_WAITING: usize = 10_000;

/// How long lines gather before they are written together: a write for each would cost as much as a short request.
const GATHER: Duration = Duration::from_millis(5);

/// How long the end waits for a stream that is not read.
const LAST_TIME: Duration = Duration::from_secs(1);

enum Line {
    Text(String),
    /// Written after everything before it.
    Done(SyncSender<()>),
}

/// One stream of lines.
pub(super) struct Stream {
    lines: SyncSender<Line>,
    lost: std::sync::Arc<AtomicU64>,
}

/// The two streams.
pub(super) struct Log {
    pub(super) requests: Stream,
    pub(super) troubles: Stream,
}

impl Log {
    /// Starts the threads.
    pub(super) fn start() -> io::Result<Log> {
        Ok(Log {
            requests: Stream::start("log requests", io::stdout)?,
            troubles: Stream::start("log troubles", io::stderr)?,
        })
    }

    /// Waits until everything is written, or is not taken any more.
    pub(super) fn finish(&self) {
        self.requests.finish();
        self.troubles.finish();
    }
}

impl Stream {
    fn start<W: Write + 'static>(name: &str, to: fn() -> W) -> io::Result<Stream> {
        let (sender, receiver) = sync_channel(MAX_WAITING);
        let lost = std::sync::Arc::new(AtomicU64::new(0));
        let counted = lost.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || write_all(&receiver, &mut to(), &counted))?;
        Ok(Stream { lines: sender, lost })
    }

    /// Adds a line, with the time in front.
    pub(super) fn add(&self, line: &dyn Display) {
        self.say(format!("{} {line}\n", humantime::format_rfc3339_millis(SystemTime::now())));
    }

    /// Adds text as it is.
    pub(super) fn say(&self, text: String) {
        if self.lines.try_send(Line::Text(text)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn finish(&self) {
        let until = Instant::now() + LAST_TIME;
        let (done, told) = sync_channel(1);
        let mut line = Line::Done(done);
        // A full queue moves on only if the stream is read.
        while let Err(error) = self.lines.try_send(line) {
            let (std::sync::mpsc::TrySendError::Full(back) | std::sync::mpsc::TrySendError::Disconnected(back)) = error;
            line = back;
            if Instant::now() > until {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let _: Result<(), RecvTimeoutError> = told.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// Writes lines, a few milliseconds after they come. A log that cannot be written stops no server.
fn write_all(lines: &Receiver<Line>, to: &mut impl Write, lost: &AtomicU64) {
    while let Ok(line) = lines.recv() {
        let mut text = String::new();
        let mut done = Vec::new();
        if matches!(line, Line::Text(_)) {
            thread::sleep(GATHER);
        }
        let mut next = Some(line);
        while let Some(line) = next {
            match line {
                Line::Text(line) => text.push_str(&line),
                Line::Done(sender) => done.push(sender),
            }
            next = if text.len() < 64 << 10 { lines.try_recv().ok() } else { None };
        }
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            count => {
                let _ = writeln!(text, "{count} lines of this log did not fit and are lost");
            }
        }
        let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
        for sender in done {
            let _ = sender.send(());
        }
    }
}
