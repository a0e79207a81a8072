//! Law 13: a task or program that is always ready yields to the others now and then.

/// The maximum length of a turn, in bytes and in chunks of any size.
const MAX_BYTES: usize = 1 << 20;
const MAX_CHUNKS: u32 = 64;

/// The bytes and chunks that a task or a program has moved since it last waited.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turn {
    bytes: usize,
    chunks: u32,
}

impl Turn {
    pub(crate) const fn new() -> Turn {
        Turn { bytes: 0, chunks: 0 }
    }

    /// Counts a chunk of `bytes` bytes.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.chunks += 1;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.bytes >= MAX_BYTES || self.chunks >= MAX_CHUNKS
    }
}
