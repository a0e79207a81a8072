//! Law 13: who is always ready gives way to the others now and then.

/// How many bytes, or chunks of any size, a turn lasts.
const MAX_BYTES: usize = 1 << 20;
const MAX_CHUNKS: u32 = 64;

/// What a task or a program has moved since it last waited.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turn {
    bytes: usize,
    chunks: u32,
}

impl Turn {
    pub(crate) const fn new() -> Turn {
        Turn { bytes: 0, chunks: 0 }
    }

    /// Counts a chunk.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.chunks += 1;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.bytes >= MAX_BYTES || self.chunks >= MAX_CHUNKS
    }
}
