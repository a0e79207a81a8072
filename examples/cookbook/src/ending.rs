//! Logs on standard error how programs end.

use std::fmt::Display;
use std::io::{self, Write};

use pushpull::local;

/// The writers of all engines, which know whether their reader is still there. Asking the writer is reliable; an
/// encoder that passes an error on may change its kind.
pub trait Outlet: Write {
    /// Returns `true` if the reader is gone.
    fn is_closed(&self) -> bool;
}

impl Outlet for pushpull::Writer {
    fn is_closed(&self) -> bool {
        self.is_closed()
    }
}

impl Outlet for local::Writer {
    fn is_closed(&self) -> bool {
        self.is_closed()
    }
}

/// Wraps a program that writes, and logs how it ended: `done`, `stopped` because its client disconnected, `failed`, or
/// `unwound` by a panic or because it ignored that it was stopped.
pub fn of_writing<W: Outlet>(
    name: &'static str,
    program: impl FnOnce(&mut W) -> io::Result<()>,
) -> impl FnOnce(&mut W) -> io::Result<()> {
    move |w| {
        let mut ending = Ending { name, how: "unwound" };
        let result = program(w);
        ending.how = match &result {
            Ok(()) => "done",
            Err(_) if w.is_closed() => "stopped",
            Err(_) => "failed",
        };
        result
    }
}

/// Wraps a program that reads, and logs how it ended: `done`, `failed` because of its input or because its client
/// disconnected, or `unwound`.
pub fn of_reading<R, T>(
    name: String,
    program: impl FnOnce(&mut R) -> io::Result<T>,
) -> impl FnOnce(&mut R) -> io::Result<T> {
    move |r| {
        let mut ending = Ending { name, how: "unwound" };
        let result = program(r);
        ending.how = if result.is_ok() { "done" } else { "failed" };
        result
    }
}

struct Ending<N: Display> {
    name: N,
    how: &'static str,
}

impl<N: Display> Drop for Ending<N> {
    fn drop(&mut self) {
        eprintln!("{:8} {}", self.how, self.name);
    }
}
