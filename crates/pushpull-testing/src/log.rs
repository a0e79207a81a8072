//! What a server under test says on standard error.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long an event may take before it counts as missing.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Its lines, as they come.
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

    /// Waits until `count` lines have `word` in them. Not at their beginning: a library may print what is no whole line.
    pub fn wait_for(&self, word: &str, count: usize) -> Vec<String> {
        let mut lines = self.0.lines.lock().unwrap();
        let until = Instant::now() + DEADLINE;
        loop {
            let found: Vec<String> = lines.iter().filter(|line| line.contains(word)).cloned().collect();
            if found.len() >= count {
                return found;
            }
            let left = until.checked_duration_since(Instant::now());
            let left = left.unwrap_or_else(|| panic!("{count} times {word:?} did not come: {lines:#?}"));
            lines = self.0.grown.wait_timeout(lines, left).unwrap().0;
        }
    }
}
