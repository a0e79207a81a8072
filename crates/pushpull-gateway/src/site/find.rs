//! Finds what the path of a request names.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::FileType;

use super::hidden::{is_hidden, is_source};
use super::settings::{Rules, Site};
use super::tree::{File, Opened};

/// What a path names.
#[derive(Debug)]
pub(crate) enum Found {
    Program {
        file: PathBuf,
        /// The path up to the program, with the index if the path names a directory.
        name: Vec<u8>,
        /// The rest of the path.
        rest: Vec<u8>,
    },
    File {
        file: File,
        /// The path of the file below the root.
        path: Vec<u8>,
    },
    /// A directory to be listed.
    Directory(OwnedFd),
    /// A directory whose path lacks the final slash that relative links need.
    Slash,
    /// A file or a directory that this process must not read.
    Denied,
    Nothing,
}

impl Site {
    /// Returns what a decoded path names. The path is empty, or begins with a slash. Segments are not normalized: an
    /// empty segment, a dot segment or a NUL names nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if the system cannot tell what is there.
    pub(crate) fn find(&self, path: &[u8]) -> io::Result<Found> {
        self.rules.find(path)
    }

    /// Opens the precompressed form of a file that was found.
    pub(crate) fn compressed(&self, path: &[u8]) -> io::Result<Opened> {
        let tree = &self.rules.tree;
        tree.open(&tree.open_root()?, path)
    }

    /// Returns `true` if links are followed.
    pub(crate) fn follows_links(&self) -> bool {
        self.rules.tree.follows_links()
    }

    /// Returns `true` if a listing shows the path, which has no slashes at its ends.
    pub(crate) fn is_shown(&self, path: &[u8]) -> bool {
        let rules = &self.rules;
        !path.rsplit(|byte| *byte == b'/').next().unwrap_or(path).starts_with(b".")
            && !rules.hides(path)
            && (rules.programs.contains(path) || !rules.withholds(path))
    }
}

impl Rules {
    fn find(&self, path: &[u8]) -> io::Result<Found> {
        let root = self.tree.open_root()?;
        match (self.look_up(&root, path)?, &self.front_controller) {
            (Found::Nothing, Some(name)) if self.is_file(&root, name)? => Ok(self.program(name, path)),
            (found, _) => Ok(found),
        }
    }

    fn look_up(&self, root: &OwnedFd, path: &[u8]) -> io::Result<Found> {
        let segments = path.strip_prefix(b"/").unwrap_or(path);
        let bare = segments.strip_suffix(b"/").unwrap_or(segments);
        let has_slash = segments.len() > bare.len() || bare.is_empty();
        let mut is_withheld = false;
        let mut end = 0;
        for segment in segments.split(|byte| *byte == b'/') {
            end += segment.len();
            // A path may end with a slash.
            if segment.is_empty() && end == segments.len() {
                break;
            }
            let part = &segments[..end];
            if !is_name(segment) || self.hides(part) {
                return Ok(Found::Nothing);
            }
            if self.programs.contains(part) {
                match self.tree.kind(root, part)? {
                    Some(FileType::RegularFile) => return Ok(self.program(part, &segments[end..])),
                    Some(FileType::Directory) => {}
                    _ => return Ok(Found::Nothing),
                }
            }
            is_withheld |= self.withholds(part);
            end += 1;
        }
        // What had the name of a program was a directory, and could be a file by now.
        if !has_slash && !is_withheld && !self.programs.contains(bare) {
            match self.tree.open(root, bare)? {
                Opened::File(file) => return Ok(Found::File { file, path: bare.to_vec() }),
                Opened::Directory(_) => {}
                Opened::Denied => return Ok(Found::Denied),
                Opened::Nothing => return Ok(Found::Nothing),
            }
        }
        self.look_inside(root, bare, has_slash, is_withheld).map(|found| match found {
            // Relative links need the slash. A program knows its own path.
            Found::File { .. } | Found::Directory(_) if path.is_empty() => Found::Slash,
            Found::Program { .. } | Found::File { .. } | Found::Directory(_) if !has_slash => Found::Slash,
            found => found,
        })
    }

    /// Looks for the index of a directory, or the directory itself if it is to be listed.
    fn look_inside(&self, root: &OwnedFd, directory: &[u8], has_slash: bool, is_withheld: bool) -> io::Result<Found> {
        for name in &self.index {
            let path = if directory.is_empty() { name.clone() } else { [directory, b"/", name].concat() };
            if self.programs.contains(&path) {
                if self.is_file(root, &path)? {
                    return Ok(self.program(&path, b""));
                }
            } else if !is_withheld && !self.withholds(&path) {
                match self.tree.open(root, &path)? {
                    Opened::File(file) => return Ok(Found::File { file, path }),
                    Opened::Denied if has_slash => return Ok(Found::Denied),
                    _ => {}
                }
            }
        }
        if !self.listing || is_withheld {
            return Ok(Found::Nothing);
        }
        Ok(match self.tree.open(root, directory)? {
            Opened::Directory(directory) => Found::Directory(directory),
            Opened::Denied => Found::Denied,
            _ => Found::Nothing,
        })
    }

    fn program(&self, name: &[u8], rest: &[u8]) -> Found {
        let file = self.tree.root().join(OsStr::from_bytes(name));
        Found::Program { file, name: [b"/", name].concat(), rest: rest.to_vec() }
    }

    fn is_file(&self, root: &OwnedFd, path: &[u8]) -> io::Result<bool> {
        Ok(self.tree.kind(root, path)? == Some(FileType::RegularFile))
    }

    /// Returns `true` if the last segment of a path hides what the path names.
    fn hides(&self, path: &[u8]) -> bool {
        is_hidden(path) || self.hidden.could_contain(path)
    }

    /// Returns `true` if nothing there is sent as it is: it could be a program, or the source of one. A directory with
    /// the name of a program is none.
    fn withholds(&self, path: &[u8]) -> bool {
        if self.programs.contains(path) {
            return self.programs.could_be_below(path);
        }
        self.programs.could_contain(path) || is_source(path)
    }
}

fn is_name(segment: &[u8]) -> bool {
    !segment.is_empty() && !matches!(segment, b"." | b"..") && !segment.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::Command;
    use std::sync::Arc;

    use crate::site::tree::by_steps;

    fn tree() -> (tempfile::TempDir, Site) {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("www");
        for directory in ["dir.php/deep", "sub", "bare", "index.d/index.php", "cgi-bin/sub", "pages", ".git"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        for file in [
            "index.php",
            "a.php",
            "b.PHP",
            "c.txt",
            ".php",
            "dir.php/x.php",
            "dir.php/y.css",
            "sub/index.php",
            "a\u{e9}.php",
            "a.php.gz",
            "a.php~",
            "a.php.bak",
            "c.txt~",
            ".git/config",
            "cgi-bin/x",
            "cgi-bin/x.txt",
            "cgi-bin/sub/y",
            "cgi-bin/sub/index.html",
            "pages/index.html",
            "lib.inc",
            "old.php5",
        ] {
            fs::write(root.join(file), "<?php").unwrap();
        }
        fs::write(outer.path().join("secret.php"), "<?php").unwrap();
        symlink(outer.path().join("secret.php"), root.join("link.php")).unwrap();
        symlink(outer.path().join("secret.php"), root.join("link.txt")).unwrap();
        symlink("a.php", root.join("inner.php")).unwrap();
        symlink(outer.path(), root.join("out")).unwrap();
        symlink("sub", root.join("sub2")).unwrap();
        symlink("/proc/self/cwd", root.join("magic")).unwrap();
        for name in ["pipe.php", "pipe.txt"] {
            assert!(Command::new("mkfifo").arg(root.join(name)).status().unwrap().success());
        }
        let site = Site::new(&root).unwrap().index(["index.php", "index.html"]);
        (outer, site.programs("*.php,/cgi-bin/".parse().unwrap()))
    }

    fn text(site: &Site, found: Found) -> String {
        match found {
            Found::Program { file, name, rest } => {
                assert_eq!(file.as_os_str().as_bytes(), [site.root().as_os_str().as_bytes(), &name].concat());
                format!("{}|{}", String::from_utf8(name).unwrap(), String::from_utf8(rest).unwrap())
            }
            Found::File { path, .. } => format!("file {}", String::from_utf8(path).unwrap()),
            Found::Directory(_) => "listing".to_owned(),
            Found::Slash => "slash".to_owned(),
            Found::Denied => "denied".to_owned(),
            Found::Nothing => "-".to_owned(),
        }
    }

    /// Returns what a path names. Both ways of asking the system must agree.
    fn found(site: &Site, path: &[u8]) -> String {
        let mut stepping = site.clone();
        let rules = Arc::make_mut(&mut stepping.rules);
        rules.tree = rules.tree.open_by(by_steps);
        let by_steps = text(site, stepping.find(path).unwrap());
        assert_eq!(text(site, site.find(path).unwrap()), by_steps, "{}", path.escape_ascii());
        by_steps
    }

    #[test]
    fn the_first_regular_file_that_is_a_program_gets_the_rest_of_the_path() {
        let (_outer, site) = tree();
        for (path, expected) in [
            ("/a.php", "/a.php|"),
            ("/a.php/", "/a.php|/"),
            ("/a.php/info/a.php", "/a.php|/info/a.php"),
            ("/a.php/..", "/a.php|/.."),
            ("/a.php/.git/a~", "/a.php|/.git/a~"),
            ("/dir.php/x.php/y", "/dir.php/x.php|/y"),
            ("/a\u{e9}.php", "/a\u{e9}.php|"),
            ("/cgi-bin/x/y/z", "/cgi-bin/x|/y/z"),
            ("/cgi-bin/x.txt", "/cgi-bin/x.txt|"),
            ("/cgi-bin/sub/y", "/cgi-bin/sub/y|"),
            ("/", "/index.php|"),
            ("", "/index.php|"),
            ("/sub/", "/sub/index.php|"),
            ("/sub", "slash"),
        ] {
            assert_eq!(found(&site, path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn other_files_are_sent_and_directories_are_redirected_to() {
        let (_outer, site) = tree();
        for (path, expected) in [
            ("/c.txt", "file c.txt"),
            ("/dir.php/y.css", "file dir.php/y.css"),
            ("/pages/", "file pages/index.html"),
            ("/pages", "slash"),
            ("/bare", "-"),
            ("/bare/", "-"),
        ] {
            assert_eq!(found(&site, path.as_bytes()), expected, "{path}");
        }
        let listed = site.clone().listing(true);
        for (path, expected) in [
            ("/bare/", "listing"),
            ("/bare", "slash"),
            ("/pages/", "file pages/index.html"),
            ("/cgi-bin/", "-"),
            ("/cgi-bin", "-"),
            ("/cgi-bin/sub/", "/cgi-bin/sub/index.html|"),
            ("/.git/", "-"),
            ("/c.txt/", "-"),
        ] {
            assert_eq!(found(&listed, path.as_bytes()), expected, "{path}");
        }
        let plain = Site::new(site.root()).unwrap();
        assert_eq!(found(&plain.clone().listing(true), b""), "slash");
        assert_eq!(found(&plain, b"/cgi-bin/x"), "-");
    }

    #[test]
    fn everything_else_is_nothing() {
        let (_outer, site) = tree();
        for path in [
            // Programs in other spellings, their backups, and sources.
            "/b.PHP",
            "/b.php",
            "/A.php",
            "/a.php.gz",
            "/a.php.",
            "/a.php%",
            "/a.php~",
            "/a.php.bak",
            "/c.txt~",
            "/lib.inc",
            "/old.php5",
            "/CGI-BIN/x",
            "/cgi-bin/none",
            "/cgi-bin/",
            "/.git/config",
            "/.git/",
            "/.php",
            "/.php/x",
            "/a.php.txt",
            "/a.ph",
            "/none.php",
            "/none/",
            "/dir.php",
            "/dir.php/",
            "/dir.php/deep/",
            "/index.d/",
            "/c.txt/a.php",
            "/c.txt/",
            // Links to files within and outside the root, and pipes.
            "/link.php",
            "/link.txt",
            "/inner.php",
            "/out/secret.php",
            "/out/www/c.txt",
            "/out/www/a.php",
            "/sub2/index.php",
            "/sub2/",
            "/sub2",
            "/magic/a.php",
            "/pipe.php",
            "/pipe.txt",
            // Paths that a host refuses already.
            "/../secret.php",
            "/sub/../a.php",
            "/sub/../c.txt",
            "/./a.php",
            "/./c.txt",
            "/a.php\0",
            "/c.txt\0",
            "/a\0.php",
            "//a.php",
            "//c.txt",
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
    fn a_front_controller_gets_what_names_nothing_else() {
        let (_outer, site) = tree();
        let site = site.front_controller("index.php");
        for (path, expected) in [
            ("/pretty/url", "/index.php|/pretty/url"),
            ("/bare/", "/index.php|/bare/"),
            ("/lib.inc", "/index.php|/lib.inc"),
            ("/.git/config", "/index.php|/.git/config"),
            ("/c.txt", "file c.txt"),
            ("/a.php/x", "/a.php|/x"),
            ("/sub", "slash"),
        ] {
            assert_eq!(found(&site, path.as_bytes()), expected, "{path}");
        }
        assert_eq!(found(&site.front_controller("none.php"), b"/x"), "-");
    }

    #[test]
    fn links_are_followed_if_asked() {
        let (_outer, site) = tree();
        let site = site.follow_links(true).hide("/out/".parse().unwrap());
        for (path, expected) in [
            ("/link.php", "/link.php|"),
            ("/link.txt", "file link.txt"),
            ("/sub2/", "/sub2/index.php|"),
            ("/pipe.txt", "-"),
            ("/out/secret.php", "-"),
            ("/out/www/c.txt", "-"),
        ] {
            assert_eq!(text(&site, site.find(path.as_bytes()).unwrap()), expected, "{path}");
        }
    }

    #[test]
    fn a_root_that_is_a_link_is_followed_each_time() {
        let (outer, site) = tree();
        let current = outer.path().join("current");
        symlink(outer.path().join("www"), &current).unwrap();
        let linked = Site::new(&current).unwrap().programs("*.php".parse().unwrap());
        assert_eq!(found(&linked, b"/a.php"), "/a.php|");
        fs::remove_file(&current).unwrap();
        symlink(outer.path().join("www/sub"), &current).unwrap();
        assert_eq!(found(&linked, b"/a.php"), "-");
        assert_eq!(found(&linked, b"/index.php"), "/index.php|");
        fs::remove_dir_all(site.root()).unwrap();
        assert_eq!(site.find(b"/a.php").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(Site::new(outer.path().join("secret.php")).is_err());
    }
}
