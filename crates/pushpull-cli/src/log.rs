//! Output of the running server. One thread per stream writes it, so that serving never waits for a terminal or a pipe,
//! and neither stream waits for the other. Lines that do not fit are counted, and the count is logged later.

mod format;

use std::io::{self, stderr, stdout};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pushpull_gateway::host::AccessRecord;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, write};

pub use format::Format;

/// The maximum number of bytes that wait for a stream.
const MAX_WAITING: usize = 1 << 20;

/// The time that lines gather before they are written: waking a thread for each line would cost more than the line.
const GATHER: Duration = Duration::from_millis(10);

/// The maximum of one write, so that it is known how much of a stream that is no longer read was accepted.
const PIECE: usize = 16 << 10;

/// The time that [`Log::finish`] waits for a stream that is not read.
const LAST_TIME: Duration = Duration::from_secs(1);

/// The log: requests go to standard output, everything else to standard error. Clones share both queues.
#[derive(Clone)]
pub struct Log {
    requests: Arc<Queue>,
    troubles: Arc<Queue>,
    format: Format,
}

/// Lines waiting for one stream.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: String,
    /// The number of lines that wait, that are being written, and that were lost and not reported yet.
    lines: u64,
    writing: u64,
    lost: u64,
    /// `true` while the thread waits for a line.
    is_idle: bool,
}

impl Log {
    /// Starts one thread per stream.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses a thread.
    pub fn start(format: Format) -> io::Result<Log> {
        let log = Log { requests: Arc::default(), troubles: Arc::default(), format };
        let (requests, troubles) = (log.clone(), log.clone());
        let thread = |name: &str| thread::Builder::new().name(name.to_owned());
        thread("log requests").spawn(move || requests.requests.write_all(stdout().as_fd(), "request", &requests))?;
        thread("log troubles").spawn(move || troubles.troubles.write_all(stderr().as_fd(), "error", &troubles))?;
        Ok(log)
    }

    /// Logs an answered request.
    pub fn request(&self, record: &AccessRecord) {
        self.requests.add(&self.format.request(record));
    }

    /// Logs a message of a program or of the server itself.
    pub fn trouble(&self, line: &dyn std::fmt::Display) {
        self.troubles.add(&self.format.trouble(line));
    }

    /// Writes a line about the start to standard output.
    pub fn say(&self, line: &dyn std::fmt::Display) {
        self.requests.add(&self.format.said(line));
    }

    /// Writes a line about an event while the server runs to standard output.
    pub fn note(&self, line: &dyn std::fmt::Display) {
        self.requests.add(&self.format.noted(line));
    }

    /// Waits until everything is written, or until a stream accepts nothing more.
    pub fn finish(self) {
        let lost = self.requests.finish();
        if lost > 0 {
            self.trouble(&format_args!("standard output is not read: lost the last {lost} lines of the request log"));
        }
        // Lines lost on standard error cannot be reported anywhere.
        self.troubles.finish();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &str) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > MAX_WAITING {
            state.lost += 1;
            return;
        }
        state.waiting.push_str(line);
        state.lines += 1;
        if mem::take(&mut state.is_idle) {
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Writes lines as they come, and never returns. A log that cannot be written does not stop the server.
    fn write_all(&self, stream: BorrowedFd<'_>, name: &str, log: &Log) {
        let mut failing = Failing(false);
        loop {
            let lines = self.take();
            let (written, lost) = self.put(stream, &lines);
            if let Some(error) = failing.begins(written) {
                log.trouble(&format_args!("cannot write the {name} log, its lines are lost: {error}"));
            }
            if lost > 0 {
                log.trouble(&format_args!("lost {lost} lines of the {name} log: they did not fit"));
            }
        }
    }

    /// Waits for lines, then lets more of them gather.
    fn take(&self) -> String {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            state.is_idle = true;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        thread::sleep(GATHER);
        let mut state = self.lock();
        state.writing = mem::take(&mut state.lines);
        mem::take(&mut state.waiting)
    }

    /// Writes lines, and returns how many other lines were lost before.
    fn put(&self, stream: BorrowedFd<'_>, lines: &str) -> (io::Result<()>, u64) {
        let mut pieces = lines.as_bytes().chunks(PIECE);
        let written = pieces.try_for_each(|piece| {
            put_piece(stream, piece)?;
            self.lock().writing -= piece.iter().filter(|byte| **byte == b'\n').count() as u64;
            Ok(())
        });
        let mut state = self.lock();
        state.writing = 0;
        let lost = mem::take(&mut state.lost);
        drop(state);
        self.changed.notify_all();
        (written, lost)
    }

    /// Waits until everything is written or the time is up. Returns how many lines are lost.
    fn finish(&self) -> u64 {
        let until = Instant::now() + LAST_TIME;
        let mut state = self.lock();
        loop {
            let left = state.lines + state.writing;
            let time = until.saturating_duration_since(Instant::now());
            if left == 0 || time.is_zero() {
                return if left == 0 { 0 } else { left + state.lost };
            }
            state = self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn put_piece(stream: BorrowedFd<'_>, mut piece: &[u8]) -> io::Result<()> {
    while !piece.is_empty() {
        match write(stream, piece) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => piece = &piece[written..],
            Err(Errno::INTR) => {}
            // Another process that has the stream may have made it non-blocking.
            Err(Errno::AGAIN) => match poll(&mut [PollFd::from_borrowed_fd(stream, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// `true` while a stream cannot be written.
struct Failing(bool);

impl Failing {
    /// Returns the error if it is the first one after a success.
    fn begins(&mut self, written: io::Result<()>) -> Option<io::Error> {
        let was_failing = mem::replace(&mut self.0, written.is_err());
        written.err().filter(|_| !was_failing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Read;
    use std::os::fd::OwnedFd;

    fn pipe() -> (std::fs::File, OwnedFd) {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        (reader.into(), writer)
    }

    #[test]
    fn a_log_that_cannot_be_written_is_reported_once() {
        let mut failing = Failing(false);
        let told = [true, false, false, true, false, true].map(|is_well| {
            failing.begins(if is_well { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }).is_some()
        });
        assert_eq!(told, [false, true, false, false, true, false]);
    }

    #[test]
    fn requirement_17_lines_that_do_not_fit_are_counted() {
        let queue = Queue::default();
        let line = format!("{}\n", "x".repeat(MAX_WAITING / 4));
        (0..5).for_each(|_| queue.add(&line));
        let taken = queue.take();
        assert_eq!(taken.lines().count(), 3);
        let (mut reader, writer) = pipe();
        let read = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        assert_eq!(queue.put(writer.as_fd(), &taken).1, 2);
        drop(writer);
        assert!(read.join().unwrap() == taken);
        assert_eq!(queue.finish(), 0);
    }

    #[test]
    fn requirement_17_a_stream_that_does_not_block_loses_no_line() {
        let queue = Arc::new(Queue::default());
        let (mut reader, writer) = pipe();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        (0..10_000).for_each(|_| queue.add("0123456789abcde\n"));
        let own = queue.clone();
        let wrote = thread::spawn(move || own.put(writer.as_fd(), &own.take()));
        assert!((1..10_000).contains(&queue.finish()), "the rest does not wait for the reader");
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!((text.lines().count(), queue.finish()), (10_000, 0));
        assert!(wrote.join().unwrap().0.is_ok());
    }

    #[test]
    fn requirement_17_the_end_does_not_wait_for_an_unread_log() {
        let queue = Arc::new(Queue::default());
        let (reader, writer) = pipe();
        let own = queue.clone();
        // A pipe holds 64 KiB, less than all lines.
        (0..10_000).for_each(|_| queue.add("0123456789abcde\n"));
        let wrote = thread::spawn(move || own.put(writer.as_fd(), &own.take()));
        let lost = queue.finish();
        assert!((1..10_000).contains(&lost), "{lost}");
        drop(reader);
        assert!(wrote.join().unwrap().0.is_err());
    }
}
