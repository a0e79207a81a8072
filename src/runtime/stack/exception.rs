//! Stack overflow of a program on Windows: a message with the program's name and what to do, and the end of the process.
//!
//! The system throws an exception, and runs its handlers on the rest of the same stack. The block that describes the
//! thread says where that stack ends, because the switch between stacks exchanges it. There lies the header.

use std::cell::Cell;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use windows_sys::Win32::Foundation::EXCEPTION_STACK_OVERFLOW;
use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE};
use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, EXCEPTION_CONTINUE_SEARCH, EXCEPTION_POINTERS,
};
use windows_sys::Win32::System::Threading::{GetCurrentThreadStackLimits, SetThreadStackGuarantee};

use super::header::Header;

/// The bytes of a full stack that are left for handlers. The standard library asks for as much on its own threads.
const LEFT: u32 = 20 << 10;

/// A header that can be told from whatever lies at the end of another stack.
#[repr(C, align(64))]
pub(super) struct Marked {
    mark: usize,
    header: Header,
}

impl Marked {
    /// Returns the header for a stack whose header lies at `place`.
    pub(super) fn new(name: Option<&str>, size: usize, place: usize) -> Marked {
        Marked { mark: Marked::mark(place), header: Header::new(name, size) }
    }

    fn mark(place: usize) -> usize {
        place ^ (usize::MAX / 0xff * 0xa5)
    }
}

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// Makes an overflow on this thread report a message.
pub(super) fn watch() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if !INSTALLED.swap(true, Ordering::Relaxed) {
        // SAFETY: the function lives as long as this library. It is called before the standard library's handler, which
        // would report an overflow of the thread.
        unsafe { AddVectoredExceptionHandler(1, Some(handle)) };
    }
    if !WATCHED.replace(true) {
        let mut left = 0;
        // SAFETY: with zero, a query.
        unsafe { SetThreadStackGuarantee(&mut left) };
        if left < LEFT {
            left = LEFT;
            // SAFETY: changes what the system leaves of this thread's full stack, and of those made from here on.
            unsafe { SetThreadStackGuarantee(&mut left) };
        }
    }
}

unsafe extern "system" fn handle(exception: *mut EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system passes valid pointers to a handler.
    let record = unsafe { (*exception).ExceptionRecord };
    // SAFETY: as above.
    if unsafe { (*record).ExceptionCode } == EXCEPTION_STACK_OVERFLOW
        && let Some(header) = header()
    {
        for part in header.message(&mut [0; 24]) {
            tell(part);
        }
        process::abort();
    }
    EXCEPTION_CONTINUE_SEARCH
}

/// Returns the header of the stack that this thread runs on, if a program runs on it.
fn header() -> Option<&'static Header> {
    let (mut low, mut high) = (0, 0);
    // SAFETY: stores two numbers.
    unsafe { GetCurrentThreadStackLimits(&mut low, &mut high) };
    let place = high.checked_sub(size_of::<Marked>()).filter(|place| *place > low)?;
    let marked = ptr::with_exposed_provenance::<Marked>(place);
    // SAFETY: the highest bytes of a stack in use are mapped. The mark comes first.
    if unsafe { marked.cast::<usize>().read() } != Marked::mark(place) {
        return None;
    }
    // SAFETY: the mark says that this was written as a header. It changes only for another program, and this program
    // runs now: it has just overflowed this stack.
    Some(unsafe { &(*marked).header })
}

fn tell(part: &[u8]) {
    let len = u32::try_from(part.len()).unwrap_or(u32::MAX);
    // SAFETY: a query.
    let handle = unsafe { GetStdHandle(STD_ERROR_HANDLE) };
    // SAFETY: the bytes of a slice, to standard error. If that is closed, the message is lost.
    unsafe { WriteFile(handle, part.as_ptr(), len, ptr::null_mut(), ptr::null_mut()) };
}
