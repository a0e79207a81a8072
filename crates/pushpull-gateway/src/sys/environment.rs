//! The environment and the standard input of this process, for a CGI program.

use std::ffi::OsString;
use std::fs::File;
use std::io;

/// Returns the bytes of a variable: on Windows in UTF-8, because it has no bytes of its own there.
#[cfg(unix)]
pub(crate) fn bytes(text: OsString) -> Vec<u8> {
    std::os::unix::ffi::OsStringExt::into_vec(text)
}

#[cfg(not(unix))]
pub(crate) fn bytes(text: OsString) -> Vec<u8> {
    text.into_encoded_bytes()
}

/// Returns standard input as a file: `Stdin` itself reads ahead.
///
/// # Errors
///
/// Returns an error if standard input is closed.
#[cfg(unix)]
pub(crate) fn input() -> io::Result<File> {
    Ok(File::from(std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?))
}

#[cfg(windows)]
pub(crate) fn input() -> io::Result<File> {
    Ok(File::from(std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned()?))
}

#[cfg(not(any(unix, windows)))]
pub(crate) fn input() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}
