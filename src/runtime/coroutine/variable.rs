//! The state of a thread, as a thread-local.

use std::ptr;

use super::chain::OnThread;

thread_local! {
    /// One variable, which each frame points to, because finding a thread-local costs a call.
    static ON_THREAD: OnThread = const { OnThread::new() };
}

#[inline]
pub(super) fn on_thread() -> &'static OnThread {
    // SAFETY: the variable has no destructor, so it lasts as long as its thread. The reference does not leave the
    // thread: it is not `Send`, and a coroutine stays on its thread.
    ON_THREAD.with(|thread| unsafe { &*ptr::from_ref(thread) })
}
