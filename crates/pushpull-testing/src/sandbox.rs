//! A sandbox in which the kernel refuses some system calls.
#![allow(unsafe_code, reason = "a sandbox is entered by bare system calls")]

use std::io;

/// Whom a sandbox holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inmates {
    /// The calling thread, and those that it starts.
    Thread,
    /// Every thread of the process.
    Process,
}

/// Makes the kernel refuse each of these system calls (`libc::SYS_...`) with its error (`libc::E...`), until it ends.
///
/// # Errors
///
/// Returns an error if the system has no such sandboxes.
pub fn refuse(calls: &[(libc::c_long, i32)], inmates: Inmates) -> io::Result<()> {
    const fn statement(code: u32, k: u32) -> libc::sock_filter {
        libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
    }
    // The first field of the filter's input is the number of the system call.
    let mut filter = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for (call, error) in calls {
        filter.extend([
            libc::sock_filter { jf: 1, ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, *call as u32) },
            statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | *error as u32),
        ]);
    }
    filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    let flags = if inmates == Inmates::Process { libc::SECCOMP_FILTER_FLAG_TSYNC } else { 0 };
    // SAFETY: the call takes no pointer, and only removes privileges from this process.
    let unprivileged = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: the program points to the filter, and both outlive the call, in which the kernel copies them.
    let entered = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &program) };
    if unprivileged == 0 && entered == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
