//! A sink that a program writes to and that the bridge returns at the end.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use parking_lot::Mutex;

use super::write_batch::flush;
use crate::error::{Echo, Error};
use crate::options::Options;

/// One sink, shared by the program's writer and the bridge. Small writes are gathered into chunks. A write accepts all
/// of its bytes. If the sink would block, `wait` is called with the number of waits so far, and then the sink is called
/// again.
pub(crate) struct SharedSink<W: Write, P> {
    state: Arc<Mutex<GuardedSink<W>>>,
    unbuffered: bool,
    wait: P,
}

struct GuardedSink<W: Write> {
    /// `None` after the bridge has taken the sink back.
    sink: Option<BufWriter<W>>,
    /// The first failure, for `finish`: an encoder that is dropped ignores its errors.
    failed: Option<Echo>,
    /// Set during a call of the sink. If it stays set, the sink has panicked, and how much it took is unknown.
    called: bool,
}

/// A sink of any type, with writes that do not wait.
pub(crate) trait TryWrite: Write {
    /// Writes as many bytes as the sink takes without waiting.
    fn try_write(&mut self, buf: &[u8]) -> io::Result<usize>;
}

impl TryWrite for io::Sink {
    fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write(buf)
    }
}

impl<W: Write, P: Fn(u32) -> io::Result<()>> SharedSink<W, P> {
    pub(crate) fn new(sink: W, options: &Options, wait: P) -> SharedSink<W, P> {
        // With a buffer of capacity 0, every write goes straight to the sink.
        let buffer = if options.unbuffered { 0 } else { options.chunk_size() };
        let sink = Some(BufWriter::with_capacity(buffer, sink));
        let state = Arc::new(Mutex::new(GuardedSink { sink, failed: None, called: false }));
        SharedSink { state, unbuffered: options.unbuffered, wait }
    }

    /// Flushes the sink and returns it. From here on the program's writer returns `BrokenPipe`.
    pub(crate) fn finish(&self) -> io::Result<W> {
        let failed = self.state.lock().failed.clone();
        let flushed = match failed {
            Some(echo) => Err(echo.error()),
            None => self.patiently(flush),
        };
        let sink = self.state.lock().sink.take().ok_or_else(Error::disconnected)?;
        // After a failure, dropping the `BufWriter` would write the rest of its buffer again.
        let (sink, _) = sink.into_parts();
        flushed.map(|()| sink)
    }

    /// Calls the sink until it is neither interrupted nor would block.
    #[inline]
    fn patiently<T>(&self, mut call: impl FnMut(&mut BufWriter<W>) -> io::Result<T>) -> io::Result<T> {
        let mut waits = 0;
        loop {
            match self.call(&mut call) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    (self.wait)(waits)?;
                    waits += 1;
                }
                called => return called,
            }
        }
    }

    #[inline]
    fn call<T>(&self, call: impl FnOnce(&mut BufWriter<W>) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let sink = state.sink.as_mut().ok_or_else(Error::disconnected)?;
        let called = if state.called {
            Err(io::Error::other("the sink has panicked"))
        } else {
            state.called = true;
            let called = call(sink);
            state.called = false;
            called
        };
        if let Err(error) = &called
            && !is_passing(error)
        {
            state.failed.get_or_insert_with(|| Echo::of(error));
        }
        called
    }
}

/// Returns `true` if the sink may be called again.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

impl<W: Write, P: Clone> Clone for SharedSink<W, P> {
    fn clone(&self) -> Self {
        SharedSink { state: self.state.clone(), unbuffered: self.unbuffered, wait: self.wait.clone() }
    }
}

impl<W: Write, P: Fn(u32) -> io::Result<()>> TryWrite for SharedSink<W, P> {
    fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = loop {
            match self.call(|sink| sink.write(buf)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => break written?,
            }
        };
        if self.unbuffered {
            // The bytes are accepted. If this flush would block, the next one makes up for it.
            match self.call(flush) {
                Err(error) if is_passing(&error) => {}
                flushed => flushed?,
            }
        }
        Ok(written)
    }
}

impl<W: Write, P: Fn(u32) -> io::Result<()>> Write for SharedSink<W, P> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_all(buf).map(|()| buf.len())
    }

    fn write_all(&mut self, mut buf: &[u8]) -> io::Result<()> {
        while !buf.is_empty() {
            let written = self.patiently(|sink| match sink.write(buf) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                written => written,
            })?;
            buf = &buf[written..];
        }
        if self.unbuffered { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.patiently(flush)
    }
}

impl<W: Write> Drop for GuardedSink<W> {
    /// Discards the buffer if the sink has failed or panicked. Otherwise its bytes reach the sink even if the program
    /// failed.
    fn drop(&mut self) {
        if let Some(sink) = self.sink.take()
            && (self.failed.is_some() || self.called)
        {
            let _ = sink.into_parts();
        }
    }
}
