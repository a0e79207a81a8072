//! A ring of one's own beside the rest: a lock, two conditions and a `VecDeque`.
//!
//! `cargo run --release -p pushpull-bench --example own_ring` measures for half a minute, and writes `own_ring.html`.
//! `-- --quick` only checks that it works.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pushpull_bench::{About, Bench, Lack, Question, Queue, gone};

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    chunks: VecDeque<Bytes>,
    places: usize,
    is_open: bool,
}

/// Either end. The ring is closed when one of them is dropped.
struct End(Arc<Shared>);

impl End {
    fn pair(places: usize) -> (End, End) {
        let state = State { chunks: VecDeque::with_capacity(places), places, is_open: true };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        (End(shared.clone()), End(shared))
    }

    fn send(&self, chunk: Bytes) -> Result<(), Bytes> {
        let state = self.0.state.lock().unwrap();
        let mut state =
            self.0.changed.wait_while(state, |state| state.is_open && state.chunks.len() == state.places).unwrap();
        if !state.is_open {
            return Err(chunk);
        }
        state.chunks.push_back(chunk);
        self.0.changed.notify_one();
        Ok(())
    }

    fn receive(&self) -> Option<Bytes> {
        let state = self.0.state.lock().unwrap();
        let mut state = self.0.changed.wait_while(state, |state| state.is_open && state.chunks.is_empty()).unwrap();
        let chunk = state.chunks.pop_front();
        self.0.changed.notify_one();
        chunk
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().is_open = false;
        self.0.changed.notify_all();
    }
}

#[derive(Clone)]
struct OwnRing;

impl Queue for OwnRing {
    fn about(&self) -> About {
        About::new("own ring").lacks(&[Lack::Bytes, Lack::Truncation])
    }

    fn ends(
        &self,
        places: usize,
    ) -> (impl FnMut(Bytes) -> io::Result<()> + Send + 'static, impl FnMut() -> Option<Bytes> + 'static) {
        let (sender, receiver) = End::pair(places);
        (move |chunk| sender.send(chunk).map_err(gone), move || receiver.receive())
    }
}

fn main() -> io::Result<()> {
    let bench = Bench::new().contender(OwnRing).ask(Question::Handoff).ask(Question::WriteSize);
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let bench = if is_quick { bench.quick() } else { bench.time(Duration::from_secs(30)) };
    let report = bench.run();
    print!("{}", report.table());
    if !is_quick {
        std::fs::write("own_ring.html", report.html())?;
    }
    Ok(())
}
