//! A program that overflows its stack ends the process with a message. Every other fault is handled as without bridges.
//!
//! Each case runs in a process of its own: this test binary, run again.
#![cfg(any(target_os = "linux", target_os = "freebsd", target_vendor = "apple", windows))]

use std::hint::black_box;
use std::io::Write;
use std::process::Output;
use std::thread;

use pushpull::{Local, Pool};
use pushpull_testing::alone::again;

const CASE: &str = "PUSHPULL_TEST_OVERFLOW";

/// Overflows any stack, a page at a time.
#[expect(unconditional_recursion, reason = "that is what it is for")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    deeper(depth + 1) + frame[(depth % 64) as usize]
}

/// Runs the child's case.
fn overflow(case: &str) {
    match case {
        "local" => {
            drop(Local::new().name("the deep one").stack_size(200 << 10).pull(|w| writeln!(w, "{}", deeper(0))).next())
        }
        "nested" => {
            let outer = Local::new().name("outer").pull(|w| {
                let inner = Local::new().name("inner").pull(|w| {
                    w.write_all(b"x")?;
                    writeln!(w, "{}", deeper(0))
                });
                inner.into_iter().try_for_each(|item| w.write_bytes(item?))
            });
            outer.for_each(drop);
        }
        "pool" => drop(Pool::new(1).pull(|w| writeln!(w, "{}", deeper(0))).next()),
        "thread" => {
            drop(Local::new().pull(|w| w.write_all(b"x")).next());
            drop(thread::Builder::new().name("of the host".to_owned()).spawn(|| deeper(0)).unwrap().join());
        }
        "fault" => {
            drop(Local::new().pull(|w| w.write_all(b"x")).next());
            fault();
        }
        other => panic!("no such case: {other}"),
    }
    unreachable!("the process survived");
}

/// Reads from an invalid address, as a bug outside this crate would.
#[expect(unsafe_code, reason = "there is no safe bad access")]
fn fault() {
    // SAFETY: none; the access is meant to end the process.
    unsafe { black_box(std::ptr::without_provenance::<u8>(8)).read_volatile() };
}

fn run(case: &str) -> Output {
    let output = again().args(["the_case", "--exact", "--nocapture"]).env(CASE, case).output().unwrap();
    assert!(!output.status.success());
    output
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[cfg(unix)]
mod ends {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    const SIGABRT: i32 = 6;
    const SIGSEGV: i32 = 11;

    /// Returns `true` if the process has ended itself after its message.
    pub(super) fn is_abort(status: ExitStatus) -> bool {
        status.signal() == Some(SIGABRT)
    }

    /// Returns `true` if the system has ended the process because of a bad access.
    pub(super) fn is_fault(status: ExitStatus) -> bool {
        status.signal() == Some(SIGSEGV)
    }
}

#[cfg(windows)]
mod ends {
    use std::process::ExitStatus;

    /// `STATUS_STACK_BUFFER_OVERRUN`, with which Windows ends a process that aborts.
    const ABORT: i32 = 0xc000_0409_u32.cast_signed();
    /// What wine makes of that.
    const BREAKPOINT: i32 = 0x8000_0003_u32.cast_signed();
    const ACCESS_VIOLATION: i32 = 0xc000_0005_u32.cast_signed();
    const STACK_OVERFLOW: i32 = 0xc000_00fd_u32.cast_signed();

    pub(super) fn is_abort(status: ExitStatus) -> bool {
        status.code().is_some_and(|code| [ABORT, BREAKPOINT, STACK_OVERFLOW].contains(&code))
    }

    pub(super) fn is_fault(status: ExitStatus) -> bool {
        status.code() == Some(ACCESS_VIOLATION)
    }
}

#[test]
fn the_case() {
    if let Ok(case) = std::env::var(CASE) {
        overflow(&case);
    }
}

#[test]
fn an_overflow_names_the_bridge_and_the_option() {
    for (case, message) in [
        ("local", "pushpull: the program \"the deep one\" overflowed its stack of 204800 bytes"),
        ("nested", "pushpull: the program \"inner\" overflowed its stack of 1048576 bytes"),
        ("pool", "pushpull: the program \"unnamed\" overflowed its stack of 1048576 bytes"),
    ] {
        let output = run(case);
        let told = told(&output);
        assert!(told.contains(message) && told.contains("stack_size()"), "{case}: {told}");
        assert!(ends::is_abort(output.status), "{case}: {}", output.status);
    }
}

#[test]
fn the_message_of_a_threads_overflow_is_unchanged() {
    let output = run("thread");
    let told = told(&output);
    assert!(told.contains("thread 'of the host'") && told.contains("has overflowed its stack"), "{told}");
    // Wine ends the thread alone.
    assert!(cfg!(windows) || ends::is_abort(output.status), "{}", output.status);
}

#[test]
fn another_fault_still_ends_the_process() {
    let output = run("fault");
    assert!(ends::is_fault(output.status), "{}: {}", output.status, told(&output));
    assert!(!told(&output).contains("pushpull:"));
}
