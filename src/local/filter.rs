//! A local program that reads and writes, not yet joined to anything.

use std::fmt;
use std::io;

use bytes::Bytes;

use super::bridge::{Bridge, push_linked, write};
use super::{Chunks, Feed, Reader, Steps, Writer};
use crate::buf::shared_sink::SharedSink;
use crate::options::Options;

/// A program on [`Local`](crate::Local) that reads and writes, such as a compressor, waiting to be told from where and
/// to where. It runs nothing before that.
pub struct Filter {
    options: Options,
    program: LocalFilterProgram,
}

pub(super) type LocalFilterProgram = Box<dyn FnOnce(&mut Reader, &mut Writer) -> io::Result<()>>;

impl Filter {
    pub(crate) fn new(options: &Options, program: LocalFilterProgram) -> Filter {
        Filter { options: options.clone(), program }
    }

    /// Reads from `source`; you pull what comes out.
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
    /// An error of the source is what the program's read gives. Once the chunks are dropped, its next read of the source
    /// fails with `BrokenPipe`.
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

    /// You push; what comes out goes into `sink`, which [`finish`](Feed::finish) flushes and gives back.
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
    /// The sink's error is what the program's write gives; `finish` reports it if the program kept it to itself, and after a
    /// panic of the sink too.
    ///
    /// # A sink that would block
    ///
    /// If the sink says `WouldBlock`, the program is suspended in its write, and nothing is lost: the sink, what it has not
    /// taken, and the program stay as they are. From then on `write`, `write_bytes` and `flush` ask the sink again first, and
    /// return `WouldBlock` if it still would block. Such a call has accepted nothing, and a call that returns `Ok` has accepted
    /// all of its bytes. At the end, [`try_finish`](Feed::try_finish) returns `WouldBlock` in the same way;
    /// [`finish`](Feed::finish) waits, and asks again after 100 µs to 10 ms. A task that feeds the program by
    /// `feed_from_stream` asks again in each of its turns. `Interrupted` is tried again at once.
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

    /// The program step by step, without any input or output of its own: you give it chunks and are given chunks.
    pub fn steps(self) -> Steps {
        Steps::new(&self.options, self.program)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("options", &self.options).finish_non_exhaustive()
    }
}
