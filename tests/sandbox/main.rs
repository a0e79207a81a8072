//! Entering a sandbox while bridges are in use, which refuses a system call that bridges use.
//!
//! The sandbox holds for the whole process, so this binary has one test.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::env;
use std::io::{self, Write};
use std::thread;

use pushpull::{Chunks, Pool, Thread, Writer, pipe};
use pushpull_testing::sandbox::{Inmates, refuse};
use pushpull_testing::watchdog::within;

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
        if let Err(error) = refuse(&[(libc::SYS_membarrier, libc::EPERM)], Inmates::Process) {
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
