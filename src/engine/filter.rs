//! A program that reads and writes, before it has a source or a sink.

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

/// A program that reads and writes, such as a compressor, without a source or a sink yet.
///
/// The program starts only after [`pull_from`](Filter::pull_from) or [`push_into`](Filter::push_into).
pub struct Filter {
    launcher: Launcher,
    options: Options,
    /// A mutex so that the filter is `Sync`, which a closure need not be. The lock is never contended.
    program: Mutex<FilterProgram>,
}

type FilterProgram = Box<dyn FnOnce(&mut Reader, &mut Writer) -> io::Result<()> + Send>;

impl Filter {
    pub(crate) fn new(launcher: Launcher, options: &Options, program: FilterProgram) -> Filter {
        Filter { launcher, options: options.clone(), program: Mutex::new(program) }
    }

    /// Reads the program's input from `source`, and returns its output as chunks.
    ///
    /// The source runs on the program's side.
    ///
    /// # Examples
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
    /// An error of the source is returned by the program's read. Once the chunks are dropped, the program's next read
    /// returns `BrokenPipe`.
    pub fn pull_from<I>(self, source: I) -> Chunks
    where
        I: IntoIterator<Item = io::Result<Bytes>>,
        I::IntoIter: Send + 'static,
    {
        let source = source.into_iter();
        let program = self.program.into_inner();
        pull(self.launcher, &self.options, move |w| program(&mut Reader::of_source(source, w), w))
    }

    /// Returns both ends of a channel for the program's input, with this filter's options.
    #[cfg(any(feature = "http", feature = "stream"))]
    pub(crate) fn input(&self) -> (Writer, Chunks) {
        let channel = Arc::new(Channel::new(&self.options));
        (Writer::bare(channel.clone(), &self.options), Chunks::new(channel))
    }

    /// Writes the program's output to `sink`, and returns the feed that supplies its input.
    ///
    /// The sink runs on the program's side. [`finish`](Feed::finish) flushes the sink and returns it.
    ///
    /// # Examples
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
    /// An error of the sink is returned by the program's write. `finish` also reports an error that the program
    /// ignored, and a panic of the sink.
    ///
    /// # A sink that would block
    ///
    /// If the sink returns `WouldBlock`, the program waits in its write and tries again after 100 µs to 10 ms; no bytes
    /// are lost. Meanwhile writes to the feed are accepted up to the capacity, and then wait too. A program on a
    /// [`Pool`](crate::Pool) is suspended while it waits. If the feed is dropped, the wait returns `BrokenPipe`.
    /// `Interrupted` is retried at once.
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
