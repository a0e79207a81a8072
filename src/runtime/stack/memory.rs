//! The memory of one stack from the stack switching library, on any system: one mapping per stack. The system
//! determines how many there can be, and what an overflow looks like.

use std::io;

use corosensei::stack::{DefaultStack, Stack, StackPointer};

pub(super) struct Memory {
    stack: DefaultStack,
    asked: usize,
}

impl Memory {
    /// Returns memory of at least `asked` bytes.
    pub(super) fn new(asked: usize) -> io::Result<Memory> {
        // A size larger than any address space would overflow a calculation.
        if asked > isize::MAX as usize / 2 {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(Memory { stack: DefaultStack::new(asked)?, asked })
    }

    pub(super) fn asked(&self) -> usize {
        self.asked
    }

    pub(super) fn base(&self) -> StackPointer {
        self.stack.base()
    }

    pub(super) fn limit(&self) -> StackPointer {
        self.stack.limit()
    }

    pub(super) fn floor(&self) -> usize {
        self.stack.base().get() - self.asked
    }

    pub(super) fn set_name(&mut self, _: Option<&str>) {}

    pub(super) fn trim(&mut self, _: usize) -> usize {
        0
    }

    pub(super) fn settle(&mut self) {}

    pub(super) fn drop_all(memories: impl Iterator<Item = Memory>) {
        memories.for_each(drop);
    }
}
