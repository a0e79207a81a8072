//! Finds the script that a path names, below a root and without a link.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;

/// The extension of scripts. No other file is sent to the application, which might disclose its source code.
const EXTENSION: &[u8] = b".php";
const INDEX: &[u8] = b"index.php";

/// A directory of scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    /// The absolute path. Links in it are followed anew for each request, so that the root can be replaced at once.
    root: PathBuf,
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Script {
        /// The script's file.
        file: PathBuf,
        /// The path up to the script, with the index if the path names a directory.
        name: Vec<u8>,
        /// The rest of the path.
        rest: Vec<u8>,
    },
    /// A directory with an index, whose path lacks the final slash that relative links need.
    Directory,
    Nothing,
}

impl Site {
    /// Creates a site, after checking that the root is a directory.
    pub(super) fn new(root: &Path) -> io::Result<Site> {
        let root = std::path::absolute(root)?;
        let error_about = |kind, what: &str| io::Error::new(kind, format!("the root {root:?}: {what}"));
        match std::fs::metadata(&root) {
            Err(error) => Err(error_about(error.kind(), &error.to_string())),
            Ok(there) if !there.is_dir() => Err(error_about(io::ErrorKind::NotADirectory, "not a directory")),
            Ok(_) => Ok(Site { root }),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns what a decoded path names. The path is empty, or begins with a slash. Segments are not normalized: an
    /// empty segment, a dot segment or a NUL names nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if the system cannot tell what is there.
    pub(super) fn find(&self, path: &[u8]) -> io::Result<Found> {
        self.find_by(path, kind_of)
    }

    fn find_by(&self, path: &[u8], kind_of: impl Fn(&OwnedFd, &[u8]) -> Kind) -> io::Result<Found> {
        let segments = path.strip_prefix(b"/").unwrap_or(path);
        let bare = segments.strip_suffix(b"/").unwrap_or(segments);
        let root = rustix::fs::open(&self.root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mut end = 0;
        for segment in segments.split(|byte| *byte == b'/') {
            end += segment.len();
            // A path may end with a slash.
            let may_be_empty = end == segments.len();
            if !(is_name(segment) || segment.is_empty() && may_be_empty) {
                return Ok(Found::Nothing);
            }
            if segment.len() > EXTENSION.len() && segment.ends_with(EXTENSION) {
                match kind_of(&root, &segments[..end])? {
                    Some(FileType::RegularFile) => return Ok(self.script(&segments[..end], &segments[end..])),
                    Some(FileType::Directory) => {}
                    _ => return Ok(Found::Nothing),
                }
            }
            end += 1;
        }
        let index = if bare.is_empty() { INDEX.to_vec() } else { [bare, b"/", INDEX].concat() };
        if kind_of(&root, &index)? != Some(FileType::RegularFile) {
            return Ok(Found::Nothing);
        }
        if segments.len() > bare.len() || bare.is_empty() { Ok(self.script(&index, b"")) } else { Ok(Found::Directory) }
    }

    fn script(&self, name: &[u8], rest: &[u8]) -> Found {
        let file = self.root.join(OsStr::from_bytes(name));
        Found::Script { file, name: [b"/", name].concat(), rest: rest.to_vec() }
    }
}

/// The type of the file, if there is one.
type Kind = io::Result<Option<FileType>>;

fn is_name(segment: &[u8]) -> bool {
    !segment.is_empty() && !matches!(segment, b"." | b"..") && !segment.contains(&0)
}

/// Returns the type of a file below a root that is reached without a link.
fn kind_of(root: &OwnedFd, path: &[u8]) -> Kind {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty(), resolve) {
        // Kernels before 5.6 lack the call, some containers forbid it, and changes to the tree can interrupt it
        // (EAGAIN).
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => kind_by_steps(root, path),
        opened => kind(opened),
    }
}

/// Returns the same as `kind_of`, segment by segment.
fn kind_by_steps(root: &OwnedFd, path: &[u8]) -> Kind {
    let mut place: Option<OwnedFd> = None;
    let mut segments = path.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let among = place.as_ref().unwrap_or(root).as_fd();
        let is_last = segments.peek().is_none();
        let flags = if is_last { OFlags::PATH } else { OFlags::PATH | OFlags::DIRECTORY };
        match openat(among, segment, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Ok(next) if !is_last => place = Some(next),
            opened => return kind(opened),
        }
    }
    Ok(None)
}

fn kind(opened: Result<OwnedFd, Errno>) -> Kind {
    match opened {
        Ok(file) => Ok(Some(FileType::from_raw_mode(fstat(&file)?.st_mode))),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::ACCESS | Errno::XDEV) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, Site) {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("www");
        for directory in ["dir.php/deep", "sub", "bare", "index.d/index.php"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        for file in ["index.php", "a.php", "b.PHP", "c.txt", ".php", "dir.php/x.php", "sub/index.php", "a\u{e9}.php"] {
            fs::write(root.join(file), "<?php").unwrap();
        }
        fs::write(outer.path().join("secret.php"), "<?php").unwrap();
        symlink(outer.path().join("secret.php"), root.join("link.php")).unwrap();
        symlink("a.php", root.join("inner.php")).unwrap();
        symlink(outer.path(), root.join("out")).unwrap();
        symlink("sub", root.join("sub2")).unwrap();
        symlink("/proc/self/cwd", root.join("magic")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe.php"), Mode::RWXU).unwrap();
        let site = Site::new(&root).unwrap();
        (outer, site)
    }

    /// Returns the script and the rest, `(dir)` or `-`. Both ways of asking the system must agree.
    fn found(site: &Site, path: &[u8]) -> String {
        let text = |found| match found {
            Found::Script { file, name, rest } => {
                assert_eq!(file.as_os_str().as_bytes(), [site.root.as_os_str().as_bytes(), &name].concat());
                format!("{}|{}", String::from_utf8(name).unwrap(), String::from_utf8(rest).unwrap())
            }
            Found::Directory => "(dir)".to_owned(),
            Found::Nothing => "-".to_owned(),
        };
        let by_steps = text(site.find_by(path, kind_by_steps).unwrap());
        assert_eq!(text(site.find(path).unwrap()), by_steps, "{}", path.escape_ascii());
        by_steps
    }

    #[test]
    fn the_first_regular_php_file_on_the_path_is_the_script() {
        let (_outer, site) = tree();
        for (path, expected) in [
            ("/a.php", "/a.php|"),
            ("/a.php/", "/a.php|/"),
            ("/a.php/info/a.php", "/a.php|/info/a.php"),
            ("/a.php/..", "/a.php|/.."),
            ("/dir.php/x.php/y", "/dir.php/x.php|/y"),
            ("/a\u{e9}.php", "/a\u{e9}.php|"),
            ("/", "/index.php|"),
            ("", "/index.php|"),
            ("/sub/", "/sub/index.php|"),
            ("/sub", "(dir)"),
        ] {
            assert_eq!(found(&site, path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn everything_else_is_nothing() {
        let (_outer, site) = tree();
        for path in [
            "/c.txt",
            "/b.PHP",
            "/b.php",
            "/A.php",
            "/.php",
            "/.php/x",
            "/a.php.txt",
            "/a.ph",
            "/none.php",
            "/none/",
            "/dir.php",
            "/dir.php/",
            "/dir.php/deep/",
            "/bare",
            "/bare/",
            "/index.d/",
            "/c.txt/a.php",
            "/c.txt/",
            // Links to files within and outside the root, and a pipe.
            "/link.php",
            "/inner.php",
            "/out/secret.php",
            "/out/www/a.php",
            "/sub2/index.php",
            "/sub2/",
            "/sub2",
            "/magic/a.php",
            "/pipe.php",
            // Paths that a host refuses already.
            "/../secret.php",
            "/sub/../a.php",
            "/./a.php",
            "/a.php\0",
            "/a\0.php",
            "//a.php",
            "//",
            "/sub//",
            "//sub/",
            "/sub//index.php",
            "a.php\0/x.php",
            "/..",
        ] {
            assert_eq!(found(&site, path.as_bytes()), "-", "{}", path.escape_default());
        }
        let long = [b"/".as_slice(), &[b'x'; 300], b".php"].concat();
        assert_eq!(found(&site, &long), "-");
        assert_eq!(found(&site, &[b"/x".as_slice().repeat(3000), b"/a.php".to_vec()].concat()), "-");
        assert_eq!(found(&site, b"/\xff.php"), "-");
    }

    #[test]
    fn a_root_that_is_a_link_is_followed_each_time() {
        let (outer, site) = tree();
        let current = outer.path().join("current");
        symlink(outer.path().join("www"), &current).unwrap();
        let linked = Site::new(&current).unwrap();
        assert_eq!(found(&linked, b"/a.php"), "/a.php|");
        fs::remove_file(&current).unwrap();
        symlink(outer.path().join("www/sub"), &current).unwrap();
        assert_eq!(found(&linked, b"/a.php"), "-");
        assert_eq!(found(&linked, b"/index.php"), "/index.php|");
        fs::remove_dir_all(&site.root).unwrap();
        assert_eq!(site.find(b"/a.php").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(Site::new(&outer.path().join("secret.php")).is_err());
    }
}
