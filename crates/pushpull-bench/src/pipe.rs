//! Pipes of bytes, with what is written by hand around them: buffers of a chunk at both ends, and a thread for the
//! program.

use std::io::{self, BufWriter, Read, Write};

use crate::contender::{Bridge, Program, Sizes};
use crate::queue::Producer;

/// Starts a program on the two ends of a pipe. `end` is called with the writing end after the program's last byte.
///
/// # Errors
///
/// Returns an error if the system refuses a thread.
pub fn piped<R: Read + 'static, W: Write + Send + 'static>(
    sizes: Sizes,
    program: impl Program,
    (reader, writer): (R, W),
    end: impl FnOnce(W) -> io::Result<()> + Send + 'static,
) -> io::Result<Box<dyn Bridge>> {
    let producer = Producer::start(move || {
        let mut w = BufWriter::with_capacity(sizes.chunk, writer);
        program.run(&mut w)?;
        end(w.into_inner()?)
    })?;
    Ok(Box::new(Piped { reader, buffer: vec![0; sizes.chunk], producer }))
}

struct Piped<R> {
    reader: R,
    buffer: Vec<u8>,
    producer: Producer,
}

impl<R: Read> Bridge for Piped<R> {
    fn pull(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        match self.reader.read(&mut self.buffer)? {
            0 => self.producer.finish().map(|()| false),
            len => {
                take(&self.buffer[..len]);
                Ok(true)
            }
        }
    }
}
