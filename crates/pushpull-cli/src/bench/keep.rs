//! Where a report is kept. A file is replaced, all of it or nothing; what is no file, such as a pipe or a device, is
//! written into, and stays what it is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use tempfile::NamedTempFile;

/// As many as Linux follows.
const MAX_LINKS: usize = 40;

/// As any file that is made here, and not as a temporary one, which is its owner's alone.
const USUAL_MODE: u32 = 0o644;

enum Place {
    /// A file, or nothing yet. Other names that lead to it go on to do so.
    File { path: PathBuf, mode: u32 },
    /// Anything else.
    Other,
}

/// # Errors
///
/// When it cannot be written there.
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

/// Whether that can be done, as far as it can be known before.
pub fn check(path: &Path) -> io::Result<()> {
    match place(path)? {
        Place::File { path, .. } => tempfile::tempfile_in(directory(&path)).map(|_: File| ()),
        // To open a pipe would be to wait for who reads it.
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

/// Where the links lead that have this name. There need not be anything.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(next) => path = directory(&path).join(next),
            // No link.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many links"))
}

/// Where a file lies.
fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
