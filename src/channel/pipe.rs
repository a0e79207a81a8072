//! The options of a bare bridge.

use std::sync::Arc;

use super::chunks::Chunks;
use super::shared::Channel;
use super::writer::Writer;
use crate::options::Options;

/// The options of a bare bridge: [`pipe`](crate::pipe) for those who also choose the chunk size.
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
