//! A program on the calling thread that reads and writes, not yet joined to anything.

use std::fmt;
use std::io;

use bytes::Bytes;

use super::bridge::{Bridge, push_linked, write};
use super::steps::LocalFilterProgram;
use super::{Chunks, Feed, Reader, Steps, Writer};
use crate::buf::shared_sink::SharedSink;
use crate::options::Options;

/// A program on [`Local`](crate::Local) that reads and writes, such as a compressor, not yet joined to a source or a
/// sink.
///
/// [`pull_from`](Filter::pull_from) joins it to a source, [`push_into`](Filter::push_into) to a sink, and
/// [`steps`](Filter::steps) to neither. Nothing of the program runs before that.
pub struct Filter {
    options: Options,
    program: LocalFilterProgram,
}

impl Filter {
    pub(crate) fn new(options: &Options, program: LocalFilterProgram) -> Filter {
        Filter { options: options.clone(), program }
    }

    /// Creates the chunks that the program makes of `source`.
    ///
    /// # Examples
    ///
    /// ```
    /// use pushpull::Local;
    ///
    /// let shout = Local::new().filter(|r, w| {
    ///     let mut text = String::new();
    ///     std::io::Read::read_to_string(r, &mut text)?;
    ///     std::io::Write::write_all(w, text.to_uppercase().as_bytes())
    /// });
    /// let source = ["hel", "lo"].map(|part| Ok(part.into()));
    /// let loud: Vec<_> = shout.pull_from(source).map(Result::unwrap).collect();
    /// assert_eq!(loud, ["HELLO"]);
    /// ```
    ///
    /// # Errors
    ///
    /// If the source yields an error, the program's read returns it. If the chunks are dropped, the program's next read
    /// returns `BrokenPipe`.
    pub fn pull_from<I>(self, source: I) -> Chunks
    where
        I: IntoIterator<Item = io::Result<Bytes>>,
        I::IntoIter: 'static,
    {
        let source = source.into_iter();
        let program = self.program;
        let bridge = Bridge::new(&self.options, |link| {
            let mut reader = Reader::of_source(source, link.clone());
            write(link, move |w| program(&mut reader, w));
        });
        Chunks::new(bridge, &self.options)
    }

    /// Creates a feed whose program writes its output into `sink`.
    ///
    /// [`finish`](Feed::finish) flushes the sink and returns it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// let mut copy = pushpull::Local::new().filter(|r, w| std::io::copy(r, w).map(drop)).push_into(Vec::new());
    /// copy.write_all(b"as it is")?;
    /// assert_eq!(copy.finish()?, b"as it is");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the sink fails, the program's write returns the sink's error. If the program ignores that error, `finish`
    /// returns it. If the sink panics, `finish` returns an error too.
    ///
    /// # Caveats
    ///
    /// If the sink returns `WouldBlock`, the program is suspended in its write. Nothing is lost: the sink, the bytes
    /// that it has not taken, and the program stay as they are.
    ///
    /// * `write`, `write_bytes` and `flush` then try the sink first, and return `WouldBlock` if it still would block. A
    ///   call that returns `WouldBlock` has accepted nothing. A call that returns `Ok` has accepted all of its bytes.
    /// * [`try_finish`](Feed::try_finish) returns `WouldBlock` in the same way.
    /// * [`finish`](Feed::finish) waits, and tries the sink again after 100 µs to 10 ms.
    /// * `feed_from_stream` tries the sink again in each turn of its task.
    ///
    /// `Interrupted` is retried at once.
    pub fn push_into<W: io::Write + 'static>(self, sink: W) -> Feed<W> {
        let Filter { options, program } = self;
        let own = options.clone();
        push_linked(&options, move |link, r| {
            let link = link.clone();
            let sink = SharedSink::new(sink, &own, move |_| link.wait_for_sink());
            program(r, &mut Writer::sink(Box::new(sink.clone())))?;
            sink.finish()
        })
    }

    /// Creates the form of the program that the caller runs step by step, and that does no input or output of its own.
    pub fn steps(self) -> Steps {
        Steps::new(&self.options, self.program)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("options", &self.options).finish_non_exhaustive()
    }
}
