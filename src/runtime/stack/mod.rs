//! The stacks that programs run on. A stack that is done with is kept by its thread for the next program: a bridge on a
//! fresh one costs 16 µs, on a recycled one a hundred nanoseconds.
//!
//! On Linux they come from slabs of many (`slab.rs`), elsewhere from the stack switching library, one by one.
#![allow(unsafe_code, reason = "this file and those below it own the stacks")]

#[cfg_attr(all(target_os = "linux", not(pushpull_system_stacks)), path = "slab.rs")]
#[cfg_attr(not(all(target_os = "linux", not(pushpull_system_stacks))), path = "system.rs")]
mod memory;

use std::cell::RefCell;
use std::io;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use corosensei::stack::StackPointer;

pub(crate) use corosensei::{Coroutine as Switch, Yielder};

use self::memory::Memory;
use crate::options::Options;

/// A constructor of an engine that has programs on stacks of their own: see `absent.rs`.
macro_rules! on_stacks {
    ($($item:tt)*) => { $($item)* };
}

pub(crate) use on_stacks;

/// How many stacks a thread keeps.
const MAX_KEPT: usize = 64;

/// How many stacks are looked at closely after one was seen to have been deep by so few words that this was an accident.
const WARY: usize = 64;
const FEW: usize = 1;

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { stacks: Vec::new(), turn: 0, wary: 0 }) };
}

struct Kept {
    stacks: Vec<Memory>,
    /// How many were given back.
    turn: usize,
    /// How many more are looked at closely.
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
            // It goes back to where it came from.
            return;
        }
        self.turn = self.turn.wrapping_add(1);
        let traces = memory.trim(self.turn);
        if traces > 0 {
            // Others may have had the same program, and may lie there for long.
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

/// A stack with a guard below it. Dropping it keeps it for the next program of this thread.
pub(crate) struct Stack {
    memory: ManuallyDrop<Memory>,
    /// What the memory points to, for whoever overflows it.
    _name: Option<Arc<str>>,
}

impl Stack {
    /// A stack as large as the options say, for a program with their name.
    ///
    /// # Errors
    ///
    /// What the system says when it has no more memory or mappings to give.
    pub(crate) fn new(options: &Options) -> io::Result<Stack> {
        let kept = KEPT.try_with(|kept| kept.borrow_mut().take(options.stack_size));
        let mut memory = match kept.ok().flatten() {
            Some(memory) => memory,
            None => Memory::new(options.stack_size)?,
        };
        memory.set_name(options.name.as_deref());
        Ok(Stack { memory: ManuallyDrop::new(memory), _name: options.name.clone() })
    }

    /// The lowest address that a program may use.
    #[inline]
    pub(crate) fn floor(&self) -> usize {
        self.memory.floor()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the stack is being dropped, and nothing below uses the field again.
        let memory = unsafe { ManuallyDrop::take(&mut self.memory) };
        // Where the thread is ending it goes back to where it came from.
        let _ = KEPT.try_with(|kept| kept.borrow_mut().keep(memory));
    }
}

// SAFETY: base, limit and guard page are those of the memory inside, which is not touched until this one is dropped.
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
