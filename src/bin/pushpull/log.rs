//! What the program says while it runs. A thread of its own writes it, so that nobody who serves waits for a terminal or
//! a pipe; what does not fit is counted.

use std::io::{self, Write};
use std::iter;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

/// How many lines may wait. A line of an error stream is 8 KiB long at the most.
const MOST_LINES: usize = 4096;

/// How long lines gather before they are written: to wake a thread for each would cost more than the line.
const GATHER: Duration = Duration::from_millis(10);

/// Takes lines for standard output (requests) and standard error (everything else). A clone writes to the same.
#[derive(Clone)]
pub struct Log {
    lines: SyncSender<Line>,
    lost: Arc<AtomicU64>,
}

enum Line {
    Request(String),
    Trouble(String),
}

/// The thread that writes. It ends when all logs are dropped.
pub struct Writing(JoinHandle<()>);

impl Log {
    pub fn start() -> io::Result<(Log, Writing)> {
        let (lines, queue) = sync_channel(MOST_LINES);
        let log = Log { lines, lost: Arc::default() };
        let lost = log.lost.clone();
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || write(&queue, &lost))?;
        Ok((log, Writing(thread)))
    }

    /// A request that was answered.
    pub fn request(&self, line: &dyn std::fmt::Display) {
        self.add(Line::Request(stamped(line)));
    }

    /// What a program or the server itself has to say.
    pub fn trouble(&self, line: &str) {
        self.add(Line::Trouble(stamped(&line)));
    }

    fn add(&self, line: Line) {
        if self.lines.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Writing {
    /// Waits until everything is written.
    pub fn finish(self) {
        let _ = self.0.join();
    }
}

fn stamped(line: &dyn std::fmt::Display) -> String {
    format!("{} {line}\n", humantime::format_rfc3339_millis(SystemTime::now()))
}

/// Writes what has gathered in one piece, then waits for more. A log that cannot be written stops no server, but is told of.
fn write(queue: &Receiver<Line>, lost: &AtomicU64) {
    let (mut requests, mut troubles, mut is_lost) = (String::new(), String::new(), false);
    while let Ok(first) = queue.recv() {
        thread::sleep(GATHER);
        for line in iter::once(first).chain(queue.try_iter().take(MOST_LINES)) {
            match &line {
                Line::Request(line) => requests.push_str(line),
                Line::Trouble(line) => troubles.push_str(line),
            }
        }
        let count = lost.swap(0, Ordering::Relaxed);
        if count > 0 {
            troubles.push_str(&stamped(&format_args!("{count} lines of the log did not fit and are lost")));
        }
        if let Some(error) = put(&mut io::stdout(), &requests, &mut is_lost) {
            troubles.push_str(&stamped(&format_args!("the log of requests cannot be written, and is lost: {error}")));
        }
        let _ = io::stderr().write_all(troubles.as_bytes());
        requests.clear();
        troubles.clear();
    }
}

/// Writes lines. Says why they are lost: once, until they are not.
fn put(out: &mut impl Write, lines: &str, is_lost: &mut bool) -> Option<io::Error> {
    if lines.is_empty() {
        return None;
    }
    let failed = out.write_all(lines.as_bytes()).and_then(|()| out.flush()).err();
    let was_lost = mem::replace(is_lost, failed.is_some());
    failed.filter(|_| !was_lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_cannot_be_written_is_told_of_once() {
        let mut is_lost = false;
        let mut told = |out: &mut dyn Write, lines| put(&mut &mut *out, lines, &mut is_lost).is_some();
        let (mut full, mut good) = (&mut [0_u8; 0][..], Vec::new());
        assert!(!told(&mut good, "a\n"));
        assert!(told(&mut full, "b\n"));
        assert!(!told(&mut full, "c\n"));
        assert!(!told(&mut good, ""));
        assert!(!told(&mut full, "d\n"));
        assert!(!told(&mut good, "e\n"));
        assert!(told(&mut full, "f\n"));
        assert_eq!(good, b"a\ne\n");
    }
}
