//! A directory, and the rules by which its paths are found.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::path_set::PathSet;
use super::tree::Tree;

/// A directory, and the rules by which the path of a request names a file or a program in it.
///
/// A site serves nothing by itself: `Files` sends its files, [`Script`](crate::Script) and `Upstream` run its programs.
/// Each of them finds the same for the same path. To serve several directories, make a site for each, and give the
/// services [mounts](crate::Mount).
///
/// * A path is looked up beneath the root. Empty segments name nothing.
/// * The first regular file on the path that is a [program](Site::programs) gets the request. The rest of the path is
///   its `PATH_INFO`.
/// * Any other regular file is sent, unless it is [hidden](Site::hide) or could be the source of a program. A path that
///   differs from a program only in case, in dots at its end, or in a suffix such as `.gz` names nothing.
/// * In a directory, the first [index](Site::index) that exists is found. A path that lacks the final slash leads to
///   one that has it.
/// * Everything else is nothing: pipes, devices, sockets, and, unless they are [followed](Site::follow_links), links.
///
/// Files are opened anew for each request. Links in the path of the root itself are followed, so that the root can be
/// replaced at once.
///
/// ```
/// use pushpull_gateway::Site;
///
/// # let directory = std::env::temp_dir();
/// let site = Site::new(directory)?.programs("/cgi-bin/".parse()?).index(["index.html", "index.htm"]);
/// # let _ = site;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Site {
    pub(super) rules: Arc<Rules>,
}

#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) tree: Tree,
    pub(super) programs: PathSet,
    pub(super) hidden: PathSet,
    pub(super) index: Vec<Vec<u8>>,
    pub(super) front_controller: Option<Vec<u8>>,
    pub(super) listing: bool,
}

impl Site {
    /// Creates a site without programs, whose index is `index.html`.
    ///
    /// # Errors
    ///
    /// Returns an error if `root` is not a directory.
    pub fn new(root: impl AsRef<Path>) -> io::Result<Site> {
        let rules = Rules {
            tree: Tree::new(root.as_ref())?,
            programs: PathSet::new(),
            hidden: PathSet::new(),
            index: vec![b"index.html".to_vec()],
            front_controller: None,
            listing: false,
        };
        Ok(Site { rules: Arc::new(rules) })
    }

    /// Sets which paths are programs (default: none).
    #[must_use]
    pub fn programs(mut self, programs: PathSet) -> Site {
        self.change().programs = programs;
        self
    }

    /// Sets the names that are looked for in a directory, the first one first (default: `index.html`).
    ///
    /// # Panics
    ///
    /// Panics if a name is empty or contains a slash.
    #[must_use]
    #[track_caller]
    pub fn index(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Site {
        self.change().index = names.into_iter().map(|name| checked("index", name.into())).collect();
        self
    }

    /// Sets the program at the root that gets every path that names nothing else (default: none). The whole path is its
    /// `PATH_INFO`.
    ///
    /// # Panics
    ///
    /// Panics if the name is empty or contains a slash.
    #[must_use]
    #[track_caller]
    pub fn front_controller(mut self, name: impl Into<String>) -> Site {
        self.change().front_controller = Some(checked("front_controller", name.into()));
        self
    }

    /// Sets what no path finds (default: nothing). Some names are never found:
    ///
    /// * those that begin with a dot, except `/.well-known`;
    /// * backups: `*~`, `#*#`, `*.bak`, `*.old`, `*.orig`, `*.save`, `*.swp`;
    /// * files of programs that this site does not run: `*.php`, `*.php?`, `*.phtml`, `*.phar`, `*.phps`, `*.inc`,
    ///   `*.cgi`, `*.fcgi`, and all below `/cgi-bin/` and `/htbin/`.
    #[must_use]
    pub fn hide(mut self, hidden: PathSet) -> Site {
        self.change().hidden = hidden;
        self
    }

    /// Sets whether a directory without an index is listed (default: `false`).
    #[must_use]
    pub fn listing(mut self, listing: bool) -> Site {
        self.change().listing = listing;
        self
    }

    /// Sets whether links are followed (default: `false`), wherever they lead. Do not let untrusted users write to the
    /// directory then. The rules of the site apply to the path of the request, not to the target of a link.
    #[must_use]
    pub fn follow_links(mut self, follow: bool) -> Site {
        self.change().tree.follow_links(follow);
        self
    }

    /// Returns the absolute path of the root.
    pub fn root(&self) -> &Path {
        self.rules.tree.root()
    }

    fn change(&mut self) -> &mut Rules {
        Arc::make_mut(&mut self.rules)
    }
}

#[track_caller]
fn checked(setter: &str, name: String) -> Vec<u8> {
    assert!(!name.is_empty() && !name.contains('/'), "`{setter}` must be the name of a file, not {name:?}");
    name.into_bytes()
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("root", &self.root())
            .field("programs", &self.rules.programs)
            .finish_non_exhaustive()
    }
}
