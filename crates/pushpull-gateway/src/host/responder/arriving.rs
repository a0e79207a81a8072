//! The body of a request on its way from the connection to the program. Each end learns at once that the other was
//! dropped.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;

use crate::cgi::refusal::Refusal;
use crate::sys::files::{At, unnamed};

/// The number of body bytes held in memory. Beyond it, the connection is read only if another request needs it.
const MAX_HELD: usize = 64 * 1024;

/// The maximum number of bytes in a temporary file, for a request that would block others.
const MAX_SPOOLED: u64 = 64 << 20;

/// The number of bytes read from the file at once.
const PIECE: usize = 64 * 1024;

/// The connection's end.
#[derive(Debug)]
pub(in crate::host) struct Arriving(Arc<Shared>);

/// The program's end.
#[derive(Debug)]
pub(in crate::host) struct Arrived(Arc<Shared>);

/// ORDERING: a waiting end registers its waker before it checks the state for the last time; the other end changes the
/// state before it wakes. Therefore no wake is lost.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    connection: AtomicWaker,
    program: AtomicWaker,
}

#[derive(Debug)]
struct State {
    held: VecDeque<Bytes>,
    held_bytes: usize,
    /// The bytes that arrived after `held` was full. While it holds any, later bytes are appended to it.
    spool: Spool,
    /// The number of bytes still to arrive, if the length was declared.
    missing: Option<u64>,
    is_ended: bool,
    /// `true` once the program's end was dropped.
    is_unwanted: bool,
}

#[derive(Debug, Default)]
struct Spool {
    file: Option<File>,
    read: u64,
    written: u64,
}

/// What happened to pushed bytes.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::host) enum Taken {
    Well,
    /// Memory and file are full.
    Overloaded,
}

/// Creates both ends of a body, with its length if declared.
pub(in crate::host) fn arriving(length: Option<u64>) -> (Arriving, Arrived) {
    let state = State {
        held: VecDeque::new(),
        held_bytes: 0,
        spool: Spool::default(),
        missing: length,
        is_ended: false,
        is_unwanted: false,
    };
    let (connection, program) = (AtomicWaker::new(), AtomicWaker::new());
    let shared = Arc::new(Shared { state: Mutex::new(state), connection, program });
    (Arriving(shared.clone()), Arrived(shared))
}

impl Arriving {
    /// Adds the next bytes. Bytes beyond the declared length are discarded (FastCGI 6.2).
    pub(in crate::host) fn push(&self, chunk: Bytes) -> io::Result<Taken> {
        self.change(|state| state.push(chunk))
    }

    /// Marks the end of the body.
    pub(in crate::host) fn end(&self) {
        self.change(|state| state.is_ended = true);
    }

    /// Returns `true` if the end has been marked.
    pub(in crate::host) fn is_ended(&self) -> bool {
        self.0.state.lock().is_ended
    }

    /// Waits until there is room. The program has to read first.
    pub(in crate::host) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        if self.0.state.lock().is_full() {
            self.0.connection.register(context.waker());
            if self.0.state.lock().is_full() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.0.state.lock());
        self.0.program.wake();
        changed
    }
}

impl Arrived {
    /// Returns the next bytes.
    pub(in crate::host) fn poll_chunk(&mut self, context: &Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let polled = self.0.state.lock().poll();
        let Poll::Ready((chunk, has_room)) = (match polled {
            Poll::Pending => {
                self.0.program.register(context.waker());
                self.0.state.lock().poll()
            }
            ready => ready,
        }) else {
            return Poll::Pending;
        };
        if has_room {
            self.0.connection.wake();
        }
        Poll::Ready(chunk)
    }

    /// Returns `true` if everything has been read.
    pub(in crate::host) fn is_end(&self) -> bool {
        let state = self.0.state.lock();
        state.waiting() == 0 && state.is_complete()
    }

    /// Returns the number of bytes still to be read, if known.
    pub(in crate::host) fn left(&self) -> Option<u64> {
        let state = self.0.state.lock();
        let missing = if state.is_complete() { Some(0) } else { state.missing };
        missing.map(|missing| missing + state.waiting())
    }
}

impl State {
    /// Returns the next bytes, and whether there is room for more.
    fn poll(&mut self) -> Poll<(Option<io::Result<Bytes>>, bool)> {
        let chunk = match self.pop() {
            Ok(Some(chunk)) => Some(Ok(chunk)),
            Ok(None) if self.is_complete() => None,
            Ok(None) if self.is_ended => Some(Err(short(self.missing.unwrap_or_default()))),
            Ok(None) => return Poll::Pending,
            Err(error) => Some(Err(error)),
        };
        // Wait for half of the room, so that the two ends do not wake each other at every chunk.
        let has_room = self.spool.is_empty() && self.held_bytes <= MAX_HELD / 2;
        Poll::Ready((chunk, has_room))
    }

    fn push(&mut self, mut chunk: Bytes) -> io::Result<Taken> {
        if let Some(missing) = &mut self.missing {
            chunk.truncate(usize::try_from(*missing).unwrap_or(usize::MAX));
            *missing -= chunk.len() as u64;
        }
        if chunk.is_empty() || self.is_unwanted {
            return Ok(Taken::Well);
        }
        if self.spool.is_empty() && self.held_bytes < MAX_HELD {
            self.held_bytes += chunk.len();
            self.held.push_back(chunk);
            return Ok(Taken::Well);
        }
        if self.spool.len() + chunk.len() as u64 > MAX_SPOOLED {
            return Ok(Taken::Overloaded);
        }
        self.spool.write(&chunk).map(|()| Taken::Well)
    }

    fn pop(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(chunk) = self.held.pop_front() {
            self.held_bytes -= chunk.len();
            return Ok(Some(chunk));
        }
        if self.spool.is_empty() { Ok(None) } else { self.spool.read().map(Some) }
    }

    fn is_full(&self) -> bool {
        !self.is_unwanted && (self.held_bytes >= MAX_HELD || !self.spool.is_empty())
    }

    /// Returns `true` if all declared bytes have arrived, or, without a length, the end.
    fn is_complete(&self) -> bool {
        match self.missing {
            Some(missing) => missing == 0,
            None => self.is_ended,
        }
    }

    fn waiting(&self) -> u64 {
        self.held_bytes as u64 + self.spool.len()
    }
}

impl Spool {
    fn len(&self) -> u64 {
        self.written - self.read
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => unnamed()?,
        };
        file.write_all_at(bytes, self.written)?;
        self.written += bytes.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    fn read(&mut self) -> io::Result<Bytes> {
        let Some(file) = &self.file else { return Ok(Bytes::new()) };
        let length = usize::try_from(self.len()).unwrap_or(PIECE).min(PIECE);
        let mut piece = BytesMut::zeroed(length);
        file.read_exact_at(&mut piece, self.read)?;
        self.read += length as u64;
        if self.is_empty() {
            *self = Spool::default();
        }
        Ok(piece.copy_to_bytes(length))
    }
}

fn short(missing: u64) -> io::Error {
    let refusal = Refusal::bad_request(&format!("the request's body ended {missing} bytes before its content length"));
    io::Error::new(io::ErrorKind::UnexpectedEof, refusal)
}

impl Drop for Arriving {
    /// Marks the end: nothing more can arrive.
    fn drop(&mut self) {
        self.end();
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.is_unwanted = true;
        let unwanted = (std::mem::take(&mut state.held), std::mem::take(&mut state.spool));
        state.held_bytes = 0;
        drop(state);
        self.0.connection.wake();
        drop(unwanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::task::Waker;

    fn read(arrived: &mut Arrived) -> Vec<io::Result<Bytes>> {
        let context = Context::from_waker(Waker::noop());
        let mut found = Vec::new();
        while let Poll::Ready(Some(chunk)) = arrived.poll_chunk(&context) {
            let failed = chunk.is_err();
            found.push(chunk);
            if failed {
                break;
            }
        }
        found
    }

    fn is_full(arriving: &Arriving) -> bool {
        arriving.poll_room(&Context::from_waker(Waker::noop())).is_pending()
    }

    #[test]
    fn requirement_20_a_short_body_is_an_error() {
        let (arriving, mut arrived) = arriving(Some(5));
        arriving.push("four".into()).unwrap();
        assert_eq!(arrived.left(), Some(5));
        arriving.end();
        let found = read(&mut arrived);
        assert_eq!(found[0].as_ref().unwrap(), "four");
        let error = found[1].as_ref().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("1 bytes before its content length"), "{error}");
    }

    #[test]
    fn a_body_is_complete_with_its_last_byte_and_later_bytes_are_discarded() {
        let (arriving, mut arrived) = arriving(Some(4));
        arriving.push("body, and more".into()).unwrap();
        assert_eq!(read(&mut arrived)[0].as_ref().unwrap(), "body");
        assert!(arrived.is_end());
        assert_eq!(arrived.left(), Some(0));
    }

    #[test]
    fn requirement_23_a_body_beyond_memory_is_spooled_and_then_overloaded() {
        let (arriving, mut arrived) = arriving(None);
        let chunk = |number: usize| Bytes::from(vec![number as u8; 50_000]);
        for number in 0..10 {
            assert_eq!(arriving.push(chunk(number)).unwrap(), Taken::Well);
        }
        assert!(is_full(&arriving));
        assert_eq!(arriving.0.state.lock().held_bytes, 100_000);
        let joined =
            |found: Vec<io::Result<Bytes>>| found.into_iter().flat_map(|chunk| chunk.unwrap()).collect::<Vec<_>>();
        let expected: Vec<u8> = (0..10).flat_map(chunk).collect();
        assert_eq!(joined(read(&mut arrived)), expected);
        assert!(!is_full(&arriving));
        let mut pushed = 0;
        while arriving.push(vec![b'x'; 1 << 20].into()).unwrap() == Taken::Well {
            pushed += 1;
        }
        assert_eq!(pushed, 1 + (MAX_SPOOLED >> 20));
        arriving.end();
        assert_eq!(arrived.left(), Some(pushed << 20));
        assert_eq!(joined(read(&mut arrived)).len() as u64, pushed << 20);
        assert!(arrived.is_end());
    }

    #[test]
    fn a_dropped_body_holds_nothing() {
        let (arriving, arrived) = arriving(None);
        drop(arrived);
        for _ in 0..1000 {
            assert_eq!(arriving.push(vec![b'x'; 1 << 20].into()).unwrap(), Taken::Well);
        }
        assert!(!is_full(&arriving));
        assert_eq!(arriving.0.state.lock().waiting(), 0);
    }
}
