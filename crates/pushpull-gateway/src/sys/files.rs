//! Temporary files, and reads and writes at an offset.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;
#[cfg(windows)]
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;
use std::process;

use super::descriptors::with_room;

#[cfg(all(unix, feature = "server"))]
pub(crate) use std::os::unix::fs::FileExt as At;

/// Reads and writes at an offset, with the names that Unix has for them.
#[cfg(all(windows, feature = "server"))]
pub(crate) trait At {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn read_exact_at(&self, into: &mut [u8], offset: u64) -> io::Result<()>;
}

#[cfg(all(windows, feature = "server"))]
impl At for File {
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match std::os::windows::fs::FileExt::seek_write(self, bytes, offset)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => (bytes, offset) = (&bytes[written..], offset + written as u64),
            }
        }
        Ok(())
    }

    fn read_exact_at(&self, mut into: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !into.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(self, into, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => (into, offset) = (&mut into[read..], offset + read as u64),
            }
        }
        Ok(())
    }
}

/// Reads bytes at an offset, if they are in memory.
///
/// # Errors
///
/// `WouldBlock` if they have to come from a disk. `Unsupported` if the file system does not tell.
#[cfg(all(target_os = "linux", feature = "files"))]
pub(crate) fn read_cached(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    match preadv2(file, &mut [io::IoSliceMut::new(into)], offset, ReadWriteFlags::NOWAIT) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Err(io::ErrorKind::Unsupported.into()),
        read => Ok(read?),
    }
}

/// Sends bytes of a file to a socket that does not block, from where they are. Returns the number of bytes.
///
/// # Errors
///
/// Returns `WouldBlock` if there is no room.
#[cfg(all(target_os = "linux", feature = "files", feature = "server"))]
pub(crate) fn send(file: &File, mut offset: u64, length: usize, socket: &impl std::os::fd::AsFd) -> io::Result<usize> {
    Ok(rustix::fs::sendfile(socket, file, Some(&mut offset), length)?)
}

/// Returns `Unsupported`: only Linux tells what is in memory.
#[cfg(all(unix, not(target_os = "linux"), feature = "files"))]
pub(crate) fn read_cached(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Creates a temporary file that no other user can open.
#[cfg(target_os = "linux")]
pub(crate) fn unnamed() -> io::Result<File> {
    let directory = env::temp_dir();
    // Otherwise, a program of another user could open the file again through `/proc`.
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    let nameless = with_room(|| options.clone().custom_flags(libc::O_TMPFILE | libc::O_EXCL).open(&directory));
    match nameless {
        // The file system or the kernel does not support files without a name.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOENT)) => {
            with_room(|| named_once(&directory, options.clone().create_new(true)))
        }
        made => made,
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn unnamed() -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    // Windows removes the file when it is closed, and meanwhile nothing else may open it.
    #[cfg(windows)]
    options.custom_flags(DELETE_ON_CLOSE).share_mode(0);
    with_room(|| named_once(&env::temp_dir(), &options))
}

/// `FILE_FLAG_DELETE_ON_CLOSE`.
#[cfg(windows)]
const DELETE_ON_CLOSE: u32 = 0x0400_0000;

/// Creates a temporary file and removes its name at once. The name is unpredictable, and an existing file is not
/// opened.
fn named_once(directory: &Path, options: &OpenOptions) -> io::Result<File> {
    loop {
        let path = directory.join(format!(".pushpull-{:016x}", RandomState::new().hash_one(process::id())));
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            file => {
                let file = file?;
                if cfg!(unix) {
                    fs::remove_file(&path)?;
                }
                return Ok(file);
            }
        }
    }
}

/// Creates a file in memory, or a temporary file in a sandbox that refuses that. Unlike a pipe, it takes any amount of
/// data, and keeps it until the end.
#[cfg(target_os = "linux")]
pub(crate) fn in_memory(data: &[u8]) -> io::Result<std::os::fd::OwnedFd> {
    let made = with_room(|| Ok(rustix::fs::memfd_create(c"request body", rustix::fs::MemfdFlags::CLOEXEC)?));
    let file = match made {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => unnamed()?.into(),
        made => made?,
    };
    let mut at = 0;
    while at < data.len() {
        at += rustix::io::pwrite(&file, &data[at..], at as u64)?;
    }
    Ok(file)
}

/// Creates a temporary file with this content, on systems without files in memory.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn in_memory(data: &[u8]) -> io::Result<std::os::fd::OwnedFd> {
    let file = unnamed()?;
    file.write_all_at(data, 0)?;
    Ok(file.into())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_temporary_file_has_no_name_and_belongs_to_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600).create_new(true);
        for mut file in [unnamed().unwrap(), named_once(directory.path(), &options).unwrap()] {
            file.write_all(b"body").unwrap();
            let metadata = file.metadata().unwrap();
            assert_eq!((metadata.nlink(), metadata.mode() & 0o777, metadata.len()), (0, 0o600, 4));
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
