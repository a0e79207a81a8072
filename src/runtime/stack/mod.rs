//! The stacks that programs run on. A thread keeps a used stack for its next program. A bridge on a fresh stack costs
//! 16 µs, on a recycled one a hundred nanoseconds.
//!
//! `memory` is the memory of one stack, from the stack switching library, one by one. On Windows it is `windows.rs`. On
//! Linux, FreeBSD and Apple's systems it comes from slabs of many stacks (`slab.rs`). On targets without coroutines,
//! `absent.rs` replaces this file.
#![allow(unsafe_code, reason = "this file and those below it own the stacks")]

#[cfg_attr(
    all(any(target_os = "linux", target_os = "freebsd", target_vendor = "apple"), not(pushpull_system_stacks)),
    path = "slab.rs"
)]
#[cfg_attr(windows, path = "windows.rs")]
mod memory;

use std::cell::RefCell;
use std::io;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use corosensei::stack::StackPointer;

pub(crate) use corosensei::{Coroutine as Switch, Yielder};

use self::memory::Memory;
use crate::options::Options;

/// Wraps the constructors of an engine that runs programs on stacks: see `absent.rs`.
macro_rules! on_stacks {
    ($($item:tt)*) => { $($item)* };
}

pub(crate) use on_stacks;

/// The maximum number of stacks that a thread keeps.
const MAX_KEPT: usize = 64;

/// The number of stacks that are checked completely after a deep one was noticed by chance, by `FEW` words or fewer.
const WARY: usize = 64;
const FEW: usize = 1;

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { stacks: Vec::new(), turn: 0, wary: 0 }) };
}

struct Kept {
    stacks: Vec<Memory>,
    /// The number of stacks that were given back.
    turn: usize,
    /// The number of stacks still to be checked completely.
    wary: usize,
}

impl Kept {
    #[inline]
    fn take(&mut self, asked: usize) -> Option<Memory> {
        let place = self.stacks.iter().rposition(|memory| memory.asked() == asked)?;
        Some(self.stacks.swap_remove(place))
    }

    fn keep(&mut self, mut memory: Memory) {
        if self.stacks.len() >= MAX_KEPT {
            // The stacks that were not used for longest return to their slabs or to the system.
            Memory::drop_all(self.stacks.drain(..MAX_KEPT / 2));
        }
        self.turn = self.turn.wrapping_add(1);
        let traces = memory.trim(self.turn);
        if traces > 0 {
            // Other kept stacks may have had the same program, and may stay here for long.
            self.stacks.iter_mut().for_each(Memory::settle);
        }
        if (1..=FEW).contains(&traces) {
            self.wary = WARY;
        } else if self.wary > 0 {
            self.wary -= 1;
            memory.settle();
        }
        self.stacks.push(memory);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        Memory::drop_all(self.stacks.drain(..));
    }
}

/// A stack with a guard below it. When dropped, it is kept for the next program of this thread.
pub(crate) struct Stack {
    memory: ManuallyDrop<Memory>,
    /// The name that the memory points to, for the overflow message.
    _name: Option<Arc<str>>,
}

impl Stack {
    /// Returns a stack with the size and the name of `options`.
    ///
    /// # Errors
    ///
    /// Returns the system's error if it has no more memory or mappings.
    pub(crate) fn new(options: &Options) -> io::Result<Stack> {
        let kept = KEPT.try_with(|kept| kept.borrow_mut().take(options.stack_size));
        let mut memory = match kept.ok().flatten() {
            Some(memory) => memory,
            None => Memory::new(options.stack_size)?,
        };
        memory.set_name(options.name.as_deref());
        Ok(Stack { memory: ManuallyDrop::new(memory), _name: options.name.clone() })
    }

    /// Returns the lowest address that a program may use.
    #[inline]
    pub(crate) fn floor(&self) -> usize {
        self.memory.floor()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the stack is being dropped, and the field is not used again.
        let memory = unsafe { ManuallyDrop::take(&mut self.memory) };
        // If the thread is ending, the memory is dropped and returns to its slab or to the system.
        let _ = KEPT.try_with(|kept| kept.borrow_mut().keep(memory));
    }
}

// SAFETY: base, limit and guard are those of the memory inside, which is not touched until this stack is dropped.
unsafe impl corosensei::stack::Stack for Stack {
    #[inline]
    fn base(&self) -> StackPointer {
        self.memory.base()
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.memory.limit()
    }

    #[cfg(windows)]
    fn teb_fields(&self) -> corosensei::stack::StackTebFields {
        self.memory.teb_fields()
    }

    #[cfg(windows)]
    fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        self.memory.update_teb_fields(stack_limit, guaranteed_stack_bytes);
    }
}
