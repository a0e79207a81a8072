//! Whether every frame on this stack, up to the one that catches, can be unwound.
//!
//! A panic in an `extern "C"` function aborts the process, and so does a panic below a call that was declared not to
//! unwind. Both are recorded in the tables that the unwinder itself uses. Each function with something to do during
//! unwinding has a table of call sites, its "language-specific data area". The Itanium C++ ABI describes it in chapter
//! 7 of its exception handling; the format is that of GCC and LLVM.
//!
//! A call site has an action: clean up, catch, or, as a negative number, let only certain exceptions through. Rust's
//! panics are none of those exceptions, so the process is aborted. A call without a call site must not unwind.
#![allow(unsafe_code, reason = "this file reads the unwinder's tables")]

use std::ffi::{c_int, c_void};
use std::ops::ControlFlow;

/// The unwinder's cursor, an opaque type.
#[repr(C)]
struct Context {
    _private: [u8; 0],
}

type VisitFrame = extern "C" fn(*mut Context, *mut c_void) -> c_int;

// From the unwinder that the standard library is linked with.
unsafe extern "C" {
    fn _Unwind_Backtrace(visit: VisitFrame, state: *mut c_void) -> c_int;
    fn _Unwind_GetLanguageSpecificData(context: *mut Context) -> *const u8;
    fn _Unwind_GetRegionStart(context: *mut Context) -> usize;
    fn _Unwind_GetIPInfo(context: *mut Context, before: *mut c_int) -> usize;
}

/// `_URC_NO_REASON`: continue with the next frame.
const NEXT: c_int = 0;
/// `_URC_NORMAL_STOP`. Any code but `NEXT` stops the walk.
const DONE: c_int = 4;

/// `DW_EH_PE_*`: the encoding of a number.
const OMITTED: u8 = 0xff;
const ULEB128: u8 = 0x01;
const UDATA4: u8 = 0x03;

/// Returns `true` if a panic raised here is caught by a frame of this stack, and no frame in between stops it.
pub(super) fn let_through() -> bool {
    let mut caught = false;
    // SAFETY: the visitor is called with a valid cursor and with this pointer, which outlives the call.
    unsafe { _Unwind_Backtrace(visit, (&raw mut caught).cast()) };
    caught
}

extern "C" fn visit(context: *mut Context, caught: *mut c_void) -> c_int {
    match look(context) {
        ControlFlow::Continue(()) => NEXT,
        ControlFlow::Break(caught_here) => {
            // SAFETY: the pointer that `let_through` passed to the walk that calls this function.
            unsafe { caught.cast::<bool>().write(caught_here) };
            DONE
        }
    }
}

/// Returns what a frame does with an unwinding: lets it pass, or ends it by catching (`true`) or by an abort (`false`).
fn look(context: *mut Context) -> ControlFlow<bool> {
    // SAFETY: the unwinder's cursor, as the walk passed it to its visitor.
    let table = unsafe { _Unwind_GetLanguageSpecificData(context) };
    if table.is_null() {
        return ControlFlow::Continue(());
    }
    let mut before = 0;
    // SAFETY: as above, with a valid place for the result.
    let ip = unsafe { _Unwind_GetIPInfo(context, &raw mut before) };
    // SAFETY: as above.
    let start = unsafe { _Unwind_GetRegionStart(context) };
    // The address is the one that the call returns to, which may be in the next call site.
    let place = (if before == 0 { ip.wrapping_sub(1) } else { ip }).wrapping_sub(start);
    // SAFETY: the table of the function at the cursor, as the compiler wrote it.
    unsafe { action(table, place) }
}

/// Returns what the function of `table` does when its call at `place` unwinds.
///
/// # Safety
///
/// `table` must be a function's language-specific data area.
unsafe fn action(table: *const u8, place: usize) -> ControlFlow<bool> {
    let mut table = Cursor(table);
    // SAFETY: the table begins with its header. That has, in this order, the encoding of the landing pads' base, the
    // encoding and place of the types, and the encoding and length of the list of call sites.
    let (base, sites, len) = unsafe { table.header() };
    if base != OMITTED {
        // No Rust compiler emits such a base.
        return ControlFlow::Break(false);
    }
    // The list of actions follows the list of call sites.
    let actions = table.0.wrapping_add(len);
    while table.0 < actions {
        // SAFETY: inside the list, at the beginning of an entry of four numbers.
        let entry = unsafe { table.entry(sites) };
        let Some((from, len, pad, action)) = entry else { return ControlFlow::Break(false) };
        // The entries are sorted.
        if place < from {
            break;
        }
        if place - from < len {
            if pad == 0 || action == 0 {
                return ControlFlow::Continue(());
            }
            // SAFETY: an action is the position of its record, counted from one.
            return match unsafe { Cursor(actions.wrapping_add(action - 1)).sleb128() } {
                0 => ControlFlow::Continue(()),
                kind => ControlFlow::Break(kind > 0),
            };
        }
    }
    ControlFlow::Break(false)
}

/// A position in a table.
struct Cursor(*const u8);

impl Cursor {
    /// Reads the header of a table.
    ///
    /// # Safety
    ///
    /// A table must begin here.
    unsafe fn header(&mut self) -> (u8, u8, usize) {
        // SAFETY: the caller's promise, for this byte and for those that it announces.
        let base = unsafe { self.byte() };
        // SAFETY: as above.
        let types = unsafe { self.byte() };
        if types != OMITTED {
            // SAFETY: as above.
            unsafe { self.uleb128() };
        }
        // SAFETY: as above.
        let sites = unsafe { self.byte() };
        // SAFETY: as above.
        (base, sites, unsafe { self.uleb128() })
    }

    /// Reads a call site: its start, length, landing pad and action. Returns `None` if the encoding is unknown.
    ///
    /// # Safety
    ///
    /// An entry of the list of call sites must begin here.
    unsafe fn entry(&mut self, written: u8) -> Option<(usize, usize, usize, usize)> {
        let mut number = || match written {
            // SAFETY: the caller's promise.
            ULEB128 => Some(unsafe { self.uleb128() }),
            // SAFETY: the caller's promise.
            UDATA4 => Some(unsafe { self.udata4() }),
            _ => None,
        };
        let (from, len, pad) = (number()?, number()?, number()?);
        // SAFETY: the caller's promise. The action always has this encoding.
        Some((from, len, pad, unsafe { self.uleb128() }))
    }

    /// Reads a byte.
    ///
    /// # Safety
    ///
    /// A byte must be readable here.
    unsafe fn byte(&mut self) -> u8 {
        // SAFETY: the caller's promise.
        let byte = unsafe { self.0.read() };
        self.0 = self.0.wrapping_add(1);
        byte
    }

    /// Reads a number of four bytes.
    ///
    /// # Safety
    ///
    /// Four bytes must be readable here.
    unsafe fn udata4(&mut self) -> usize {
        // SAFETY: the caller's promise. They need not be aligned.
        let number = unsafe { self.0.cast::<u32>().read_unaligned() };
        self.0 = self.0.wrapping_add(4);
        number as usize
    }

    /// Reads an unsigned number in groups of seven bits.
    ///
    /// # Safety
    ///
    /// A number in this encoding must begin here.
    unsafe fn uleb128(&mut self) -> usize {
        // SAFETY: the caller's promise.
        unsafe { self.leb128() }.0
    }

    /// Reads a signed number in groups of seven bits.
    ///
    /// # Safety
    ///
    /// A number in this encoding must begin here.
    unsafe fn sleb128(&mut self) -> isize {
        // SAFETY: the caller's promise.
        let (number, bits, negative) = unsafe { self.leb128() };
        if negative && bits < usize::BITS { (number | usize::MAX << bits) as isize } else { number as isize }
    }

    /// Reads a number in groups of seven bits, the lowest first. Also returns the number of bits read and the highest
    /// of them.
    ///
    /// # Safety
    ///
    /// A number in this encoding must begin here.
    unsafe fn leb128(&mut self) -> (usize, u32, bool) {
        let (mut number, mut bits) = (0, 0);
        loop {
            // SAFETY: the caller's promise: every byte but the last announces another.
            let byte = unsafe { self.byte() };
            if bits < usize::BITS {
                number |= usize::from(byte & 0x7f) << bits;
            }
            bits += 7;
            if byte & 0x80 == 0 {
                return (number, bits, byte & 0x40 != 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::hint::black_box;
    use std::panic;

    #[inline(never)]
    fn asked() -> bool {
        black_box(let_through())
    }

    /// Calls `ask` with something to clean up.
    #[inline(never)]
    fn with_destructor(ask: impl Fn() -> bool) -> bool {
        let owned = black_box(vec![1]);
        let answer = ask();
        drop(owned);
        answer
    }

    /// Calls `asked` from a function in which a panic aborts.
    extern "C" fn foreign() -> bool {
        with_destructor(asked)
    }

    extern "C-unwind" fn foreign_that_unwinds() -> bool {
        with_destructor(asked)
    }

    #[test]
    fn frames_that_stop_an_unwinding_are_seen_and_no_others() {
        let caught = |ask: fn() -> bool| panic::catch_unwind(|| with_destructor(ask)).unwrap();
        assert!(caught(asked));
        assert!(caught(|| with_destructor(|| black_box(foreign_that_unwinds as extern "C-unwind" fn() -> bool)())));
        assert!(!caught(|| with_destructor(|| black_box(foreign as extern "C" fn() -> bool)())));
        // Frames beyond the one that catches do not matter.
        extern "C" fn catches() -> bool {
            panic::catch_unwind(asked).unwrap()
        }
        assert!(caught(|| black_box(catches as extern "C" fn() -> bool)()));
    }

    #[test]
    fn numbers_of_both_kinds_are_read() {
        let signed = |bytes: &[u8]| {
            // SAFETY: each array below ends with a byte that announces no other.
            unsafe { Cursor(bytes.as_ptr()).sleb128() }
        };
        assert_eq!(
            [signed(&[0x02]), signed(&[0x7e]), signed(&[0x80, 0x01]), signed(&[0x80, 0x7f])],
            [2, -2, 128, -128]
        );
        // SAFETY: as above.
        assert_eq!(unsafe { Cursor([0xe5, 0x8e, 0x26].as_ptr()).uleb128() }, 624_485);
    }
}
