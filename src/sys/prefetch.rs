//! Fetches memory into the processor's caches before it is used.
#![allow(unsafe_code, reason = "a prefetch is an instruction of the processor")]

use std::mem;
use std::ptr;

/// The number of bytes that a processor fetches at a time.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// Prefetches a value that is about to be used. A hint, which does not wait. If very many programs are suspended, the
/// caches hold nothing of them, and without this each of a few dozen lines would be waited for.
#[inline]
pub(crate) fn value<T>(value: &T) {
    range(ptr::from_ref(value).cast(), mem::size_of::<T>());
}

/// Prefetches `len` bytes from `place` on, which need not be mapped.
#[inline]
pub(crate) fn range(place: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..len).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch of any address has no visible effect and does not fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.wrapping_add(line).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (place, len);
}
