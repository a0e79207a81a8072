//! System calls that fail: the bridge that needs one ends with an error that says what is missing, and others work.
//!
//! Each test refuses the calls to a thread of its own, by a sandbox.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::env;
use std::io::{self, Read, Write};
use std::thread;

use pushpull::{Local, Pool, Thread};
use pushpull_testing::sandbox::{Inmates, refuse};
use pushpull_testing::watchdog::within;

/// Runs `test` on a thread to which the calls are refused with these errors.
fn refused(calls: &'static [(libc::c_long, i32)], test: impl FnOnce() + Send + 'static) {
    within(move || {
        let sandboxed = move || {
            if let Err(error) = refuse(calls, Inmates::Thread) {
                assert_ne!(env::var_os("CI").as_deref(), Some("true".as_ref()), "the test needs a sandbox: {error}");
                eprintln!("skipped: no sandbox: {error}");
                return;
            }
            test();
        };
        thread::spawn(sandboxed).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

fn hello(w: &mut impl Write) -> io::Result<()> {
    w.write_all(b"hello")
}

/// Returns what a bridge delivers.
fn all(chunks: impl Iterator<Item = io::Result<bytes::Bytes>>) -> io::Result<Vec<u8>> {
    Ok(chunks.collect::<io::Result<Vec<_>>>()?.concat())
}

/// Stacks of a size that no other test has, so that none is there yet.
fn other_local(size: usize) -> Local {
    Local::new().stack_size(size)
}

#[test]
fn law_8_a_stack_without_address_space_is_an_error_of_its_bridge() {
    // Threads that the sandboxed one starts are in the sandbox too.
    assert_eq!(all(Pool::global().pull(hello)).unwrap(), b"hello");
    refused(&[(libc::SYS_mmap, libc::ENOMEM)], || {
        for _ in 0..3 {
            let mut chunks = other_local(3 << 20).pull(hello);
            let error = chunks.next().unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
            assert!(error.to_string().contains("address space"), "{error}");
            assert!(chunks.next().is_none());
            // The other verbs say so too.
            let mut text = String::new();
            let read = other_local(3 << 20).pull(hello).into_reader().read_to_string(&mut text);
            assert_eq!((read.unwrap_err().kind(), &text[..]), (io::ErrorKind::OutOfMemory, ""));
            let feed = other_local(3 << 20).push(|r| io::copy(r, &mut io::sink()));
            assert_eq!(feed.finish().unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        }
        // On other threads, bridges have what they need.
        assert_eq!(all(Pool::global().pull(hello)).unwrap(), b"hello");
    });
}

#[test]
fn law_8_a_stack_without_a_guard_is_an_error_of_its_bridge() {
    refused(&[(libc::SYS_madvise, libc::ENOMEM), (libc::SYS_mprotect, libc::ENOMEM)], || {
        let error = all(other_local(5 << 20).pull(hello)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        assert!(error.to_string().contains("guard"), "{error}");
    });
}

#[test]
fn law_8_a_sandbox_without_madvise_gets_guards_of_another_kind() {
    refused(&[(libc::SYS_madvise, libc::EPERM)], || {
        for _ in 0..100 {
            assert_eq!(all(other_local(7 << 20).pull(hello)).unwrap(), b"hello");
        }
    });
}

#[test]
fn law_8_a_program_without_a_thread_is_an_error_of_its_bridge() {
    refused(&[(libc::SYS_clone3, libc::EAGAIN), (libc::SYS_clone, libc::EAGAIN)], || {
        let fresh = Thread::new().fresh_threads();
        for _ in 0..3 {
            let error = all(fresh.pull(hello)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
            assert!(error.to_string().contains("threads"), "{error}");
            let mut feed = fresh.push(|r| io::copy(r, &mut io::sink()));
            let refused = feed.write_all(b"x").and_then(|()| feed.flush()).and_then(|()| feed.finish().map(drop));
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::OutOfMemory);
            let error = all(Pool::new(2).pull(hello)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        }
        // No thread is needed here.
        assert_eq!(all(Local::new().pull(hello)).unwrap(), b"hello");
    });
    assert_eq!(all(Thread::new().pull(hello)).unwrap(), b"hello");
}
