//! Opens what lies beneath a root.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use crate::sys::descriptors::with_room;

/// Flags for a file to be sent. Without the second, a pipe would block; the third is for terminals.
const TO_READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Flags for a file or directory that is only looked at. Other systems than Linux must be allowed to read it.
#[cfg(target_os = "linux")]
const TO_LOOK: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const TO_LOOK: OFlags = TO_READ;

/// A directory and what lies beneath it.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// The absolute path. Links in it are followed anew for each request, so that the root can be replaced at once.
    root: PathBuf,
    open: Open,
    follows_links: bool,
}

/// A way to open a path beneath a root.
pub(super) type Open = fn(BorrowedFd<'_>, &[u8], OFlags) -> Result<OwnedFd, Errno>;

/// What was opened.
#[derive(Debug)]
pub(crate) enum Opened {
    File(File),
    Directory(OwnedFd),
    /// Something is there that this process must not open.
    Denied,
    /// Nothing is there, or something else, such as a pipe, a device, or a link that is not followed.
    Nothing,
}

/// A regular file, opened for reading.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) content: fs::File,
    pub(crate) length: u64,
    /// `None` if the file system has no time, or one before 1970, which HTTP could not name.
    pub(crate) modified: Option<SystemTime>,
}

impl Tree {
    /// Creates a tree, after checking that the root is a directory.
    pub(super) fn new(root: &Path) -> io::Result<Tree> {
        let root = std::path::absolute(root)?;
        let error_about = |kind, what: &str| io::Error::new(kind, format!("the root {root:?}: {what}"));
        match std::fs::metadata(&root) {
            Err(error) => Err(error_about(error.kind(), &error.to_string())),
            Ok(there) if !there.is_dir() => Err(error_about(io::ErrorKind::NotADirectory, "not a directory")),
            Ok(_) => Ok(Tree { root, open: without_links, follows_links: false }),
        }
    }

    pub(super) fn follow_links(&mut self, follow: bool) {
        self.open = if follow { with_links } else { without_links };
        self.follows_links = follow;
    }

    /// Returns `true` if links are followed.
    pub(super) fn follows_links(&self) -> bool {
        self.follows_links
    }

    #[cfg(test)]
    pub(super) fn open_by(&self, open: Open) -> Tree {
        Tree { open, ..self.clone() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn open_root(&self) -> io::Result<OwnedFd> {
        let flags = TO_LOOK | OFlags::DIRECTORY | OFlags::CLOEXEC;
        with_room(|| Ok(rustix::fs::open(&self.root, flags, Mode::empty())?))
    }

    /// Returns the type of what is there, if anything is there that can be reached.
    pub(super) fn kind(&self, root: &OwnedFd, path: &[u8]) -> io::Result<Option<FileType>> {
        match with_room(|| Ok((self.open)(root.as_fd(), path, TO_LOOK)?)) {
            Ok(file) => Ok(Some(FileType::from_raw_mode(fstat(&file)?.st_mode))),
            Err(error) if is_denied(&error) || is_nothing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a file or a directory for reading. The empty path is the root.
    pub(crate) fn open(&self, root: &OwnedFd, path: &[u8]) -> io::Result<Opened> {
        let path = if path.is_empty() { b"." } else { path };
        let descriptor = match with_room(|| Ok((self.open)(root.as_fd(), path, TO_READ)?)) {
            Ok(descriptor) => descriptor,
            Err(error) if is_denied(&error) => return Ok(Opened::Denied),
            Err(error) if is_nothing(&error) => return Ok(Opened::Nothing),
            Err(error) => return Err(error),
        };
        let content = fs::File::from(descriptor);
        let about = content.metadata()?;
        Ok(match about.file_type() {
            kind if kind.is_file() => {
                let modified = about.modified().ok().filter(|time| *time >= SystemTime::UNIX_EPOCH);
                Opened::File(File { content, length: about.len(), modified })
            }
            kind if kind.is_dir() => Opened::Directory(content.into()),
            _ => Opened::Nothing,
        })
    }
}

/// Opens a path that is reached without a link.
#[cfg(not(target_os = "linux"))]
fn without_links(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    by_steps(root, path, flags)
}

/// Opens a path that is reached without a link.
#[cfg(target_os = "linux")]
fn without_links(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};

    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, path, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty(), resolve) {
        // Kernels before 5.6 lack the call, some containers forbid it, and changes to the tree can interrupt it
        // (EAGAIN).
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => by_steps(root, path, flags),
        opened => opened,
    }
}

/// Does the same as `without_links`, segment by segment.
pub(super) fn by_steps(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut place: Option<OwnedFd> = None;
    let mut segments = path.split(|byte| *byte == b'/').peekable();
    loop {
        let (Some(segment), is_last) = (segments.next(), segments.peek().is_none()) else { return Err(Errno::NOENT) };
        let among = place.as_ref().map_or(root, OwnedFd::as_fd);
        let flags = if is_last { flags } else { TO_LOOK | OFlags::DIRECTORY };
        let opened = openat(among, segment, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        if is_last {
            return Ok(opened);
        }
        place = Some(opened);
    }
}

/// Opens a path, following links wherever they lead.
fn with_links(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(root, path, flags | OFlags::CLOEXEC, Mode::empty())
}

fn is_denied(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::ACCESS | Errno::PERM))
}

/// Returns `true` if nothing is there that could be opened. A socket, and a device without a driver, are ENXIO and
/// ENODEV.
fn is_nothing(error: &io::Error) -> bool {
    use Errno as E;
    let nothing = [E::NOENT, E::NOTDIR, E::LOOP, E::NAMETOOLONG, E::XDEV, E::NXIO, E::NODEV, E::ILSEQ, E::INVAL];
    // FreeBSD says of a link that is not followed that it is one too many.
    #[cfg(target_os = "freebsd")]
    let nothing = nothing.into_iter().chain([E::MLINK]).collect::<Vec<_>>();
    Errno::from_io_error(error).is_some_and(|error| nothing.contains(&error))
}
