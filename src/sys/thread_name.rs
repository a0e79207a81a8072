//! The name of the current thread in the operating system.
#![allow(unsafe_code, reason = "naming a running thread is a bare system call")]

/// Names the current thread, for `top` and debuggers. Linux keeps the first 15 bytes; on other systems this does
/// nothing.
#[cfg(target_os = "linux")]
pub(crate) fn set(name: &str) {
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().take(15).zip(name.bytes().filter(|byte| *byte != 0)) {
        *to = from;
    }
    // SAFETY: the kernel copies at most 16 bytes, up to the terminating zero, and keeps no pointer. A refused name
    // changes nothing.
    unsafe { libc::prctl(libc::PR_SET_NAME, bytes.as_ptr()) };
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn set(_: &str) {}
