//! Entering a sandbox while bridges are in use, which refuses a system call that bridges use.
//!
//! The sandbox holds for the whole process, so this binary has one test.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code, reason = "a sandbox is entered by bare system calls")]

use std::env;
use std::io::{self, Write};
use std::thread;

use pushpull::{Chunks, Pool, Thread, Writer, pipe};
use pushpull_testing::watchdog::within;

/// Makes the kernel refuse `membarrier` to every thread of this process with `EPERM`.
fn refuse_membarrier() -> io::Result<()> {
    const fn statement(code: u32, k: u32) -> libc::sock_filter {
        libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
    }
    // The first field of the filter's input is the number of the system call.
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            jf: 1,
            ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_membarrier as u32)
        },
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the call takes no pointer, and only removes privileges from this process.
    let unprivileged = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: the program points to the filter, and both outlive the call, in which the kernel copies them.
    let entered = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_TSYNC, &program)
    };
    if unprivileged == 0 && entered == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The number of bytes that `trickle` writes.
const BYTES: u64 = 1000;

/// Writes small writes and rows of chunks. The reader may be asleep at each write, and is asleep at every twentieth.
fn trickle(writer: &mut Writer) -> io::Result<()> {
    for byte in 0..BYTES {
        if byte % 20 == 10 {
            while writer.stats().puller_waits <= byte / 20 {
                thread::yield_now();
            }
        }
        match byte / 20 % 2 {
            0 => writer.write_all(b"x")?,
            _ => writer.write_bytes("x".into())?,
        }
    }
    Ok(())
}

fn trickles() -> [Chunks; 3] {
    let (mut writer, chunks) = pipe(64);
    thread::spawn(move || trickle(&mut writer).and_then(|()| writer.finish()));
    [Thread::new().pull(trickle), Pool::new(2).pull(trickle), chunks]
}

#[test]
fn law_11_no_wake_up_is_lost_where_membarrier_is_refused() {
    within(|| {
        // Some bridges start before the sandbox.
        let mut begun = trickles();
        let first = begun.each_mut().map(|chunks| chunks.next().unwrap().unwrap().len());
        if let Err(error) = refuse_membarrier() {
            assert_ne!(env::var_os("CI").as_deref(), Some("true".as_ref()), "the test needs a sandbox: {error}");
            eprintln!("skipped: no sandbox: {error}");
            return;
        }
        for (chunks, first) in begun.into_iter().zip(first) {
            let bytes = chunks.collect::<io::Result<Vec<_>>>().unwrap().concat();
            assert_eq!(first + bytes.len(), BYTES as usize);
        }
        for chunks in trickles() {
            let bytes = chunks.collect::<io::Result<Vec<_>>>().unwrap().concat();
            assert_eq!(bytes.len(), BYTES as usize);
        }
    });
}
