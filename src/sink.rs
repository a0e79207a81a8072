//! A sink that a program writes into and its host gets back.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::drive::flush;
use crate::error::{Echo, Error};
use crate::options::Options;

/// One sink, held by the program's writer and by the bridge. Small writes are gathered up to a chunk.
pub(crate) struct SharedSink<W: Write>(Arc<Mutex<State<W>>>);

struct State<W: Write> {
    /// Until the bridge has taken it back.
    sink: Option<BufWriter<W>>,
    unbuffered: bool,
    /// The first failure. Encoders that are dropped keep theirs to themselves.
    failed: Option<Echo>,
}

impl<W: Write> SharedSink<W> {
    pub(crate) fn new(sink: W, options: &Options) -> SharedSink<W> {
        SharedSink(Arc::new(Mutex::new(State {
            sink: Some(BufWriter::with_capacity(options.chunk_size(), sink)),
            unbuffered: options.unbuffered,
            failed: None,
        })))
    }

    /// Flushes the sink and takes it back. A writer that is still about gets `BrokenPipe` from here on.
    pub(crate) fn finish(&self) -> io::Result<W> {
        let mut state = self.0.lock();
        let mut sink = state.sink.take().ok_or_else(Error::disconnected)?;
        if let Some(echo) = &state.failed {
            // What is still buffered would be tried again when the buffer is dropped.
            let _ = sink.into_parts();
            return Err(echo.error());
        }
        let flushed = flush(&mut sink);
        // The buffer is empty, or what is in it would be tried again when it is dropped.
        let (sink, _) = sink.into_parts();
        flushed.map(|()| sink)
    }

    fn with<T>(&self, write: impl FnOnce(&mut BufWriter<W>) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock();
        let state = &mut *state;
        let sink = state.sink.as_mut().ok_or_else(Error::disconnected)?;
        let unbuffered = state.unbuffered;
        let written = write(sink).and_then(|value| {
            if unbuffered {
                flush(sink)?;
            }
            Ok(value)
        });
        if let Err(error) = &written
            && error.kind() != io::ErrorKind::Interrupted
        {
            state.failed.get_or_insert_with(|| Echo::of(error));
        }
        written
    }
}

impl<W: Write> Clone for SharedSink<W> {
    fn clone(&self) -> Self {
        SharedSink(self.0.clone())
    }
}

impl<W: Write> Write for SharedSink<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.with(|sink| sink.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.with(flush)
    }
}

impl<W: Write> Drop for State<W> {
    /// A program that failed leaves a beginning in the buffer; it goes on to the sink as what was written before it.
    fn drop(&mut self) {
        if let Some(sink) = self.sink.take()
            && self.failed.is_some()
        {
            let _ = sink.into_parts();
        }
    }
}
