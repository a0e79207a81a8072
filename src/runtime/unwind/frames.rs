//! Whether the frames on this stack let an unwinding through, up to the one that catches it.
//!
//! A panic in an `extern "C"` function aborts the process, and so does one below a call that was declared not to unwind. Both
//! stand in the tables that the unwinder itself goes by: a table of call sites for each function that has something to do when
//! it is unwound (the "language-specific data area" of the Itanium C++ ABI, chapter 7 of its exception handling, in the format
//! of GCC and LLVM). In a call site's entry an action says what is done there: clean up, catch, or, by a negative number, let
//! only certain exceptions through. Of these Rust's are none: the process is aborted. A call that is in no entry must not unwind.
#![allow(unsafe_code, reason = "this file reads the unwinder's tables")]

use std::ffi::{c_int, c_void};
use std::ops::ControlFlow;

/// The unwinder's cursor, which is its own.
#[repr(C)]
struct Context {
    _private: [u8; 0],
}

type VisitFrame = extern "C" fn(*mut Context, *mut c_void) -> c_int;

// Of the unwinder that the standard library is linked with.
unsafe extern "C" {
    fn _Unwind_Backtrace(visit: VisitFrame, state: *mut c_void) -> c_int;
    fn _Unwind_GetLanguageSpecificData(context: *mut Context) -> *const u8;
    fn _Unwind_GetRegionStart(context: *mut Context) -> usize;
    fn _Unwind_GetIPInfo(context: *mut Context, before: *mut c_int) -> usize;
}

/// `_URC_NO_REASON`: go on to the next frame.
const NEXT: c_int = 0;
/// `_URC_NORMAL_STOP`, or any other code: go no further.
const DONE: c_int = 4;

/// `DW_EH_PE_*`: how a number is written.
const OMITTED: u8 = 0xff;
const ULEB128: u8 = 0x01;
const UDATA4: u8 = 0x03;

/// Returns `true` if a panic raised here is caught by a frame of this stack, and no frame before that one stops it.
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
            // SAFETY: what `let_through` gave to the walk that this is called by.
            unsafe { caught.cast::<bool>().write(caught_here) };
            DONE
        }
    }
}

/// What a frame does with an unwinding: lets it go on, or ends it, by catching it (`true`) or by an abort.
fn look(context: *mut Context) -> ControlFlow<bool> {
    // SAFETY: the unwinder's cursor, as the walk gave it to its visitor.
    let table = unsafe { _Unwind_GetLanguageSpecificData(context) };
    if table.is_null() {
        return ControlFlow::Continue(());
    }
    let mut before = 0;
    // SAFETY: as above, and a place for the answer.
    let ip = unsafe { _Unwind_GetIPInfo(context, &raw mut before) };
    // SAFETY: as above.
    let start = unsafe { _Unwind_GetRegionStart(context) };
    // The address is where the call returns to, which may lie in the next call site.
    let place = (if before == 0 { ip.wrapping_sub(1) } else { ip }).wrapping_sub(start);
    // SAFETY: the table of the function that the cursor stands in, as its compiler wrote it.
    unsafe { action(table, place) }
}

/// What the function whose table this is does when the call at this place unwinds.
///
/// # Safety
///
/// `table` is a function's language-specific data area.
unsafe fn action(table: *const u8, place: usize) -> ControlFlow<bool> {
    let mut table = Cursor(table);
    // SAFETY: the table begins with its header, in this order: how the base of landing pads is written, how types are and
    // where, how call sites are and how long their list is.
    let (base, sites, len) = unsafe { table.header() };
    if base != OMITTED {
        // No compiler of Rust does that.
        return ControlFlow::Break(false);
    }
    // Behind the list of call sites comes that of the actions.
    let actions = table.0.wrapping_add(len);
    while table.0 < actions {
        // SAFETY: inside the list, at the beginning of an entry of four numbers.
        let entry = unsafe { table.entry(sites) };
        let Some((from, len, pad, action)) = entry else { return ControlFlow::Break(false) };
        // They are sorted.
        if place < from {
            break;
        }
        if place - from < len {
            if pad == 0 || action == 0 {
                return ControlFlow::Continue(());
            }
            // SAFETY: an action is the place of its record, counted from one.
            return match unsafe { Cursor(actions.wrapping_add(action - 1)).sleb128() } {
                0 => ControlFlow::Continue(()),
                kind => ControlFlow::Break(kind > 0),
            };
        }
    }
    ControlFlow::Break(false)
}

/// Where the reading of a table has come to.
struct Cursor(*const u8);

impl Cursor {
    /// # Safety
    ///
    /// A table begins here.
    unsafe fn header(&mut self) -> (u8, u8, usize) {
        // SAFETY: the caller's promise, for this byte and for those that it says follow.
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

    /// Where a call site begins, its length, its landing pad and its action; `None` if that is written in an unknown way.
    ///
    /// # Safety
    ///
    /// An entry of the list of call sites begins here.
    unsafe fn entry(&mut self, written: u8) -> Option<(usize, usize, usize, usize)> {
        let mut number = || match written {
            // SAFETY: the caller's promise.
            ULEB128 => Some(unsafe { self.uleb128() }),
            // SAFETY: the caller's promise.
            UDATA4 => Some(unsafe { self.udata4() }),
            _ => None,
        };
        let (from, len, pad) = (number()?, number()?, number()?);
        // SAFETY: the caller's promise. This one is always written so.
        Some((from, len, pad, unsafe { self.uleb128() }))
    }

    /// # Safety
    ///
    /// There is a byte.
    unsafe fn byte(&mut self) -> u8 {
        // SAFETY: the caller's promise.
        let byte = unsafe { self.0.read() };
        self.0 = self.0.wrapping_add(1);
        byte
    }

    /// # Safety
    ///
    /// There are four bytes.
    unsafe fn udata4(&mut self) -> usize {
        // SAFETY: the caller's promise. They may lie anywhere.
        let number = unsafe { self.0.cast::<u32>().read_unaligned() };
        self.0 = self.0.wrapping_add(4);
        number as usize
    }

    /// # Safety
    ///
    /// There is a number in that form.
    unsafe fn uleb128(&mut self) -> usize {
        // SAFETY: the caller's promise.
        unsafe { self.leb128() }.0
    }

    /// # Safety
    ///
    /// There is a number in that form.
    unsafe fn sleb128(&mut self) -> isize {
        // SAFETY: the caller's promise.
        let (number, bits, negative) = unsafe { self.leb128() };
        if negative && bits < usize::BITS { (number | usize::MAX << bits) as isize } else { number as isize }
    }

    /// A number in groups of seven bits, the lowest first; how many bits it has, and the highest of them.
    ///
    /// # Safety
    ///
    /// There is a number in that form.
    unsafe fn leb128(&mut self) -> (usize, u32, bool) {
        let (mut number, mut bits) = (0, 0);
        loop {
            // SAFETY: the caller's promise: all but the last byte say that another follows.
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

    /// With something to clean up on its way.
    #[inline(never)]
    fn with_destructor(ask: impl Fn() -> bool) -> bool {
        let owned = black_box(vec![1]);
        let answer = ask();
        drop(owned);
        answer
    }

    /// Where a panic aborts.
    extern "C" fn foreign() -> bool {
        with_destructor(asked)
    }

    extern "C-unwind" fn foreign_that_unwinds() -> bool {
        with_destructor(asked)
    }

    #[test]
    fn what_stops_an_unwinding_is_seen_and_nothing_else() {
        let caught = |ask: fn() -> bool| panic::catch_unwind(|| with_destructor(ask)).unwrap();
        assert!(caught(asked));
        assert!(caught(|| with_destructor(|| black_box(foreign_that_unwinds as extern "C-unwind" fn() -> bool)())));
        assert!(!caught(|| with_destructor(|| black_box(foreign as extern "C" fn() -> bool)())));
        // Beyond the frame that catches there may be anything.
        extern "C" fn catches() -> bool {
            panic::catch_unwind(asked).unwrap()
        }
        assert!(caught(|| black_box(catches as extern "C" fn() -> bool)()));
    }

    #[test]
    fn numbers_of_both_kinds_are_read() {
        let signed = |bytes: &[u8]| {
            // SAFETY: each array below ends with a byte that says so.
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
