//! The state of a thread on Windows with GNU's tools.
//!
//! There `thread_local!` frees a variable without a destructor too, in no order that a thread determines. Thread-locals
//! that are destroyed later may hold programs that refer to it. So this variable is the system's own, and is freed after
//! the standard library has destroyed all of its own.

use std::ffi::c_void;
use std::ptr;
use std::sync::OnceLock;

use windows_sys::Win32::System::Threading::{TLS_OUT_OF_INDEXES, TlsAlloc, TlsGetValue, TlsSetValue};

use super::chain::OnThread;

static SLOT: OnceLock<u32> = OnceLock::new();

#[inline]
pub(super) fn on_thread() -> &'static OnThread {
    let slot = *SLOT.get_or_init(take_slot);
    // SAFETY: a slot of this file.
    let state = unsafe { TlsGetValue(slot) }.cast::<OnThread>();
    // SAFETY: null, or made from a box in `make`, and freed only when no other code of the thread runs any more. The
    // reference does not leave the thread: it is not `Send`, and a coroutine stays on its thread.
    match unsafe { state.as_ref() } {
        Some(state) => state,
        None => make(slot),
    }
}

#[cold]
fn take_slot() -> u32 {
    // SAFETY: takes a slot for this process.
    let slot = unsafe { TlsAlloc() };
    assert_ne!(slot, TLS_OUT_OF_INDEXES, "the system has no thread-local for one more library");
    // SAFETY: a static of this file, which the linker must keep.
    unsafe { (&raw const CALLED).read_volatile() };
    slot
}

#[cold]
fn make(slot: u32) -> &'static OnThread {
    let state = Box::into_raw(Box::new(OnThread::new()));
    // SAFETY: a slot of this file, which is empty on this thread.
    let kept = unsafe { TlsSetValue(slot, state.cast()) };
    assert_ne!(kept, 0, "the slot was taken");
    // SAFETY: made from a box above.
    unsafe { &*state }
}

/// `DLL_THREAD_DETACH`.
const THREAD_ENDS: u32 = 3;

/// The standard library's function lies in `.CRT$XLB`, and destroys thread-locals. The list ends with `.CRT$XLZ`.
// SAFETY: the section holds functions of this type, which the system calls.
#[used]
#[unsafe(link_section = ".CRT$XLY")]
static CALLED: unsafe extern "system" fn(*mut c_void, u32, *mut c_void) = called;

unsafe extern "system" fn called(_: *mut c_void, reason: u32, _: *mut c_void) {
    let Some(slot) = SLOT.get().filter(|_| reason == THREAD_ENDS) else { return };
    // SAFETY: a slot of this file.
    let state = unsafe { TlsGetValue(*slot) }.cast::<OnThread>();
    if !state.is_null() {
        // SAFETY: as above.
        unsafe { TlsSetValue(*slot, ptr::null()) };
        // SAFETY: made from a box in `make`. The thread-locals that hold programs were destroyed.
        drop(unsafe { Box::from_raw(state) });
    }
}
