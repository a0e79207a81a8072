//! The name of the current thread in the operating system.
#![allow(unsafe_code, reason = "naming a running thread is a bare system call")]

/// Names the current thread, for `top` and debuggers. Linux keeps the first 15 bytes, Apple's systems 63. On systems
/// that are not listed here, this does nothing.
pub(crate) fn set(name: &str) {
    system::set(name);
}

#[cfg(target_os = "linux")]
mod system {
    use super::terminated;

    pub(super) fn set(name: &str) {
        let bytes = terminated::<16>(name);
        // SAFETY: the kernel copies at most 16 bytes, up to the terminating zero, and keeps no pointer. A refused name
        // changes nothing.
        unsafe { libc::prctl(libc::PR_SET_NAME, bytes.as_ptr()) };
    }
}

#[cfg(any(target_os = "freebsd", target_vendor = "apple"))]
mod system {
    use super::terminated;

    pub(super) fn set(name: &str) {
        let bytes = terminated::<64>(name);
        // SAFETY: the system copies the bytes up to the terminating zero, and keeps no pointer. A refused name changes
        // nothing.
        #[cfg(target_vendor = "apple")]
        unsafe {
            libc::pthread_setname_np(bytes.as_ptr().cast())
        };
        // SAFETY: as above, for the thread that runs.
        #[cfg(target_os = "freebsd")]
        unsafe {
            libc::pthread_set_name_np(libc::pthread_self(), bytes.as_ptr().cast())
        };
    }
}

#[cfg(windows)]
mod system {
    use windows_sys::Win32::System::Threading::{GetCurrentThread, SetThreadDescription};

    pub(super) fn set(name: &str) {
        let wide: Vec<u16> = name.encode_utf16().filter(|unit| *unit != 0).chain([0]).collect();
        // SAFETY: the handle stands for the thread that calls.
        let thread = unsafe { GetCurrentThread() };
        // SAFETY: the system copies the name up to the terminating zero. A refused name changes nothing.
        unsafe { SetThreadDescription(thread, wide.as_ptr()) };
    }
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_vendor = "apple", windows)))]
mod system {
    pub(super) fn set(_: &str) {}
}

/// Returns the beginning of a name with a terminating zero.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_vendor = "apple"))]
fn terminated<const SIZE: usize>(name: &str) -> [u8; SIZE] {
    let mut bytes = [0_u8; SIZE];
    for (to, from) in bytes.iter_mut().take(SIZE - 1).zip(name.bytes().filter(|byte| *byte != 0)) {
        *to = from;
    }
    bytes
}
