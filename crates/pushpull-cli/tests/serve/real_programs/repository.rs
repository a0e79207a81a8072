//! A repository for programs that show repositories.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use tempfile::TempDir;

use super::browser::Page;
use super::git::{git, noise};

/// A path with characters that need escaping, and its form in a URL.
pub const ODD: &str = "Wörter & mehr/naïve 100% #1+2.txt";
pub const ODD_IN_URL: &str = "W%C3%B6rter%20%26%20mehr/na%C3%AFve%20100%25%20%231+2.txt";

/// The size of a file that exceeds the buffers of a connection and a pipe.
pub const LARGE: usize = 16 << 20;

/// The size of a file that arrives in many pieces.
pub const MIDDLING: usize = 3 << 20;

pub struct Repository(TempDir);

impl Repository {
    /// Creates a bare repository, `served.git`, with a tag `v1.0`, a branch `main` one commit ahead, and a file `large`
    /// of this size.
    pub fn new(large: usize) -> Repository {
        let repository = Repository(tempfile::tempdir().unwrap());
        let (root, first) = (repository.root(), repository.root().join("first"));
        git(&root, &["init", "-q", "-b", "main", "first"]);
        fs::create_dir(first.join("Wörter & mehr")).unwrap();
        fs::write(first.join(ODD), "Grüße & <b>\n").unwrap();
        fs::write(first.join("large"), noise(large, 7)).unwrap();
        // Store without compression, to save time.
        git(&first, &["-c", "core.compression=0", "add", "."]);
        git(&first, &["commit", "-q", "-m", "Erste Änderung"]);
        git(&first, &["tag", "v1.0"]);
        fs::write(first.join("later"), "later\n").unwrap();
        git(&first, &["add", "."]);
        git(&first, &["commit", "-q", "-m", "Zweite <Änderung>"]);
        git(&root, &["clone", "-q", "--bare", "first", "served.git"]);
        fs::remove_dir_all(first).unwrap();
        repository
    }

    /// Returns the directory of the repositories to show, also for temporary files.
    pub fn root(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    pub fn served(&self) -> PathBuf {
        self.root().join("served.git")
    }

    /// Returns a part of the environment of each process that shows the repository.
    pub fn mark(&self) -> String {
        self.root().display().to_string()
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.root().join(name);
        fs::write(&path, text.replace("ROOT", &self.mark())).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// Returns the output of git.
    pub fn git(&self, arguments: &[&str]) -> Vec<u8> {
        git(&self.served(), arguments).stdout
    }

    pub fn blob(&self, path: &str) -> Vec<u8> {
        self.git(&["cat-file", "blob", &format!("HEAD:{path}")])
    }

    pub fn archive(&self, prefix: &str, what: &str) -> Vec<u8> {
        self.git(&["archive", "--format=tar", &format!("--prefix={prefix}/"), what])
    }
}

/// Checks a download byte by byte.
pub fn same(page: &Page, expected: &[u8]) {
    assert_eq!((page.status, page.body.len()), (200, expected.len()));
    assert!(page.body == expected, "the download differs");
}

pub fn gunzipped(page: &Page) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(&page.body[..]).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Clones the repository and checks the clone.
pub fn clones(url: &str, repository: &Repository) {
    let place = tempfile::tempdir().unwrap();
    git(place.path(), &["clone", "-q", url, "clone"]);
    let clone: &Path = &place.path().join("clone");
    git(clone, &["fsck", "--strict"]);
    assert_eq!(git(clone, &["rev-parse", "HEAD"]).stdout, repository.git(&["rev-parse", "HEAD"]));
    assert!(fs::read(clone.join("large")).unwrap() == repository.blob("large"), "the clone differs");
}
