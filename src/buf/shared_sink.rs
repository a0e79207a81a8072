//! A sink that a program writes into and its host gets back.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use parking_lot::Mutex;

use super::write_batch::flush;
use crate::error::{Echo, Error};
use crate::options::Options;

/// One sink, held by the program's writer and by the bridge. Small writes are gathered up to a chunk. A write accepts all of
/// its bytes; if the sink would block, `wait` waits until it is to be asked again, of which it is told how often that was.
pub(crate) struct SharedSink<W: Write, P> {
    state: Arc<Mutex<GuardedSink<W>>>,
    unbuffered: bool,
    wait: P,
}

struct GuardedSink<W: Write> {
    /// Until the bridge has taken it back.
    sink: Option<BufWriter<W>>,
    /// The first failure. Encoders that are dropped keep theirs to themselves.
    failed: Option<Echo>,
    /// The sink is being called, or has panicked: what it took is not known.
    called: bool,
}

/// A program's way into a sink whose type is of no concern to it.
pub(crate) trait TryWrite: Write {
    /// Writes what the sink takes, without waiting.
    fn try_write(&mut self, buf: &[u8]) -> io::Result<usize>;
}

impl TryWrite for io::Sink {
    fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write(buf)
    }
}

impl<W: Write, P: Fn(u32) -> io::Result<()>> SharedSink<W, P> {
    pub(crate) fn new(sink: W, options: &Options, wait: P) -> SharedSink<W, P> {
        // Of a buffer without room every write goes straight into the sink.
        let buffer = if options.unbuffered { 0 } else { options.chunk_size() };
        let sink = Some(BufWriter::with_capacity(buffer, sink));
        let state = Arc::new(Mutex::new(GuardedSink { sink, failed: None, called: false }));
        SharedSink { state, unbuffered: options.unbuffered, wait }
    }

    /// Flushes the sink and takes it back. A writer that is still about gets `BrokenPipe` from here on.
    pub(crate) fn finish(&self) -> io::Result<W> {
        let failed = self.state.lock().failed.clone();
        let flushed = match failed {
            Some(echo) => Err(echo.error()),
            None => self.patiently(flush),
        };
        let sink = self.state.lock().sink.take().ok_or_else(Error::disconnected)?;
        // The buffer is empty, or what is in it would be tried again when it is dropped.
        let (sink, _) = sink.into_parts();
        flushed.map(|()| sink)
    }

    /// Calls the sink until it neither was interrupted nor would block.
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

/// Whether the sink may be asked again.
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
            // What was written is accepted. A flush that would block is made up for by the next.
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
    /// A program that failed leaves a beginning in the buffer; it goes on to the sink as what was written before it.
    fn drop(&mut self) {
        if let Some(sink) = self.sink.take()
            && (self.failed.is_some() || self.called)
        {
            let _ = sink.into_parts();
        }
    }
}
