//! Systems on which no external programs are run: replaces `script` where there are neither process groups nor signals.
//!
//! To use [`Script`] is a compile error with an explanation. The rest of the crate is there.

use std::io;
use std::path::PathBuf;

/// An external CGI program, which this system does not run: creating it is a compile error.
///
/// ```compile_fail
/// let script = pushpull_gateway::Script::new("hello.exe");
/// ```
#[derive(Debug, Clone)]
pub enum Script {}

impl Script {
    /// Cannot be called on this system.
    ///
    /// # Errors
    ///
    /// Never returns.
    pub fn new(_: impl Into<PathBuf>) -> io::Result<Script>
    where
        for<'never> System: Programs,
    {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Implemented on no system that compiles this file.
#[diagnostic::on_unimplemented(
    message = "`pushpull_gateway::Script` runs external programs on Unix only",
    label = "there are neither process groups nor signals here",
    note = "use `pushpull_gateway::service` for code in this process; apps and the hosts work on this system"
)]
pub trait Programs {}

/// The system that this is compiled for.
#[derive(Debug)]
pub struct System;
