//! The log lines of a request's program on their way to the front server's log.

use std::mem;
use std::sync::Arc;
use std::task::Context;

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::cgi::error_stream::ErrorStream;

/// The number of bytes that may wait. Lines beyond it are only counted.
const MAX_WAITING: usize = 64 * 1024;

/// Lines that wait to be sent. Clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::host) struct Messages(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    connection: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    lost: usize,
}

impl Messages {
    /// Returns a stream whose lines are sent to the front server and to the server's own log.
    pub(in crate::host) fn stream(&self, log: ErrorStream) -> ErrorStream {
        let messages = self.clone();
        ErrorStream::new(move |line| {
            log.say(line);
            messages.add(line);
        })
    }

    fn add(&self, line: &str) {
        let mut state = self.0.state.lock();
        if state.lines.len() + line.len() >= MAX_WAITING {
            state.lost += 1;
            return;
        }
        state.lines.extend_from_slice(line.as_bytes());
        state.lines.push(b'\n');
        drop(state);
        self.0.connection.wake();
    }

    /// Returns the lines since the last call. The caller is woken when there are more.
    pub(in crate::host) fn take(&self, context: &Context<'_>) -> Option<Bytes> {
        self.0.connection.register(context.waker());
        let mut state = self.0.state.lock();
        let lost = mem::take(&mut state.lost);
        if lost > 0 {
            state.lines.extend_from_slice(format!("{lost} lines did not fit and are lost\n").as_bytes());
        }
        let lines = mem::take(&mut state.lines);
        drop(state);
        (!lines.is_empty()).then(|| lines.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Write;
    use std::task::Waker;

    #[test]
    fn requirement_24_lines_that_are_not_taken_are_counted_and_not_kept() {
        let messages = Messages::default();
        let mut stream = messages.stream(ErrorStream::new(|_| ()));
        for _ in 0..1000 {
            stream.write_all(&[b'x'; 999]).unwrap();
            stream.write_all(b"\n").unwrap();
        }
        let context = Context::from_waker(Waker::noop());
        let text = messages.take(&context).unwrap();
        assert!(text.len() <= MAX_WAITING + 100);
        assert!(text.ends_with(b"935 lines did not fit and are lost\n"), "{:?}", &text[text.len() - 40..]);
        assert_eq!(messages.take(&context), None);
    }
}
