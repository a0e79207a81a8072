//! What the program says while it runs. Threads of their own write it, one for each stream, so that serving never waits for
//! a terminal or a pipe, nor one stream for the other. What does not fit is counted, and logged later.

use std::io::{self, stderr, stdout};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::io::{Errno, write};

/// How many bytes of lines may wait for a stream.
const MAX_WAITING: usize = 1 << 20;

/// How long lines gather before they are written: to wake a thread for each would cost more than the line.
const GATHER: Duration = Duration::from_millis(10);

/// How much is written at once, so that it is known what was taken of a stream that is no longer read.
const PIECE: usize = 16 << 10;

/// How long the end waits for a stream that is not read.
const LAST_TIME: Duration = Duration::from_secs(1);

/// Takes lines for standard output (requests) and standard error (everything else). A clone writes to the same.
#[derive(Clone)]
pub struct Log {
    requests: Arc<Queue>,
    troubles: Arc<Queue>,
}

/// The lines on their way to one stream.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: String,
    /// How many lines wait, how many are being written, and how many were lost and not told of.
    lines: u64,
    writing: u64,
    lost: u64,
    /// The thread waits for a line.
    is_idle: bool,
}

impl Log {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// Returns an error if the system has no thread to give.
    pub fn start() -> io::Result<Log> {
        let log = Log { requests: Arc::default(), troubles: Arc::default() };
        let (requests, troubles) = (log.clone(), log.clone());
        let thread = |name: &str| thread::Builder::new().name(name.to_owned());
        thread("log requests").spawn(move || requests.requests.write_all(stdout().as_fd(), "requests", &requests))?;
        thread("log troubles").spawn(move || troubles.troubles.write_all(stderr().as_fd(), "troubles", &troubles))?;
        Ok(log)
    }

    /// Logs a request that was answered.
    pub fn request(&self, line: &dyn std::fmt::Display) {
        self.requests.add(&stamped(line));
    }

    /// Logs what a program or the server itself has to say.
    pub fn trouble(&self, line: &dyn std::fmt::Display) {
        self.troubles.add(&stamped(line));
    }

    /// Says a line on standard output, as it is.
    pub fn say(&self, line: &str) {
        self.requests.add(line);
    }

    /// Waits until everything is written, or is not taken any more.
    pub fn finish(self) {
        let lost = self.requests.finish();
        if lost > 0 {
            self.trouble(&format_args!(
                "standard output is not read: the last {lost} lines of the log of requests are lost"
            ));
        }
        // There is no place to say what is lost here.
        self.troubles.finish();
    }
}

fn stamped(line: &dyn std::fmt::Display) -> String {
    format!("{} {line}\n", humantime::format_rfc3339_millis(SystemTime::now()))
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock.
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

    /// Writes lines as they come, without end. A log that cannot be written stops no server.
    fn write_all(&self, stream: BorrowedFd<'_>, name: &str, log: &Log) {
        let mut failing = Failing(false);
        loop {
            let lines = self.take();
            let (written, lost) = self.put(stream, &lines);
            if let Some(error) = failing.begins(written) {
                log.trouble(&format_args!("the log of {name} cannot be written, and is lost: {error}"));
            }
            if lost > 0 {
                log.trouble(&format_args!("{lost} lines of the log of {name} did not fit and are lost"));
            }
        }
    }

    /// Waits for lines, and lets more of them gather.
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

    /// Writes lines, and says how many others were lost before.
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

    /// Waits until everything is written, or until nothing was for a while: returns how many lines are lost then.
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
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether a stream cannot be written.
struct Failing(bool);

impl Failing {
    /// The error, if it is the first after a success.
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
    fn a_log_that_cannot_be_written_is_told_of_once() {
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
    fn requirement_17_the_end_does_not_wait_for_a_log_that_is_not_read() {
        let queue = Arc::new(Queue::default());
        let (reader, writer) = pipe();
        let own = queue.clone();
        // A pipe holds 64 KiB.
        (0..10_000).for_each(|_| queue.add("0123456789abcde\n"));
        let wrote = thread::spawn(move || own.put(writer.as_fd(), &own.take()));
        let lost = queue.finish();
        assert!((1..10_000).contains(&lost), "{lost}");
        drop(reader);
        assert!(wrote.join().unwrap().0.is_err());
    }
}
