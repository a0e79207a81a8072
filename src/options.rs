//! What can be set on an engine, checked here and nowhere else.

use std::sync::Arc;

/// Where small writes are cut. See `DESIGN.md`, "Why these defaults?".
const CHUNK_SIZE: usize = 32 * 1024;

/// How many bytes may be accepted and not yet pulled.
const CAPACITY: usize = 256 * 1024;

/// A gzip encoder needs 74 KiB of stack in release builds and 297 KiB in debug builds.
const STACK_SIZE: usize = 1024 * 1024;

/// The memory of a chunk is taken before it is filled.
const MOST_GATHERED: usize = 16 * 1024 * 1024;

/// More than any address space has, and little enough to be rounded up: the system refuses it with an error.
const MOST_STACK: usize = usize::MAX / 4;

/// The smallest stack on which a panic can still be formatted and unwound.
const LEAST_STACK: usize = 16 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct Options {
    chunk_size: usize,
    capacity: usize,
    pub(crate) unbuffered: bool,
    pub(crate) stack_size: usize,
    pub(crate) name: Option<Arc<str>>,
}

impl Options {
    pub(crate) const fn new() -> Options {
        Options { chunk_size: CHUNK_SIZE, capacity: CAPACITY, unbuffered: false, stack_size: STACK_SIZE, name: None }
    }

    /// The options of a bare [`pipe`](crate::pipe).
    pub(crate) fn pipe(capacity: usize) -> Options {
        let mut options = Options::new();
        options.set_capacity("pipe", capacity);
        options
    }

    /// A chunk is never larger than the capacity: the smaller of the two wins.
    pub(crate) fn chunk_size(&self) -> usize {
        self.chunk_size.min(self.capacity)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// For the engine that has no queue, where a chunk may have any size.
    pub(crate) fn unqueued_chunk_size(&self) -> usize {
        self.chunk_size
    }

    #[track_caller]
    pub(crate) fn set_chunk_size(&mut self, bytes: usize) {
        assert!(
            bytes > 0,
            "`chunk_size(0)`: a chunk holds at least one byte; for a chunk per write use `unbuffered()`"
        );
        self.chunk_size = bytes.min(MOST_GATHERED);
    }

    #[track_caller]
    pub(crate) fn set_capacity(&mut self, of: &str, bytes: usize) {
        assert!(bytes > 0, "`{of}(0)`: a bridge that may hold no byte can move none; 1 is the least");
        self.capacity = bytes;
    }

    #[track_caller]
    pub(crate) fn set_stack_size(&mut self, bytes: usize) {
        assert!(
            bytes > 0,
            "`stack_size(0)`: a program needs a stack; the default is 1 MiB, of which only what is used costs memory"
        );
        self.stack_size = bytes.clamp(LEAST_STACK, MOST_STACK);
    }
}

/// The setters that every engine has.
macro_rules! engine_options {
    () => {
        /// Where small writes are cut into chunks, in bytes (32 KiB unless set, 16 MiB at the most). One write of this
        /// size or more becomes one larger chunk.
        ///
        /// # Panics
        ///
        /// If `bytes` is zero.
        #[must_use]
        #[track_caller]
        pub fn chunk_size(mut self, bytes: usize) -> Self {
            self.options.set_chunk_size(bytes);
            self
        }

        /// Makes every write a chunk of its own, as if it were followed by a flush.
        #[must_use]
        pub fn unbuffered(mut self) -> Self {
            self.options.unbuffered = true;
            self
        }

        /// How much stack a program has, in bytes (1 MiB unless set, 16 KiB at least). It is reserved, not committed:
        /// only what a program has touched costs memory.
        ///
        /// # Panics
        ///
        /// If `bytes` is zero.
        #[must_use]
        #[track_caller]
        pub fn stack_size(mut self, bytes: usize) -> Self {
            self.options.set_stack_size(bytes);
            self
        }

        /// What the program is called: in `Debug` output; on `Thread`, in the operating system's list of threads; on
        /// `Local` and `Pool`, in the message when it runs over its stack.
        #[must_use]
        pub fn name(mut self, name: impl Into<std::sync::Arc<str>>) -> Self {
            self.options.name = Some(name.into());
            self
        }
    };
}

/// The setter that only engines with a queue have.
macro_rules! queue_options {
    () => {
        /// How many bytes may be accepted and not yet pulled (256 KiB unless set). A writer that has filled it is
        /// held, and goes on when half of it has been pulled.
        ///
        /// # Panics
        ///
        /// If `bytes` is zero.
        #[must_use]
        #[track_caller]
        pub fn capacity(mut self, bytes: usize) -> Self {
            self.options.set_capacity("capacity", bytes);
            self
        }
    };
}

pub(crate) use {engine_options, queue_options};
