//! The socket on which the workers listen.

use std::env;
use std::fs::{self, DirBuilder};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process;

use crate::sys::descriptors::with_room;

/// How many connections wait for a worker. The system allows fewer if it is set to.
const BACKLOG: i32 = 4096;

/// A listening socket in a directory that only this user can enter. Both names are removed when this is dropped.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    directory: PathBuf,
}

impl Socket {
    /// Creates the socket. Its directory is below the first of `RUNTIME_DIRECTORY`, `XDG_RUNTIME_DIR` and the directory
    /// for temporary files that is set.
    pub(super) fn new() -> io::Result<Socket> {
        let directory = private_directory(&parent())?;
        let path = directory.join(NAME);
        let bound = with_room(|| UnixListener::bind(&path)).and_then(|listener| {
            rustix::net::listen(&listener, BACKLOG)?;
            Ok(listener)
        });
        match bound {
            Ok(listener) => Ok(Socket { listener, directory }),
            Err(error) => {
                let _ = fs::remove_dir_all(&directory);
                Err(io::Error::new(error.kind(), format!("the workers' socket {path:?}: {error}")))
            }
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(NAME)
    }

    /// Returns another descriptor of the socket. It blocks, because workers expect one that does.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        with_room(|| self.listener.try_clone()).map(OwnedFd::from)
    }
}

const NAME: &str = "socket";

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path());
        let _ = fs::remove_dir(&self.directory);
    }
}

fn parent() -> PathBuf {
    // systemd separates several directories by colons.
    let runtime = env::var_os("RUNTIME_DIRECTORY").and_then(|list| env::split_paths(&list).next());
    let given = runtime.or_else(|| env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from));
    given.filter(|directory| directory.is_absolute()).unwrap_or_else(env::temp_dir)
}

/// Creates a directory with an unpredictable name. An existing one is not taken.
fn private_directory(parent: &Path) -> io::Result<PathBuf> {
    loop {
        let path = parent.join(format!("pushpull-{:016x}", RandomState::new().hash_one(process::id())));
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(io::Error::new(
                    error.kind(),
                    format!("the directory of the workers' socket, {path:?}: {error}"),
                ));
            }
            Ok(()) => return Ok(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_socket_is_private_and_leaves_nothing_behind() {
        let socket = Socket::new().unwrap();
        let directory = socket.directory.clone();
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        UnixStream::connect(socket.path()).unwrap();
        drop(socket);
        assert!(!directory.exists());
    }
}
