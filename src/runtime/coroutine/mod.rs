//! The switch between stacks: coroutines, the chain of those that run on this thread, and which of them may suspend.
//!
//! Coroutines nest: a program may pull another bridge. Those that run on a thread at a time form a chain, from the
//! innermost down to the thread's own stack. Suspending a coroutine suspends everything nested in it. A coroutine that
//! is not on the chain must never be suspended, so every suspension first looks for its frame on the chain.
//!
//! `chain` is that chain, and what the running code asks of it. `variable` is the state of each thread that holds it.
//! `words` finds private thread-locals of other libraries. `limit` uses it for the stack limit of `stacker`, and `exit`
//! to notice that a thread ends.
#![allow(unsafe_code, reason = "this file owns the switch between stacks")]

mod chain;
mod exit;
#[cfg_attr(not(all(feature = "stacker", target_os = "linux")), path = "no_limit.rs")]
mod limit;
#[cfg_attr(all(windows, target_env = "gnu", not(target_abi = "llvm")), path = "slot.rs")]
mod variable;
#[cfg(any(all(feature = "stacker", target_os = "linux"), all(target_os = "linux", target_env = "gnu")))]
mod words;

use std::cell::Cell;
use std::fmt;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::panic::{self, AssertUnwindSafe};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::task::Waker;
use std::thread;

use bytes::Bytes;

pub(crate) use self::chain::{is_polled, keep_waker, refuses_to_wait, suspend_polled, turn_is_over, waits};

use self::chain::{OnThread, begin, chain};
use self::variable::on_thread;

use super::fairness::Turn;
#[cfg(feature = "tracing")]
use super::spans::Spans;
use super::stack::{Stack, Switch, Yielder};
use crate::sys::prefetch;

/// The error of a refused wait: the program that asked for it is to stop, or is unwinding.
#[derive(Debug)]
pub(crate) struct Refused;

/// The largest closure, in bytes, that is placed on the coroutine's own stack. A larger one is boxed.
const MAX_PLACED: usize = 2048;

/// A coroutine's place in the chain.
pub(crate) struct Frame {
    /// The thread that the coroutine stays on.
    thread: &'static OnThread,
    /// The way out of the coroutine, set when the program begins.
    yielder: Cell<*const Yielder<(), ()>>,
    /// The frame on whose stack this one was entered. Valid while this frame is on the chain.
    below: Cell<*const Frame>,
    /// The innermost frame at the last suspension: this frame, or one nested in it.
    top: Cell<*const Frame>,
    /// Set if this frame was entered by a poll. Valid while this frame is on the chain.
    waker: Cell<*const Waker>,
    /// The number of times that a wait has suspended this frame.
    waits: Cell<u64>,
    /// `true` if the thread was unwinding when this frame was last entered.
    entered_unwinding: Cell<bool>,
    /// Set when the other end was dropped or the program has ended: nothing suspends any more.
    closed: Cell<bool>,
    /// The bytes moved since the last wait, if this frame was entered by a poll.
    turn: Cell<Turn>,
    /// The limit of the stack on which the program continues, as `stacker` knows it: this coroutine's, or that of a
    /// nested one.
    limit: Cell<usize>,
    /// The thread's stage when this frame was made, or first entered.
    stage: Cell<u32>,
    /// Set when the program was suspended and its thread has begun to end: it is never resumed.
    lost: Cell<bool>,
    /// The end of the stack at the last suspension, to be prefetched before the next resumption.
    resting: Cell<*const u8>,
    /// The chunk that the suspended program hands over, by address. Each copy of four words that were just written
    /// costs a stalled load, which is a third of the cost of a hand-over.
    handed: Cell<Option<NonNull<Bytes>>>,
    /// The bytes that the suspended program lends.
    lent: Cell<Option<NonNull<[u8]>>>,
}

/// The state that both sides of the switch can reach.
pub(crate) struct Shared<X> {
    pub(crate) frame: Frame,
    pub(crate) exchange: X,
}

/// A program on a stack of its own. It stays on the thread that made it.
pub(crate) struct Coroutine<X> {
    /// Dropped unless the program is lost: a lost program and its stack are leaked.
    switch: ManuallyDrop<Switch<(), (), (), Stack>>,
    shared: Rc<Shared<X>>,
    #[cfg(feature = "tracing")]
    spans: Spans,
}

impl<X: 'static> Coroutine<X> {
    /// Places `body` on the stack. It begins at the first [`resume`](Coroutine::resume), and must not panic.
    pub(crate) fn new(
        stack: Stack,
        exchange: impl FnOnce() -> X,
        body: impl FnOnce(&Rc<Shared<X>>) + 'static,
    ) -> Coroutine<X> {
        // SAFETY: the body borrows nothing.
        unsafe { Coroutine::new_scoped(stack, exchange, body) }
    }

    /// Places a body that borrows on the stack.
    ///
    /// # Safety
    ///
    /// The coroutine must be dropped before anything that `body` borrows.
    #[inline]
    pub(crate) unsafe fn new_scoped<F>(stack: Stack, exchange: impl FnOnce() -> X, body: F) -> Coroutine<X>
    where
        F: FnOnce(&Rc<Shared<X>>),
    {
        let shared = Rc::new(Shared { frame: Frame::new(begin()), exchange: exchange() });
        shared.frame.top.set(&shared.frame);
        shared.frame.limit.set(stack.floor());
        let switch = if mem::size_of::<F>() > MAX_PLACED {
            let body = Box::new(body);
            // SAFETY: the caller's promise about `body`.
            unsafe { place(stack, shared.clone(), body) }
        } else {
            // SAFETY: the caller's promise about `body`.
            unsafe { place(stack, shared.clone(), body) }
        };
        Coroutine {
            switch: ManuallyDrop::new(switch),
            shared,
            #[cfg(feature = "tracing")]
            spans: Spans::default(),
        }
    }
}

/// Makes the switch that runs `body`.
///
/// # Safety
///
/// The coroutine must be dropped before anything that `body` borrows.
unsafe fn place<X>(
    stack: Stack,
    shared: Rc<Shared<X>>,
    body: impl FnOnce(&Rc<Shared<X>>),
) -> Switch<(), (), (), Stack> {
    let begin = move |yielder: &Yielder<(), ()>, ()| {
        if shared.frame.is_closed() {
            // Dropped before it has begun.
            return;
        }
        shared.frame.yielder.set(yielder);
        body(&shared);
        shared.frame.close();
    };
    // SAFETY: the caller keeps what `body` borrows until the coroutine, and so its stack, is dropped.
    unsafe { Switch::with_stack_unchecked(stack, begin) }
}

impl<X> Coroutine<X> {
    /// Drops what a program that never began owns, and returns the panic of doing so.
    fn drop_unbegun(&mut self) -> thread::Result<()> {
        self.enter(on_thread(), |switch| panic::catch_unwind(AssertUnwindSafe(|| switch.resume(()))).map(|_| ()))
    }

    pub(crate) fn shared(&self) -> &Rc<Shared<X>> {
        &self.shared
    }

    /// Returns `true` if the program has ended.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.switch.done()
    }

    pub(crate) fn is_started(&self) -> bool {
        self.switch.started()
    }

    /// Returns `true` if the program was suspended when its thread began to end. Such a program is never resumed, and
    /// what it handed over or lent is not read: it may borrow from a destroyed thread-local.
    #[cold]
    pub(crate) fn is_lost(&self) -> bool {
        let frame = &self.shared.frame;
        frame.lost.get() || self.is_started() && !self.is_done() && !frame.is_of_now()
    }

    /// Runs the program until it suspends or ends. Does nothing if the program [is lost](Coroutine::is_lost).
    ///
    /// With a waker, this is a poll: a wait inside the program suspends it, to be polled again when the waker is woken.
    ///
    /// # Panics
    ///
    /// Panics if the program has ended.
    // Always inlined, like the switch itself: the processor predicts returns correctly only if no call is left open.
    #[inline(always)]
    pub(crate) fn resume(&mut self, waker: Option<&Waker>) {
        let thread = on_thread();
        if self.shared.frame.stage.get() != thread.exit.stage() && !self.may_begin() {
            return;
        }
        #[cfg(feature = "tracing")]
        let entered = self.spans.enter();
        let frame = &self.shared.frame;
        frame.below.set(thread.current.get());
        frame.waker.set(waker.map_or(ptr::null(), ptr::from_ref));
        frame.entered_unwinding.set(thread::panicking());
        thread.current.set(frame.top.get());
        self.enter(thread, |switch| switch.resume(()));
        thread.current.set(self.shared.frame.below.get());
        #[cfg(feature = "tracing")]
        self.spans.leave(entered);
    }

    /// Calls `switch`, which must not panic and which runs the program, with the program's stack limit set.
    #[inline(always)]
    fn enter<T>(&mut self, thread: &OnThread, switch: impl FnOnce(&mut Switch<(), (), (), Stack>) -> T) -> T {
        let below = thread.limit.replace(self.shared.frame.limit.get());
        let result = switch(&mut self.switch);
        self.shared.frame.limit.set(thread.limit.replace(below));
        thread.exit.prepare();
        result
    }

    /// Returns `true` if the program may run on a thread that is ending, which is so if it has not begun before.
    #[cold]
    fn may_begin(&self) -> bool {
        let frame = &self.shared.frame;
        if self.is_started() {
            frame.lost.set(true);
        } else {
            frame.stage.set(frame.thread.exit.stage());
        }
        !frame.lost.get()
    }

    /// Prefetches what `resume` reads first. When that has arrived, `fetch_stack` comes next.
    #[inline]
    pub(crate) fn fetch_frame(&self) {
        prefetch::value(&*self.shared);
    }

    /// Prefetches the part of the stack on which the suspended program continues.
    #[inline]
    pub(crate) fn fetch_stack(&self) {
        prefetch::range(self.shared.frame.resting.get().wrapping_sub(FETCHED_BELOW), FETCHED_BELOW + FETCHED);
    }

    /// Takes the chunk that the suspended program hands over.
    #[inline]
    pub(crate) fn take_handed(&mut self) -> Option<Bytes> {
        // SAFETY: the pointer is set only inside `Frame::hand`. That call is suspended now, because the coroutine is
        // not running: its `resume` would borrow it mutably. So the call still owns the chunk; it finds the pointer
        // gone and forgets the chunk.
        self.shared.frame.handed.take().map(|chunk| unsafe { chunk.read() })
    }

    /// Returns the bytes that the suspended program lends, until it is resumed.
    #[inline]
    pub(crate) fn lent(&self) -> Option<&[u8]> {
        let frame = &self.shared.frame;
        let lent = frame.lent.get().filter(|_| frame.is_of_now());
        // SAFETY: the pointer is set only inside `Frame::lend`. That call is suspended now, because the coroutine is
        // not running: its `resume` would borrow it mutably. So the call still borrows the slice, and the thread has
        // not begun to end since. The program cannot be resumed while `self` is borrowed.
        lent.map(|lent| unsafe { lent.as_ref() })
    }

    /// Removes the first `len` bytes, which were used, from what the program lends.
    pub(crate) fn shorten_lent(&mut self, len: usize) {
        let rest = self.lent().map(|lent| NonNull::from(&lent[len..]));
        self.shared.frame.lent.set(rest);
    }
}

impl<X> Drop for Coroutine<X> {
    /// Ends the program. A suspended program's waits are refused, and it runs to its end on this stack.
    ///
    /// A program that never began is dropped on its own stack. There it may wait like its caller, and its panic is the
    /// caller's. Dropped from outside, its panic would end the process.
    ///
    /// A program that is lost, or that runs now (which takes `process::exit` in it), is leaked.
    fn drop(&mut self) {
        if self.shared.frame.is_on_chain() {
            return;
        }
        self.shared.frame.close();
        let begun = self.is_started();
        while begun && !self.is_done() {
            self.resume(None);
            if self.shared.frame.lost.get() {
                return;
            }
        }
        let dropped = if begun { Ok(()) } else { self.drop_unbegun() };
        // SAFETY: the field is not used again.
        unsafe { ManuallyDrop::drop(&mut self.switch) };
        if let Err(panic) = dropped {
            panic::resume_unwind(panic);
        }
    }
}

impl Frame {
    #[inline]
    fn new(thread: &'static OnThread) -> Frame {
        Frame {
            thread,
            yielder: Cell::new(ptr::null()),
            below: Cell::new(ptr::null()),
            top: Cell::new(ptr::null()),
            waker: Cell::new(ptr::null()),
            waits: Cell::new(0),
            entered_unwinding: Cell::new(false),
            closed: Cell::new(false),
            turn: Cell::new(Turn::new()),
            limit: Cell::new(0),
            stage: Cell::new(thread.exit.stage()),
            lost: Cell::new(false),
            resting: Cell::new(ptr::null()),
            handed: Cell::new(None),
            lent: Cell::new(None),
        }
    }

    /// Returns `true` if its thread's end is at the same stage as when this frame was made or first entered.
    #[inline]
    fn is_of_now(&self) -> bool {
        self.stage.get() == self.thread.exit.stage()
    }

    pub(crate) fn close(&self) {
        self.closed.set(true);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Returns `true` if the code began to unwind since this frame was last entered (law 14).
    #[inline]
    fn unwinding(&self) -> bool {
        thread::panicking() && !self.entered_unwinding.get()
    }

    #[inline]
    fn is_on_chain(&self) -> bool {
        let current = on_thread().current.get();
        ptr::eq(current, self) || chain().any(|frame| ptr::eq(frame, self))
    }

    /// Returns an error if a suspension would be refused now.
    #[inline]
    pub(crate) fn may_suspend(&self) -> Result<(), Refused> {
        if self.closed.get() || self.unwinding() || !self.is_on_chain() {
            return Err(Refused);
        }
        Ok(())
    }

    /// Calls `prepare` and returns control to the caller that resumed this coroutine. Refused before `prepare` if a
    /// suspension is not possible, and afterwards if the other end was dropped meanwhile.
    #[inline(always)]
    pub(crate) fn suspend(&self, prepare: impl FnOnce()) -> Result<(), Refused> {
        self.may_suspend()?;
        prepare();
        self.top.set(on_thread().current.get());
        let here = MaybeUninit::<u8>::uninit();
        self.resting.set(here.as_ptr());
        // SAFETY: a frame on the chain has begun. Its yielder is at the bottom of its stack, which lasts until the
        // program ends. A frame on the chain runs, or waits for a nested one that runs, so there is a parent to switch
        // to.
        unsafe { (*self.yielder.get()).suspend(()) };
        if self.closed.get() { Err(Refused) } else { Ok(()) }
    }

    /// Suspends until the caller has taken `chunk` and wants more.
    #[inline(always)]
    pub(crate) fn hand(&self, chunk: Bytes) -> Result<(), Refused> {
        let mut offered = false;
        let resumed = self.suspend(|| {
            offered = true;
            self.handed.set(Some(NonNull::from(&chunk)));
        });
        if offered && self.handed.take().is_none() {
            // The caller has taken it.
            mem::forget(chunk);
        }
        resumed
    }

    /// Suspends while the caller may read `bytes`.
    pub(crate) fn lend(&self, bytes: &[u8]) -> Result<(), Refused> {
        let resumed = self.suspend(|| self.lent.set(Some(NonNull::from(bytes))));
        self.lent.set(None);
        resumed
    }

    /// Returns `true` if the running code may be unwound for what this program is refused.
    pub(crate) fn may_unwind(&self) -> bool {
        // If the writer was moved out of the program, the running code is the caller's and must not be unwound.
        self.is_on_chain() && !self.unwinding()
    }
}

/// The number of bytes of a stack that are prefetched: enough for a write that continues and a small program around it.
const FETCHED: usize = 1024;

/// The number of bytes below the resting place: a wait that continues polls again, which goes deeper than its
/// suspension.
const FETCHED_BELOW: usize = 1024;

impl<X> fmt::Debug for Coroutine<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.is_started(), self.is_done()) {
            (false, _) => "NotStarted",
            (true, false) => "Suspended",
            (true, true) => "Done",
        })
    }
}
