//! A program that reads and writes elsewhere, not yet joined to anything.

use std::fmt;
use std::io;
#[cfg(any(feature = "http", feature = "stream"))]
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Launcher, pull, push};
use crate::buf::shared_sink::SharedSink;
#[cfg(any(feature = "http", feature = "stream"))]
use crate::channel::Channel;
use crate::channel::{Chunks, Feed, Reader, Writer};
use crate::options::Options;
use crate::runtime::wait;

/// A program that reads and writes, such as a compressor, waiting to be told from where and to where. It runs nothing
/// before that.
pub struct Filter {
    launcher: Launcher,
    options: Options,
    /// The lock is never contended: it makes the filter `Sync`, which a closure need not be.
    program: Mutex<FilterProgram>,
}

type FilterProgram = Box<dyn FnOnce(&mut Reader, &mut Writer) -> io::Result<()> + Send>;

impl Filter {
    pub(crate) fn new(launcher: Launcher, options: &Options, program: FilterProgram) -> Filter {
        Filter { launcher, options: options.clone(), program: Mutex::new(program) }
    }

    /// Reads from `source`, on the program's side; you pull what comes out.
    ///
    /// ```
    /// use pushpull::Thread;
    ///
    /// let shout = Thread::new().filter(|r, w| {
    ///     let mut text = String::new();
    ///     std::io::Read::read_to_string(r, &mut text)?;
    ///     std::io::Write::write_all(w, text.to_uppercase().as_bytes())
    /// });
    /// let source = ["hel", "lo"].map(|part| Ok(part.into()));
    /// let loud: Vec<_> = shout.pull_from(source).map(Result::unwrap).collect();
    /// assert_eq!(loud.concat(), b"HELLO");
    /// ```
    ///
    /// # Errors
    ///
    /// An error of the source is what the program's read gives. Once the chunks are dropped, its next read of the source
    /// fails with `BrokenPipe`.
    pub fn pull_from<I>(self, source: I) -> Chunks
    where
        I: IntoIterator<Item = io::Result<Bytes>>,
        I::IntoIter: Send + 'static,
    {
        let source = source.into_iter();
        let program = self.program.into_inner();
        pull(self.launcher, &self.options, move |w| program(&mut Reader::of_source(source, w), w))
    }

    /// A channel to read from, with this filter's options.
    #[cfg(any(feature = "http", feature = "stream"))]
    pub(crate) fn input(&self) -> (Writer, Chunks) {
        let channel = Arc::new(Channel::new(&self.options));
        (Writer::bare(channel.clone(), &self.options), Chunks::new(channel))
    }

    /// You push; what comes out goes into `sink`, on the program's side. [`finish`](Feed::finish) flushes it and gives
    /// it back.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// let mut copy = pushpull::Thread::new().filter(|r, w| std::io::copy(r, w).map(drop)).push_into(Vec::new());
    /// copy.write_all(b"as it is")?;
    /// assert_eq!(copy.finish()?, b"as it is");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// The sink's error is what the program's write gives; `finish` reports it if the program kept it to itself, and after a
    /// panic of the sink too.
    ///
    /// # A sink that would block
    ///
    /// If the sink says `WouldBlock`, the program waits in its write, and asks again after 100 µs to 10 ms: nothing is lost.
    /// Meanwhile writes to the feed are accepted up to the capacity, and then wait too. A program on a
    /// [`Pool`](crate::Pool) is suspended for that wait. If the feed is dropped, the wait ends with `BrokenPipe`.
    /// `Interrupted` is tried again at once.
    pub fn push_into<W: io::Write + Send + 'static>(self, sink: W) -> Feed<W> {
        let program = self.program.into_inner();
        let sink = SharedSink::new(sink, &self.options, wait::pause);
        push(self.launcher, &self.options, move |r| {
            program(r, &mut Writer::sink(Box::new(sink.clone())))?;
            sink.finish()
        })
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("options", &self.options).finish_non_exhaustive()
    }
}
