//! The directory that is served. Nothing outside it can be reached: every path is resolved by `cap-std`, which follows a
//! symbolic link only as long as it stays inside.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, MetadataExt};
use percent_encoding::percent_decode_str;

#[derive(Clone)]
pub struct Tree {
    root: Arc<Dir>,
    name: OsString,
}

/// What a request's path leads to.
pub enum Found {
    Directory { dir: Dir, path: PathBuf },
    File { file: File, path: PathBuf, size: u64 },
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub name: OsString,
    pub kind: Kind,
    pub size: u64,
    pub mode: u32,
    pub modified: SystemTime,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Directory,
    File,
    /// A symbolic link and what it says; where that leads is not asked.
    Link(PathBuf),
    /// A socket, a pipe, a device.
    Other,
}

impl Tree {
    pub fn open(directory: &Path) -> io::Result<Tree> {
        let name = directory.canonicalize()?.file_name().map_or_else(|| "files".into(), OsStr::to_owned);
        let root = Arc::new(Dir::open_ambient_dir(directory, ambient_authority())?);
        Ok(Tree { root, name })
    }

    /// What to call a directory: its own name, or that of the whole tree.
    pub fn name_of(&self, path: &Path) -> OsString {
        path.file_name().unwrap_or(&self.name).to_owned()
    }

    /// Finds what the path of a request's URL names.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a path that no page here links to, `PermissionDenied` for one that leads outside, `NotFound`.
    pub fn find(&self, url_path: &str) -> io::Result<Found> {
        let path = decode(url_path).ok_or(io::ErrorKind::InvalidInput)?;
        let place = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
        let metadata = self.root.metadata(place)?;
        if metadata.is_dir() {
            let dir = self.root.open_dir(place)?;
            return Ok(Found::Directory { dir, path });
        }
        // Opening a pipe would wait for whoever writes to it.
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let file = self.root.open(place)?;
        let size = file.metadata()?.len();
        Ok(Found::File { file, path, size })
    }
}

/// The relative path that a URL's path means; none for one with `.`, `..`, NUL or an encoded slash in it.
fn decode(url_path: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for segment in url_path.split('/').filter(|segment| !segment.is_empty()) {
        let bytes: Vec<u8> = percent_decode_str(segment).collect();
        if matches!(&bytes[..], b"." | b"..") || bytes.iter().any(|byte| matches!(byte, b'/' | 0)) {
            return None;
        }
        path.push(OsString::from_vec(bytes));
    }
    Some(path)
}

/// What a directory holds, in the order of a listing: directories first, then by name.
pub fn entries(dir: &Dir) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        match dir.symlink_metadata(&name) {
            Ok(metadata) => entries.push(Entry::new(dir, name, &metadata)?),
            // Gone since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    entries.sort_by(|a, b| {
        let files_last = |entry: &Entry| entry.kind != Kind::Directory;
        (files_last(a), a.name.as_bytes()).cmp(&(files_last(b), b.name.as_bytes()))
    });
    Ok(entries)
}

impl Entry {
    fn new(dir: &Dir, name: OsString, metadata: &Metadata) -> io::Result<Entry> {
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_file() => Kind::File,
            kind if kind.is_symlink() => Kind::Link(dir.read_link_contents(&name)?),
            _ => Kind::Other,
        };
        Ok(Entry {
            name,
            kind,
            size: metadata.len(),
            mode: metadata.mode() & 0o7777,
            modified: metadata.modified()?.into_std(),
        })
    }
}

/// Calls `visit` for everything below `top`, parents before children, with the directory that holds it and the path
/// from `prefix` on.
pub fn walk(top: Dir, prefix: &Path, mut visit: impl FnMut(&Dir, &Path, &Entry) -> io::Result<()>) -> io::Result<()> {
    // Not by recursion: a program's stack is small, and a tree may be deep.
    let mut open = vec![(entries(&top)?.into_iter(), top, prefix.to_owned())];
    while let Some((rest, dir, path)) = open.last_mut() {
        let Some(entry) = rest.next() else {
            open.pop();
            continue;
        };
        let path = path.join(&entry.name);
        let located = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        visit(dir, &path, &entry).map_err(located)?;
        if entry.kind == Kind::Directory {
            let child = dir.open_dir(&entry.name).map_err(located)?;
            let rest = entries(&child).map_err(located)?.into_iter();
            open.push((rest, child, path));
        }
    }
    Ok(())
}
