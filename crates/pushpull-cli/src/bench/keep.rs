//! Writes reports. A regular file is replaced atomically. Anything else, such as a pipe or a device, is written into.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use tempfile::NamedTempFile;

/// The number of links that Linux follows.
const MAX_LINKS: usize = 40;

/// The mode of an ordinary new file. A temporary file is readable by its owner only.
const USUAL_MODE: u32 = 0o644;

enum Place {
    /// A regular file, or a path that does not exist yet. Links to the file stay intact.
    File { path: PathBuf, mode: u32 },
    /// A pipe, a device or a socket.
    Other,
}

/// Writes `text` to `path`.
///
/// # Errors
///
/// Returns an error if the file cannot be written.
pub fn keep(path: &Path, text: &str) -> io::Result<()> {
    match place(path)? {
        Place::File { path, mode } => {
            let mut file = NamedTempFile::new_in(directory(&path))?;
            file.write_all(text.as_bytes())?;
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode))?;
            file.persist(path).map(drop).map_err(|error| error.error)
        }
        Place::Other => OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes()),
    }
}

/// Checks whether [`keep`] can write to `path`, as far as that can be known in advance.
pub fn check(path: &Path) -> io::Result<()> {
    match place(path)? {
        Place::File { path, .. } => tempfile::tempfile_in(directory(&path)).map(|_: File| ()),
        // Opening a pipe would wait for its reader.
        Place::Other => access(path, Access::WRITE_OK).map_err(io::Error::from),
    }
}

fn place(path: &Path) -> io::Result<Place> {
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(there) if there.is_file() => {
            Ok(Place::File { path: target(path)?, mode: there.permissions().mode() & 0o777 })
        }
        Ok(_) => Ok(Place::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Place::File { path: target(path)?, mode: USUAL_MODE })
        }
        Err(error) => Err(error),
    }
}

/// Returns the path that the links of `path` lead to. The target need not exist.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(next) => path = directory(&path).join(next),
            // Not a link.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Returns the directory of a file.
fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
