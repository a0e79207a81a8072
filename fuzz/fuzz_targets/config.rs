//! Configuration files of `pushpull serve`: each is read, or refused with one line that says where and what is expected.

#![no_main]

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use pushpull_fuzz::plant;
use tempfile::TempDir;

static FILE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let (_, file) = FILE.get_or_init(|| {
        let directory = TempDir::new().expect("a directory");
        plant(directory.path());
        let file = directory.path().join("root/file.toml");
        (directory, file)
    });
    fs::write(file, data).expect("a file can be written");
    let arguments = ["serve".into(), "--check".into(), "--config".into(), OsString::from(file)];
    if let Err(message) = pushpull_cli::run(arguments) {
        assert_eq!(message.lines().count(), 1, "{message}");
        let name = file.to_str().expect("a plain name");
        assert!(message.contains(name), "{message}");
        if let Some(rest) = message.strip_prefix(&format!("{name}:")) {
            let line = rest.split_once(':').map_or(rest, |(line, _)| line);
            let at_least_a_line = data.iter().filter(|byte| **byte == b'\n').count() + 1;
            // The whole file may be what is wrong.
            let is_line = line.parse().is_ok_and(|line: usize| (1..=at_least_a_line).contains(&line));
            assert!(is_line || line.starts_with(' '), "{message}");
        }
    }
});
