//! Finds the file of a program.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{self, Path, PathBuf};

use rustix::fs::{Access, access};

/// How much of a program's first line the kernel reads.
const MAX_LINE: u64 = 256;

/// Returns the absolute path of a program. Keeps symbolic links. A name without a slash is searched in `PATH`.
///
/// # Errors
///
/// Returns an error if the file does not exist, or is not an executable regular file.
pub(crate) fn resolve(program: &Path) -> io::Result<PathBuf> {
    let is_bare = program.components().count() == 1 && !program.as_os_str().as_encoded_bytes().contains(&b'/');
    if is_bare {
        return search(program, &env::var_os("PATH").unwrap_or_default());
    }
    let found = path::absolute(program).map_err(|error| error_about(error.kind(), program, &error.to_string()))?;
    check(&found)?;
    Ok(found)
}

fn search(name: &Path, directories: &OsStr) -> io::Result<PathBuf> {
    let mut result = Err(error_about(io::ErrorKind::NotFound, name, "not found in PATH"));
    for directory in env::split_paths(directories) {
        let found = path::absolute(directory.join(name))?;
        match check(&found) {
            Ok(()) => return Ok(found),
            // A file that cannot be run is reported if nothing better is found.
            Err(error) if error.kind() != io::ErrorKind::NotFound && !found.is_dir() => result = Err(error),
            Err(_) => {}
        }
    }
    result
}

fn check(program: &Path) -> io::Result<()> {
    let about = fs::metadata(program).map_err(|error| error_about(error.kind(), program, &error.to_string()))?;
    if !about.is_file() {
        return Err(error_about(io::ErrorKind::InvalidInput, program, "not a regular file"));
    }
    if access(program, Access::EXEC_OK).is_err() {
        return Err(error_about(io::ErrorKind::PermissionDenied, program, "not executable (`chmod +x` makes it so)"));
    }
    Ok(())
}

/// Returns why the system did not run a program. If a file is missing or must not be executed, it may be the
/// interpreter that the program's first line names.
pub(crate) fn why(program: &Path, directory: &Path, error: &io::Error) -> String {
    if let Err(error) = check(program) {
        return error.to_string();
    }
    if let Err(error) = fs::metadata(directory) {
        return format!("the working directory {directory:?}: {error}");
    }
    match interpreter(program) {
        Some(interpreter) => match check(&interpreter) {
            Err(error) => format!("its interpreter cannot be run: {error}"),
            Ok(()) => format!("{error} (its interpreter is {interpreter:?})"),
        },
        None => format!("{error} (the program exists, but its loader may be missing)"),
    }
}

/// Returns the interpreter that the first line of a program names.
fn interpreter(program: &Path) -> Option<PathBuf> {
    let mut line = Vec::new();
    BufReader::new(File::open(program).ok()?.take(MAX_LINE)).read_until(b'\n', &mut line).ok()?;
    let line = line.strip_prefix(b"#!")?;
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
    let name = line.split(is_space).find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(name)))
}

fn error_about(kind: io::ErrorKind, program: &Path, what: &str) -> io::Error {
    io::Error::new(kind, format!("the program {program:?}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn requirement_6_a_program_is_made_absolute_and_links_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        symlink("/bin/sh", &link).unwrap();
        assert_eq!(resolve(&link).unwrap(), link);
        assert_eq!(search(Path::new("link"), directory.path().as_os_str()).unwrap(), link);
        assert!(resolve(Path::new("sh")).unwrap().is_absolute());
    }

    #[test]
    fn requirement_17_the_interpreter_is_the_first_word_of_the_first_line() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        for (line, found) in [
            ("#!/bin/sh\ntrue", Some("/bin/sh")),
            ("#! \t/no/such -x\n", Some("/no/such")),
            ("#!/usr/bin/perl\r\n", Some("/usr/bin/perl\r")),
            ("#!/at/the/end", Some("/at/the/end")),
            ("#!\n/bin/sh", None),
            ("true\n", None),
            ("", None),
        ] {
            fs::write(&program, line).unwrap();
            assert_eq!(interpreter(&program).as_deref(), found.map(Path::new), "{line:?}");
        }
    }

    #[test]
    fn requirement_17_a_program_that_cannot_run_is_an_error_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let plain = directory.path().join("plain");
        fs::write(&plain, "text").unwrap();
        fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
        let kind = |program: &Path| resolve(program).unwrap_err().kind();
        assert_eq!(kind(&plain), io::ErrorKind::PermissionDenied);
        assert_eq!(kind(directory.path()), io::ErrorKind::InvalidInput);
        assert_eq!(kind(&directory.path().join("none")), io::ErrorKind::NotFound);
        assert_eq!(kind(Path::new("no-such-program-anywhere")), io::ErrorKind::NotFound);
        assert_eq!(kind(Path::new("")), io::ErrorKind::InvalidInput);
        let found = search(Path::new("plain"), directory.path().as_os_str()).unwrap_err();
        assert!(found.to_string().contains("not executable"), "{found}");
    }
}
