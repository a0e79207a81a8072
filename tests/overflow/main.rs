//! A program that overflows its stack ends the process with a message. Every other fault is handled as without bridges.
//!
//! Each case runs in a process of its own: this test binary, run again.
#![cfg(target_os = "linux")]

use std::hint::black_box;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::thread;

use pushpull::{Local, Pool};

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
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["the_case", "--exact", "--nocapture"])
        .env(CASE, case)
        .output()
        .unwrap();
    assert!(!output.status.success());
    output
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

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
        assert_eq!(output.status.signal(), Some(SIGABRT), "{case}");
    }
}

#[test]
fn the_message_of_a_threads_overflow_is_unchanged() {
    let output = run("thread");
    let told = told(&output);
    assert!(told.contains("thread 'of the host'") && told.contains("has overflowed its stack"), "{told}");
    assert_eq!(output.status.signal(), Some(SIGABRT));
}

#[test]
fn another_fault_still_ends_the_process() {
    let output = run("fault");
    assert_eq!(output.status.signal(), Some(SIGSEGV), "{}", told(&output));
    assert!(!told(&output).contains("pushpull:"));
}
