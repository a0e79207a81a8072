//! How programs end, on standard error.

use std::fmt::Display;
use std::io::{self, Write};

use pushpull::local;

/// The writers of all engines: they know whether anybody still wants what is written. An encoder that passes an error on
/// may hide its kind.
pub trait Outlet: Write {
    /// Whether nobody does.
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

/// A program that writes, which says how it ended: `done`, `stopped` because its client had gone, `failed`; or `unwound`, by a
/// panic or because it took no notice of being stopped.
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

/// A program that reads, which says how it ended: `done`, `failed` because it was given what it cannot read or its client
/// had gone; or `unwound`.
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
