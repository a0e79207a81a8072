//! Executable files of tests.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};

/// Writes an executable file, which can be run at once.
///
/// Another process writes it. A file that this process has open for writing is open too in each process that another test
/// is starting. Until that process runs its own program, the file cannot be run (`ETXTBSY`).
pub fn write(path: impl AsRef<OsStr>, text: impl AsRef<[u8]>) {
    let mut command = Command::new("sh");
    command.args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"]).arg(path).stdin(Stdio::piped());
    let mut writing = command.spawn().unwrap();
    writing.stdin.take().unwrap().write_all(text.as_ref()).unwrap();
    assert!(writing.wait().unwrap().success());
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    use std::thread;

    #[test]
    fn a_program_can_be_run_at_once_while_others_are_started() {
        let path = std::env::temp_dir().join(format!("pushpull-program-{}", std::process::id()));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..300 {
                        Command::new("true").status().unwrap();
                    }
                });
            }
            for _ in 0..50 {
                write(&path, "#!/bin/sh\n");
                assert!(Command::new(&path).status().unwrap().success());
            }
        });
        std::fs::remove_file(path).unwrap();
    }
}
