//! Writing a program's output into a sink, without a copy.

use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};

use super::{Chunks, Next, Stage};
use crate::buf::chunker::write_all;
use crate::buf::write_batch::flush;
use crate::error::Error;

impl Chunks {
    /// Writes the program's output into `sink`, and returns the number of bytes written.
    ///
    /// A write of a whole chunk or more is lent to the sink without a copy. The sink is flushed at the end, and each
    /// time before the program continues, because the program may wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// let mut chunks = pushpull::Local::new().pull(|w| w.write_all(&[7; 1 << 20]));
    /// let mut sink = Vec::new();
    /// assert_eq!(chunks.drive_into(&mut sink)?, 1 << 20);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the program's error, or the sink's. The sink's error carries the number of bytes that were written
    /// ([`Error::bytes_moved`](crate::Error::bytes_moved)); the chunks are over then, and the program is stopped. Only
    /// `WouldBlock` ends nothing: another call continues with the first byte that the sink has not taken.
    ///
    /// # Panics
    ///
    /// Panics if the sink panics. The program is stopped then, and the chunks end with an error, because the number of
    /// bytes that the sink took is unknown.
    pub fn drive_into(&mut self, sink: &mut (impl Write + ?Sized)) -> io::Result<u64> {
        let mut moved = 0;
        match panic::catch_unwind(AssertUnwindSafe(|| self.drive(sink, &mut moved))) {
            Ok(driven) => driven.map(|()| moved),
            Err(payload) => {
                let error = Error::sink(moved, io::Error::other("the sink panicked"));
                let error = self.give_up(error);
                self.bridge = Stage::Refused(error);
                panic::resume_unwind(payload)
            }
        }
    }

    fn drive(&mut self, sink: &mut (impl Write + ?Sized), moved: &mut u64) -> io::Result<()> {
        loop {
            let before = *moved;
            let written = match self.advance(None) {
                Next::Chunk(chunk) => {
                    let written = write_counted(sink, &chunk, moved);
                    if written.is_err() {
                        self.keep(Some(chunk.slice((*moved - before) as usize..)));
                    }
                    written
                }
                Next::Lent => {
                    let written = write_counted(sink, self.lent(), moved);
                    if written.is_err() {
                        self.keep_lent((*moved - before) as usize);
                    }
                    written
                }
                Next::Error(error) => return Err(error),
                Next::End | Next::Waiting => return flush(sink).map_err(|error| self.fail_drive(*moved, error)),
            };
            let flushed = written.and_then(|()| if self.is_over() { Ok(()) } else { flush(sink) });
            flushed.map_err(|error| self.fail_drive(*moved, error))?;
        }
    }

    /// Returns the error of a sink that failed after `moved` bytes. Ends the chunks unless the sink would only block.
    fn fail_drive(&mut self, moved: u64, error: io::Error) -> io::Error {
        let passing = error.kind() == io::ErrorKind::WouldBlock;
        let error = Error::sink(moved, error);
        if passing { error } else { self.give_up(error) }
    }
}

/// Writes all of `buf`, and adds what was written to `moved`, also if the sink fails.
fn write_counted(sink: &mut (impl Write + ?Sized), buf: &[u8], moved: &mut u64) -> io::Result<()> {
    write_all(buf, |buf| sink.write(buf).inspect(|written| *moved += *written as u64))
}
