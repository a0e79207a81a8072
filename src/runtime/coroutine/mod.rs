//! The switch: programs on stacks of their own, which chain of them runs on this thread, and who may suspend.
//!
//! Coroutines nest: a program may pull another bridge. The ones that run on a thread at a time form a chain from the
//! innermost down to the thread's own stack. Suspending one takes everything nested in it along. A coroutine that is
//! not on the chain must never be suspended, so every suspension looks for its frame on the chain first.
#![allow(unsafe_code, reason = "this file owns the switch between stacks")]

mod exit;
#[cfg_attr(not(all(feature = "stacker", target_os = "linux")), path = "no_limit.rs")]
mod limit;
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

use self::exit::Exit;
use self::limit::Limit;

use super::fairness::Turn;
#[cfg(feature = "tracing")]
use super::spans::Spans;
use super::stack::{Stack, Switch, Yielder};

/// The wait was refused: the program that asked for it is to stop, or is unwinding.
#[derive(Debug)]
pub(crate) struct Refused;

thread_local! {
    /// In one piece, which a frame knows: to find a thread-local is a call.
    static ON_THREAD: OnThread = const { OnThread { current: Cell::new(ptr::null()), limit: Limit::new(), exit: Exit::new() } };
}

/// What the coroutines of a thread share.
struct OnThread {
    /// The innermost frame that runs on it; null on the thread's own stack.
    current: Cell<*const Frame>,
    limit: Limit,
    exit: Exit,
}

#[inline]
fn on_thread() -> &'static OnThread {
    // SAFETY: it has no destructor and so lasts as long as its thread, which the reference does not leave: it is not `Send`, and
    // a coroutine stays on its thread.
    ON_THREAD.with(|thread| unsafe { &*ptr::from_ref(thread) })
}

/// A closure larger than this is boxed: a smaller one is placed on the coroutine's own stack.
const MAX_PLACED: usize = 2048;

/// What a processor fetches at a time, in bytes.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// One coroutine's place in the chain.
pub(crate) struct Frame {
    /// The thread that it stays on.
    thread: &'static OnThread,
    /// How to leave; set when the program begins.
    yielder: Cell<*const Yielder<(), ()>>,
    /// Whose stack this one was entered from. Valid while this frame is on the chain.
    below: Cell<*const Frame>,
    /// The innermost frame at the last suspension: this one, or one nested in it.
    top: Cell<*const Frame>,
    /// Set while it was entered by a poll. Valid while this frame is on the chain.
    waker: Cell<*const Waker>,
    /// How often a wait has suspended it.
    waits: Cell<u64>,
    /// Whether the thread was unwinding when this one was last entered.
    entered_unwinding: Cell<bool>,
    /// The host has gone, or the program has ended: nothing suspends any more.
    closed: Cell<bool>,
    /// What was moved since the last wait, where this one was entered by a poll.
    turn: Cell<Turn>,
    /// The limit of the stack that the program goes on with, where that is known to others: this coroutine's, or that of one nested
    /// in it.
    limit: Cell<usize>,
    /// The thread's when it was made, or first entered.
    stage: Cell<u32>,
    /// It was suspended, and its thread has begun to end: it never runs again.
    lost: Cell<bool>,
    /// Where the stack ended at the last suspension, to be fetched ahead of the next resumption.
    resting: Cell<*const u8>,
    /// The chunk that the suspended program hands to its host. A place and not the chunk: every copy of four words that
    /// were only just written costs a stalled load, which is a third of what a hand-over costs.
    handed: Cell<Option<NonNull<Bytes>>>,
    /// What the suspended program lends to its host.
    lent: Cell<Option<NonNull<[u8]>>>,
}

/// What both sides of the switch can reach: the frame, and whatever else they exchange.
pub(crate) struct Shared<X> {
    pub(crate) frame: Frame,
    pub(crate) exchange: X,
}

/// A program on a stack of its own. It stays on the thread that made it.
pub(crate) struct Coroutine<X> {
    /// Dropped unless the program is lost: that stays on its stack, and the stack where it is.
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

    /// The same for a body that borrows.
    ///
    /// # Safety
    ///
    /// The coroutine is dropped before anything that `body` borrows.
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

/// # Safety
///
/// The coroutine is dropped before anything that `body` borrows.
unsafe fn place<X>(
    stack: Stack,
    shared: Rc<Shared<X>>,
    body: impl FnOnce(&Rc<Shared<X>>),
) -> Switch<(), (), (), Stack> {
    let begin = move |yielder: &Yielder<(), ()>, ()| {
        if shared.frame.is_closed() {
            // It goes without having begun.
            return;
        }
        shared.frame.yielder.set(yielder);
        body(&shared);
        shared.frame.close();
    };
    // SAFETY: the caller keeps what `body` borrows until the coroutine, and so its stack, is gone.
    unsafe { Switch::with_stack_unchecked(stack, begin) }
}

impl<X> Coroutine<X> {
    /// Drops what a program owns that never began. What that panics with is returned.
    fn drop_unbegun(&mut self) -> thread::Result<()> {
        self.enter(on_thread(), |switch| panic::catch_unwind(AssertUnwindSafe(|| switch.resume(()))).map(|_| ()))
    }

    pub(crate) fn shared(&self) -> &Rc<Shared<X>> {
        &self.shared
    }

    /// The program has ended.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.switch.done()
    }

    pub(crate) fn is_started(&self) -> bool {
        self.switch.started()
    }

    /// The program was suspended when its thread began to end. It never runs again, and what it handed over or lent is not looked
    /// at: any of that may be borrowed from a thread-local that is gone.
    #[cold]
    pub(crate) fn is_lost(&self) -> bool {
        let frame = &self.shared.frame;
        frame.lost.get() || self.is_started() && !self.is_done() && !frame.is_of_now()
    }

    /// Runs the program until it suspends or ends. With a waker this is a poll: a wait inside the program suspends it,
    /// to be polled again when the waker is woken. Does nothing if it [is lost](Coroutine::is_lost).
    ///
    /// # Panics
    ///
    /// If it has ended.
    // Always inlined, as the switch itself: the processor predicts returns rightly only if no call is left open.
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

    /// Goes to the program's stack by way of `switch`, which does not panic, and comes back.
    #[inline(always)]
    fn enter<T>(&mut self, thread: &OnThread, switch: impl FnOnce(&mut Switch<(), (), (), Stack>) -> T) -> T {
        let below = thread.limit.replace(self.shared.frame.limit.get());
        let result = switch(&mut self.switch);
        self.shared.frame.limit.set(thread.limit.replace(below));
        thread.exit.prepare();
        result
    }

    /// A program that is entered on a thread that is ending: whether it has not begun before.
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

    /// Has the processor fetch what it looks at first in `resume`, and, when that has come, in `fetch_stack`.
    #[inline]
    pub(crate) fn fetch_frame(&self) {
        fetch(&*self.shared);
    }

    /// Has the processor fetch the part of the stack that the suspended program goes on with.
    #[inline]
    pub(crate) fn fetch_stack(&self) {
        fetch_range(self.shared.frame.resting.get().wrapping_sub(FETCHED_BELOW), FETCHED_BELOW + FETCHED);
    }

    /// Takes the chunk that the suspended program hands over.
    #[inline]
    pub(crate) fn take_handed(&mut self) -> Option<Bytes> {
        // SAFETY: it is set only inside `Frame::hand`, which is suspended now, for the coroutine is not running (its
        // `resume` would hold it mutably), and which still has the chunk. It finds the place empty and forgets it.
        self.shared.frame.handed.take().map(|chunk| unsafe { chunk.read() })
    }

    /// What the suspended program lends, until it is resumed.
    #[inline]
    pub(crate) fn lent(&self) -> Option<&[u8]> {
        let frame = &self.shared.frame;
        let lent = frame.lent.get().filter(|_| frame.is_of_now());
        // SAFETY: it is set only inside `Frame::lend`, which is suspended now, for the coroutine is not running (its
        // `resume` would hold it mutably), and which still borrows the slice: the thread has not begun to end since. It
        // cannot go on while `self` is borrowed.
        lent.map(|lent| unsafe { lent.as_ref() })
    }

    /// The first bytes of what the program lends have been dealt with: it lends only the others.
    pub(crate) fn shorten_lent(&mut self, len: usize) {
        let rest = self.lent().map(|lent| NonNull::from(&lent[len..]));
        self.shared.frame.lent.set(rest);
    }
}

impl<X> Drop for Coroutine<X> {
    /// A suspended program is told that its host is gone, and runs to its end on this stack. Of one that never began only
    /// what it owns is dropped: there too, where a panic is the host's as any other, and in the host's place in the chain, so
    /// that it may wait as the host may. Dropped from outside it would end the process.
    ///
    /// One that is lost, or that runs now (which takes `process::exit` in it), stays where it is, as if it were forgotten.
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
        // SAFETY: it is not used again.
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

    /// Its thread has come no further with its end than when this was made or first entered.
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

    /// Law 14: code that began to unwind since it was last entered.
    #[inline]
    fn unwinding(&self) -> bool {
        thread::panicking() && !self.entered_unwinding.get()
    }

    #[inline]
    fn is_on_chain(&self) -> bool {
        let current = on_thread().current.get();
        ptr::eq(current, self) || chain().any(|frame| ptr::eq(frame, self))
    }

    /// Whether a suspension would be refused now.
    #[inline]
    pub(crate) fn may_suspend(&self) -> Result<(), Refused> {
        if self.closed.get() || self.unwinding() || !self.is_on_chain() {
            return Err(Refused);
        }
        Ok(())
    }

    /// Gives control back to whoever resumed this coroutine, after `prepare`. Refused before that when a suspension is not
    /// possible, and after it when the host has gone meanwhile.
    #[inline(always)]
    pub(crate) fn suspend(&self, prepare: impl FnOnce()) -> Result<(), Refused> {
        self.may_suspend()?;
        prepare();
        self.top.set(on_thread().current.get());
        let here = MaybeUninit::<u8>::uninit();
        self.resting.set(here.as_ptr());
        // SAFETY: a frame that is on the chain has begun, and its yielder lives at the bottom of its stack, which lasts
        // until the program ends. Being on the chain it runs, or waits for one nested in it that does, so that there
        // is a parent to switch to.
        unsafe { (*self.yielder.get()).suspend(()) };
        if self.closed.get() { Err(Refused) } else { Ok(()) }
    }

    /// Suspends until the host has taken `chunk` and wants more.
    #[inline(always)]
    pub(crate) fn hand(&self, chunk: Bytes) -> Result<(), Refused> {
        let mut offered = false;
        let resumed = self.suspend(|| {
            offered = true;
            self.handed.set(Some(NonNull::from(&chunk)));
        });
        if offered && self.handed.take().is_none() {
            // The host has it.
            mem::forget(chunk);
        }
        resumed
    }

    /// Suspends while the host may look at `bytes`.
    pub(crate) fn lend(&self, bytes: &[u8]) -> Result<(), Refused> {
        let resumed = self.suspend(|| self.lent.set(Some(NonNull::from(bytes))));
        self.lent.set(None);
        resumed
    }

    /// Whether code that runs now may be unwound for what this program is refused.
    pub(crate) fn may_unwind(&self) -> bool {
        // A writer may have got away to the host, which is not to be unwound.
        self.is_on_chain() && !self.unwinding()
    }
}

/// The thread that this runs on, which makes a coroutine.
#[inline]
fn begin() -> &'static OnThread {
    let thread = on_thread();
    if thread.exit.stage() == 0 {
        begin_first(thread);
    }
    thread
}

#[cold]
fn begin_first(thread: &'static OnThread) {
    thread.limit.begin();
    thread.exit.begin();
}

/// How much of a stack is fetched ahead: what a write that goes on and a small program around it use.
const FETCHED: usize = 1024;

/// And below where it rests: a wait that goes on polls again, which is deeper than where it gave way.
const FETCHED_BELOW: usize = 1024;

/// Has the processor fetch a value that is about to be used, and goes on at once. A hint. Where very many programs are
/// suspended nothing of them is in its caches, and without this each of a few dozen lines is waited for.
#[inline]
pub(crate) fn fetch<T>(value: &T) {
    fetch_range(ptr::from_ref(value).cast(), mem::size_of::<T>());
}

#[inline]
fn fetch_range(place: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..len).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch of whatever address reads nothing that anyone can notice, and does not fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.wrapping_add(line).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (place, len);
}

/// The frames that run on this thread, the innermost first.
fn chain() -> impl Iterator<Item = &'static Frame> {
    // The lifetime is shorter in truth; the frames do not leave this file.
    std::iter::successors(frame(on_thread().current.get()), |inner| frame(inner.below.get()))
}

fn frame(place: *const Frame) -> Option<&'static Frame> {
    // SAFETY: a pointer on the chain is null or points into the `Shared` of a coroutine that is being resumed, which
    // keeps it; nothing on the chain can go before that `resume` returns and takes it off.
    unsafe { place.as_ref() }
}

fn polled() -> Option<&'static Frame> {
    chain().find(|frame| !frame.waker.get().is_null())
}

/// The waker of the innermost coroutine that was entered by a poll, if there is one. It is the caller's own: a wait within
/// what the caller does with it suspends the coroutine, and ends the poll that has lent it.
pub(crate) fn waker() -> Option<Waker> {
    // SAFETY: the waker is borrowed by the `resume` that entered the frame, which has not returned.
    polled().map(|frame| unsafe { &*frame.waker.get() }.clone())
}

/// Suspends that coroutine, with everything nested in it, until it is polled again.
pub(crate) fn suspend_polled() -> Result<(), Refused> {
    if refuses_to_wait() {
        return Err(Refused);
    }
    let frame = polled().expect("a poll has to be waited for");
    frame.turn.set(Turn::new());
    frame.waits.set(frame.waits.get() + 1);
    frame.suspend(|| ())
}

/// How often a wait has suspended that coroutine.
pub(crate) fn waits() -> u64 {
    polled().map_or(0, |frame| frame.waits.get())
}

/// Whether a wait here suspends, and does not park the thread.
pub(crate) fn is_polled() -> bool {
    polled().is_some()
}

/// In the child of a `fork`: the coroutines that run on this thread stay here, whoever has polled them in the parent. A wait
/// parks the thread, so that nothing else that was suspended on it goes on in two processes.
#[cfg(all(unix, not(any(miri, pushpull_loom))))]
pub(crate) fn stay() {
    chain().for_each(|frame| frame.waker.set(ptr::null()));
}

/// Counts bytes that the innermost coroutine that was entered by a poll has moved. Says whether it has had its turn.
pub(crate) fn turn_is_over(bytes: usize) -> bool {
    polled().is_some_and(|frame| {
        let mut turn = frame.turn.get();
        turn.count(bytes);
        frame.turn.set(turn);
        turn.is_over()
    })
}

/// Whether the code that runs now is in a bridge that is closing, or unwinds.
pub(crate) fn refuses_to_wait() -> bool {
    let closing = || chain().any(|frame| frame.closed.get());
    frame(on_thread().current.get()).is_some_and(|innermost| innermost.unwinding() || closing())
}

impl<X> fmt::Debug for Coroutine<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.is_started(), self.is_done()) {
            (false, _) => "NotStarted",
            (true, false) => "Suspended",
            (true, true) => "Done",
        })
    }
}
