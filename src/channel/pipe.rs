//! The bare bridge, and its options.

use std::sync::Arc;

use super::chunks::Chunks;
use super::shared::Channel;
use super::writer::Writer;
use crate::options::Options;

/// Creates a bare bridge: bytes written to the [`Writer`] are pulled from the [`Chunks`]. The bridge holds up to
/// `capacity` bytes.
///
/// ```
/// use std::io::Write;
/// use std::thread;
///
/// let (mut writer, chunks) = pushpull::pipe(64 * 1024);
/// let reader = thread::spawn(move || chunks.map(|chunk| chunk.unwrap().len()).sum::<usize>());
/// for line in 0..1000 {
///     writeln!(writer, "line {line}")?;
/// }
/// writer.finish()?;
/// assert_eq!(reader.join().unwrap(), 8890);
/// # std::io::Result::Ok(())
/// ```
///
/// If the writer is dropped without [`finish`](Writer::finish), the reader receives all bytes, then an error: see
/// [`Error::is_truncated`](crate::Error::is_truncated).
///
/// # Panics
///
/// Panics if `capacity` is zero.
#[track_caller]
pub fn pipe(capacity: usize) -> (Writer, Chunks) {
    let options = Options::pipe(capacity);
    let channel = Arc::new(Channel::new(&options));
    (Writer::bare(channel.clone(), &options), Chunks::new(channel))
}

/// The options of a bare bridge: [`pipe`] for those who also choose the chunk size.
///
/// ```
/// use std::io::Write;
///
/// let (mut writer, mut chunks) = pushpull::Pipe::new().capacity(64 * 1024).chunk_size(4).open();
/// writer.write_all(b"ab")?;
/// writer.write_all(b"cd")?;
/// writer.write_all(b"ef")?;
/// writer.finish()?;
/// assert_eq!(chunks.next().unwrap()?, "abcd");
/// assert_eq!(chunks.next().unwrap()?, "ef");
/// # std::io::Result::Ok(())
/// ```
#[must_use = "it does nothing until `open`"]
#[derive(Debug, Clone)]
pub struct Pipe {
    options: Options,
}

impl Pipe {
    /// Creates the options with their defaults.
    pub const fn new() -> Pipe {
        Pipe { options: Options::new() }
    }

    /// Sets how many bytes may be accepted and not yet pulled (default: 256 KiB).
    ///
    /// # Panics
    ///
    /// Panics if `bytes` is zero.
    #[track_caller]
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.options.set_capacity("capacity", bytes);
        self
    }

    /// Sets where small writes are cut into chunks, in bytes (default: 32 KiB, maximum: 16 MiB).
    ///
    /// # Panics
    ///
    /// Panics if `bytes` is zero.
    #[track_caller]
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.options.set_chunk_size(bytes);
        self
    }

    /// Makes every write a chunk of its own. A write that is larger than the capacity is several.
    pub fn unbuffered(mut self) -> Self {
        self.options.unbuffered = true;
        self
    }

    /// Creates the two ends.
    pub fn open(&self) -> (Writer, Chunks) {
        let channel = Arc::new(Channel::new(&self.options));
        (Writer::bare(channel.clone(), &self.options), Chunks::new(channel))
    }
}

impl Default for Pipe {
    fn default() -> Pipe {
        Pipe::new()
    }
}
