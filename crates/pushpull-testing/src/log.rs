//! The standard error of a server under test.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The maximum time that an event may take.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The lines that the server has logged so far.
pub struct Log(Arc<Lines>);

#[derive(Default)]
struct Lines {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Log {
    pub fn of(stderr: impl Read + Send + 'static) -> Log {
        let log = Log(Arc::default());
        let written = log.0.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                written.lines.lock().unwrap().push(line);
                written.grown.notify_all();
            }
        });
        log
    }

    /// Waits until `count` lines contain `word`, and returns them. The word may be anywhere in a line, because a
    /// library may print a line without its end.
    pub fn wait_for(&self, word: &str, count: usize) -> Vec<String> {
        let mut lines = self.0.lines.lock().unwrap();
        let until = Instant::now() + DEADLINE;
        loop {
            let found: Vec<String> = lines.iter().filter(|line| line.contains(word)).cloned().collect();
            if found.len() >= count {
                return found;
            }
            let left = until.checked_duration_since(Instant::now());
            let left = left.unwrap_or_else(|| panic!("expected {count} lines with {word:?}: {lines:#?}"));
            lines = self.0.grown.wait_timeout(lines, left).unwrap().0;
        }
    }
}
