//! The signals that this process ignores, and that a program would inherit as ignored, and those that a program catches.
#![cfg_attr(
    not(target_os = "linux"),
    allow(unsafe_code, reason = "asking for the action of a signal is a bare system call")
)]

/// Returns the signals that this process ignores.
#[cfg(target_os = "linux")]
pub(crate) fn ignored() -> Vec<i32> {
    of_status(&std::fs::read_to_string("/proc/self/status").unwrap_or_default(), "SigIgn:").collect()
}

/// Returns `true` if another process catches this signal.
#[cfg(all(target_os = "linux", feature = "upstream"))]
pub(crate) fn catches(process: i32, signal: rustix::process::Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    of_status(&status, "SigCgt:").any(|caught| caught == signal.as_raw())
}

/// Returns `false`: other systems do not tell.
#[cfg(all(not(target_os = "linux"), feature = "upstream"))]
pub(crate) fn catches(_: i32, _: rustix::process::Signal) -> bool {
    false
}

/// Returns `true` if the C library reserves this signal. Its `posix_spawn` sets those to be ignored.
#[cfg(target_os = "linux")]
pub(crate) fn is_reserved(signal: i32) -> bool {
    (32..libc::SIGRTMIN()).contains(&signal)
}

/// Returns the signals that the line with this name lists in a `/proc/PID/status`.
#[cfg(target_os = "linux")]
fn of_status<'a>(status: &'a str, name: &str) -> impl Iterator<Item = i32> + use<'a> {
    let mask = status.lines().find_map(|line| line.strip_prefix(name));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    (1..=64).filter(move |signal| mask & (1 << (signal - 1)) != 0)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn ignored() -> Vec<i32> {
    /// The signals that every Unix numbers alike.
    const STANDARD: std::ops::Range<i32> = 1..32;
    let is_ignored = |signal: &i32| {
        let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: without a new action, a query, which fills in the old one.
        let known = unsafe { libc::sigaction(*signal, std::ptr::null(), action.as_mut_ptr()) } == 0;
        // SAFETY: a structure of integers and pointers, for which all zeros are valid.
        known && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
    };
    STANDARD.filter(is_ignored).collect()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn is_reserved(_: i32) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn requirement_17_ignored_signals_are_read_from_the_status() {
        let status = "Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t8000000000001001\nSigCgt:\t0000000000000001\n";
        assert_eq!(of_status(status, "SigIgn:").collect::<Vec<_>>(), [1, 13, 64]);
        assert_eq!(of_status(status, "SigCgt:").collect::<Vec<_>>(), [1]);
        assert_eq!(of_status("Name:\tx\n", "SigIgn:").count(), 0);
    }
}
