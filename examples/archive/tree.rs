//! The served directory. `cap-std` resolves every path, and follows a symbolic link only if it stays inside, so that
//! nothing outside can be reached.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata};
use percent_encoding::percent_decode_str;

#[derive(Clone)]
pub struct Tree {
    root: Arc<Dir>,
    name: OsString,
}

/// The target of a request's path.
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
    /// A symbolic link and its target, which is not resolved.
    Link(PathBuf),
    /// A socket, a pipe or a device.
    Other,
}

impl Tree {
    pub fn open(directory: &Path) -> io::Result<Tree> {
        let name = directory.canonicalize()?.file_name().map_or_else(|| "files".into(), OsStr::to_owned);
        let root = Arc::new(Dir::open_ambient_dir(directory, ambient_authority())?);
        Ok(Tree { root, name })
    }

    /// Returns the name of a directory: its own, or that of the whole tree.
    pub fn name_of(&self, path: &Path) -> OsString {
        path.file_name().unwrap_or(&self.name).to_owned()
    }

    /// Finds what the path of a URL names.
    ///
    /// # Errors
    ///
    /// Returns `InvalidInput` for a path that no page links to, `PermissionDenied` for a path that leads outside, and
    /// `NotFound` if nothing has that name.
    pub fn find(&self, url_path: &str) -> io::Result<Found> {
        let path = decode(url_path).ok_or(io::ErrorKind::InvalidInput)?;
        let place = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
        let metadata = self.root.metadata(place)?;
        if metadata.is_dir() {
            let dir = self.root.open_dir(place)?;
            return Ok(Found::Directory { dir, path });
        }
        // Opening a pipe would wait for its writer.
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let file = self.root.open(place)?;
        let size = file.metadata()?.len();
        Ok(Found::File { file, path, size })
    }
}

/// Returns the relative path of a URL's path, or `None` if it contains `.`, `..`, NUL or an encoded slash.
fn decode(url_path: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for segment in url_path.split('/').filter(|segment| !segment.is_empty()) {
        let bytes: Vec<u8> = percent_decode_str(segment).collect();
        if matches!(&bytes[..], b"." | b"..") || bytes.iter().any(|byte| matches!(byte, b'/' | 0)) {
            return None;
        }
        path.push(system::name(bytes)?);
    }
    Some(path)
}

/// Returns the entries of a directory, directories first, then by name.
pub fn entries(dir: &Dir) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        match dir.symlink_metadata(&name) {
            Ok(metadata) => entries.push(Entry::new(dir, name, &metadata)?),
            // The file was removed after the listing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    entries.sort_by(|a, b| {
        let files_last = |entry: &Entry| entry.kind != Kind::Directory;
        (files_last(a), a.name.as_encoded_bytes()).cmp(&(files_last(b), b.name.as_encoded_bytes()))
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
            mode: system::mode(metadata),
            modified: metadata.modified()?.into_std(),
        })
    }
}

/// Calls `visit` for everything below `top`, parents before children. `visit` gets the containing directory, and the
/// path that starts with `prefix`.
pub fn walk(top: Dir, prefix: &Path, mut visit: impl FnMut(&Dir, &Path, &Entry) -> io::Result<()>) -> io::Result<()> {
    // Iterative: a program's stack is small, and a tree may be deep.
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

/// Names and permissions of files.
#[cfg(unix)]
mod system {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use cap_std::fs::{Metadata, MetadataExt};

    /// Returns the name with these bytes, or `None` if no file can have it.
    pub fn name(bytes: Vec<u8>) -> Option<OsString> {
        Some(OsString::from_vec(bytes))
    }

    /// Returns the permissions, as archives store them.
    pub fn mode(metadata: &Metadata) -> u32 {
        metadata.mode() & 0o7777
    }
}

#[cfg(not(unix))]
mod system {
    use std::ffi::OsString;

    use cap_std::fs::Metadata;

    pub fn name(bytes: Vec<u8>) -> Option<OsString> {
        // Both would lead elsewhere.
        String::from_utf8(bytes).ok().filter(|name| !name.contains(['\\', ':'])).map(OsString::from)
    }

    pub fn mode(metadata: &Metadata) -> u32 {
        if metadata.is_dir() { 0o755 } else { 0o644 }
    }
}
