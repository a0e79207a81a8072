//! Shows a line per download: bytes, rate, and state (running, stalled, done, aborted or failed).

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use humansize::{BINARY, format_size};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The interval between two updates.
const TICK: Duration = Duration::from_millis(250);

/// A client that has requested nothing for this long counts as stalled.
const STALLED: Duration = Duration::from_secs(2);

/// All downloads of the process.
#[derive(Clone)]
pub struct Downloads {
    lines: MultiProgress,
    drawn: bool,
    running: Arc<Mutex<Vec<Weak<Download>>>>,
}

/// One download. If it is dropped before [`end`](Download::end), it was aborted.
pub struct Download {
    name: String,
    started: Instant,
    bytes: AtomicU64,
    /// The time of the last request for a chunk, in milliseconds since the start.
    asked: AtomicU64,
    stalled: AtomicBool,
    ended: AtomicBool,
    line: ProgressBar,
    all: Downloads,
}

impl Downloads {
    /// Starts a thread that draws the lines.
    pub fn start() -> Downloads {
        let all = Downloads { lines: MultiProgress::new(), drawn: io::stderr().is_terminal(), running: Arc::default() };
        let drawn = all.clone();
        thread::spawn(move || {
            loop {
                thread::sleep(TICK);
                drawn.draw();
            }
        });
        all
    }

    pub fn begin(&self, name: &str) -> Arc<Download> {
        let style =
            ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let line = self.lines.add(ProgressBar::new_spinner().with_style(style));
        let download = Arc::new(Download {
            // A name can contain terminal control characters.
            name: name.escape_debug().to_string(),
            started: Instant::now(),
            bytes: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            stalled: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            line,
            all: self.clone(),
        });
        self.say(&download.row("begun"), !self.drawn);
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&download));
        download
    }

    /// Prints a permanent line.
    pub fn log(&self, text: &str) {
        self.say(text, true);
    }

    fn say(&self, text: &str, wanted: bool) {
        if !wanted {
            return;
        }
        if self.drawn {
            // A closed terminal is not an error.
            let _ = self.lines.println(text);
        } else {
            eprintln!("{text}");
        }
    }

    fn draw(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|download| download.upgrade().is_some_and(|download| download.draw()));
    }
}

impl Download {
    /// Records that the client requests a chunk.
    pub fn asked(&self) {
        self.asked.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    pub fn count(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Ends the download. The first state that is set stays.
    pub fn end(&self, how: &str) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            self.line.finish_and_clear();
            self.all.lines.remove(&self.line);
            self.all.log(&self.row(how));
        }
    }

    /// Draws the line. Returns `false` if the download has ended.
    fn draw(&self) -> bool {
        if self.ended.load(Ordering::Relaxed) {
            return false;
        }
        let silent = self.started.elapsed().saturating_sub(Duration::from_millis(self.asked.load(Ordering::Relaxed)));
        let stalled = silent > STALLED;
        let state = if stalled { "stalled" } else { "running" };
        if self.stalled.swap(stalled, Ordering::Relaxed) != stalled {
            self.all.say(&self.row(state), !self.all.drawn);
        }
        self.line.set_message(self.row(state));
        self.line.tick();
        true
    }

    fn row(&self, state: &str) -> String {
        let bytes = self.bytes();
        let rate = bytes as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let rate = format_size(rate as u64, BINARY);
        format!("{state:8} {:>12} {:>14}  {}", format_size(bytes, BINARY), format!("{rate}/s"), self.name)
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.end("aborted");
    }
}
