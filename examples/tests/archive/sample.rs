//! Directories to serve.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The expected content of an archive: the bytes of each file, and nothing for a directory.
pub type Contents = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// Returns bytes that do not compress and are always the same.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Creates a directory called `tree`, with names, sizes and kinds of every sort.
pub fn mixed() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let tree = home.path().join("tree");
    for directory in ["empty directory", "deep/er/and/deeper", "ünïcödé"] {
        fs::create_dir_all(tree.join(directory)).unwrap();
    }
    let files: [(&str, Vec<u8>); 6] = [
        ("empty", Vec::new()),
        ("with space & <sign>.txt", b"text\n".repeat(100)),
        ("deep/er/and/deeper/noise.bin", noise(300_000)),
        ("ünïcödé/日本語.txt", "日本語".into()),
        ("one", vec![7]),
        ("script.sh", b"#!/bin/sh\n".to_vec()),
    ];
    for (name, bytes) in files {
        fs::write(tree.join(name), bytes).unwrap();
    }
    fs::set_permissions(tree.join("script.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let changed = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    File::open(tree.join("one")).unwrap().set_modified(changed).unwrap();
    symlink("one", tree.join("link")).unwrap();
    fs::write(home.path().join("secret"), "a secret outside the tree").unwrap();
    symlink("../secret", tree.join("leak")).unwrap();
    symlink("..", tree.join("leaking directory")).unwrap();
    (home, tree)
}

/// Creates a directory with one file, `file`, of `len` bytes that do not compress.
pub fn of_noise(len: usize) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    File::create(home.path().join("file")).unwrap().write_all(&noise(len)).unwrap();
    home
}

/// Returns the files and directories below `tree`, by paths that start with its name. Links are left out.
pub fn contents(tree: &Path) -> Contents {
    let mut contents = Contents::new();
    let mut open = vec![tree.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = Path::new(tree.file_name().unwrap()).join(path.strip_prefix(tree).unwrap());
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() {
                contents.insert(name, None);
                open.push(path);
            } else if kind.is_file() {
                contents.insert(name, Some(fs::read(path).unwrap()));
            }
        }
    }
    contents
}
