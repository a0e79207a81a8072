//! The memory of one stack on Windows, from the stack switching library: one reservation per stack. The system commits
//! its pages as they are used, and determines how many stacks there can be.

mod exception;
mod header;

use std::io;
use std::ptr;

use corosensei::stack::{DefaultStack, Stack, StackPointer, StackTebFields};

use self::exception::Marked;

pub(super) struct Memory {
    stack: DefaultStack,
    asked: usize,
}

impl Memory {
    /// Returns memory of at least `asked` bytes.
    pub(super) fn new(asked: usize) -> io::Result<Memory> {
        exception::watch();
        // A size larger than any address space would overflow a calculation.
        if asked > isize::MAX as usize / 2 {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(Memory { stack: DefaultStack::new(asked + size_of::<Marked>())?, asked })
    }

    pub(super) fn asked(&self) -> usize {
        self.asked
    }

    /// Returns the base of the stack, below the header.
    #[inline]
    pub(super) fn base(&self) -> StackPointer {
        StackPointer::new(self.stack.base().get() - size_of::<Marked>()).expect("no stack is at zero")
    }

    pub(super) fn limit(&self) -> StackPointer {
        self.stack.limit()
    }

    pub(super) fn floor(&self) -> usize {
        self.base().get() - self.asked
    }

    /// Writes the header of the stack's new program. The name must live as long as the program has the stack.
    pub(super) fn set_name(&mut self, name: Option<&str>) {
        let header = ptr::with_exposed_provenance_mut::<Marked>(self.base().get());
        // SAFETY: the highest bytes of the stack, above the base, are the header's. The library has committed them, and
        // no program runs on this stack.
        unsafe { header.write(Marked::new(name, self.asked, self.base().get())) };
    }

    pub(super) fn trim(&mut self, _: usize) -> usize {
        0
    }

    pub(super) fn settle(&mut self) {}

    pub(super) fn drop_all(memories: impl Iterator<Item = Memory>) {
        memories.for_each(drop);
    }

    pub(super) fn teb_fields(&self) -> StackTebFields {
        self.stack.teb_fields()
    }

    pub(super) fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        self.stack.update_teb_fields(stack_limit, guaranteed_stack_bytes);
    }
}
