//! Sets of paths: what lies below some directories, and what has some names.

use std::fmt;
use std::str::FromStr;

use crate::cgi::path::Mount;

/// The suffixes of precompressed files. A name with such a suffix belongs to the file that it was made from.
const COMPRESSED: [&[u8]; 4] = [b".gz", b".br", b".zst", b".zz"];

/// A set of paths below the root of a [`Site`](crate::Site): everything below some directories, and everything with
/// some names.
///
/// As text, it is a list with commas. An entry with a slash in front is a directory, every other entry is a pattern of
/// names, in which `*` stands for any characters and `?` for one byte.
///
/// ```
/// use pushpull_gateway::PathSet;
///
/// let programs: PathSet = "/cgi-bin/,*.cgi,*.pl".parse()?;
/// assert_eq!(programs, PathSet::new().below("/cgi-bin")?.named("*.cgi")?.named("*.pl")?);
/// # Ok::<(), pushpull_gateway::BadPathSet>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathSet {
    /// The segments of paths of directories.
    directories: Vec<Vec<Name>>,
    patterns: Vec<Name>,
}

/// A name or a pattern of names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    exact: Vec<u8>,
    /// The same as the most lenient file system reads it.
    folded: Vec<u8>,
}

impl Name {
    fn new(exact: &[u8]) -> Name {
        Name { exact: exact.into(), folded: folded(exact) }
    }
}

/// The error for an entry that is no part of a [`PathSet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPathSet {
    entry: String,
}

/// How names are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compare {
    Exactly,
    /// As the most lenient file system would, which ignores case, characters that are not seen, and dots at the end.
    Leniently,
}

impl PathSet {
    /// Creates an empty set.
    pub fn new() -> PathSet {
        PathSet::default()
    }

    /// Adds everything below a directory, such as `/cgi-bin/`.
    ///
    /// # Errors
    ///
    /// Returns an error if `directory` does not begin with `/`, is the root, or contains an empty segment, a dot
    /// segment or a control character.
    pub fn below(mut self, directory: &str) -> Result<PathSet, BadPathSet> {
        match Mount::at(directory) {
            Ok(mount) if !mount.prefix().is_empty() => {
                self.directories.push(mount.prefix()[1..].split('/').map(|name| Name::new(name.as_bytes())).collect());
            }
            _ => return Err(BadPathSet { entry: directory.to_owned() }),
        }
        Ok(self)
    }

    /// Adds everything whose name matches a pattern, such as `*.cgi`.
    ///
    /// # Errors
    ///
    /// Returns an error if `pattern` is empty, or contains a slash or a control character.
    pub fn named(mut self, pattern: &str) -> Result<PathSet, BadPathSet> {
        if pattern.is_empty() || pattern.contains('/') || pattern.chars().any(char::is_control) {
            return Err(BadPathSet { entry: pattern.to_owned() });
        }
        self.patterns.push(Name::new(pattern.as_bytes()));
        Ok(self)
    }

    /// Adds the members of another set.
    #[must_use]
    pub fn with(mut self, other: PathSet) -> PathSet {
        self.directories.extend(other.directories);
        self.patterns.extend(other.patterns);
        self
    }

    /// Returns `true` if the set is empty.
    pub fn is_empty(&self) -> bool {
        self.directories.is_empty() && self.patterns.is_empty()
    }

    /// Returns `true` if a file with this name at the root is a member.
    pub fn has_name(&self, name: &str) -> bool {
        self.contains(name.as_bytes())
    }

    /// Returns `true` if the set contains the path, which has no slashes at its ends.
    pub(super) fn contains(&self, path: &[u8]) -> bool {
        let name = name_of(path);
        self.is_below(path, Compare::Exactly) || self.patterns.iter().any(|pattern| matches(&pattern.exact, name))
    }

    /// Returns `true` if the path, on some file system, could name a member of the set, one of its directories, or a
    /// precompressed form of a member.
    pub(super) fn could_contain(&self, path: &[u8]) -> bool {
        let could_match = || {
            let name = folded(name_of(path));
            self.patterns.iter().any(|pattern| matches(&pattern.folded, &name))
        };
        self.could_be_below(path) || !self.patterns.is_empty() && could_match()
    }

    /// Returns `true` if the path could be one of the directories, or below one.
    pub(super) fn could_be_below(&self, path: &[u8]) -> bool {
        self.is_below(path, Compare::Leniently)
    }

    fn is_below(&self, path: &[u8], compare: Compare) -> bool {
        self.directories.iter().any(|directory| {
            let mut segments = path.split(|byte| *byte == b'/');
            let is_same = |part: &Name| {
                segments.next().is_some_and(|segment| match compare {
                    Compare::Exactly => segment == part.exact,
                    Compare::Leniently => folded(segment) == part.folded,
                })
            };
            directory.iter().all(is_same) && (compare == Compare::Leniently || segments.next().is_some())
        })
    }
}

impl FromStr for PathSet {
    type Err = BadPathSet;

    fn from_str(text: &str) -> Result<PathSet, BadPathSet> {
        text.split(',').try_fold(PathSet::new(), |set, entry| {
            if entry.starts_with('/') { set.below(entry) } else { set.named(entry) }
        })
    }
}

impl fmt::Display for BadPathSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid entry {:?}: expected a directory such as /cgi-bin/, or names such as *.cgi", self.entry)
    }
}

impl std::error::Error for BadPathSet {}

/// Returns the last segment of a path.
fn name_of(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Returns a name as the most lenient file system reads it, without the suffixes of precompressed files.
///
/// FAT and case-folding ext4 ignore case; FAT ignores dots and spaces at the end; ext4 ignores characters that are not
/// seen, none of which is ASCII.
fn folded(name: &[u8]) -> Vec<u8> {
    let mut folded: Vec<u8> = name.iter().filter(|byte| byte.is_ascii()).map(u8::to_ascii_lowercase).collect();
    loop {
        let kept = folded.iter().rposition(|byte| !matches!(byte, b'.' | b' ')).map_or(0, |at| at + 1);
        folded.truncate(kept);
        match COMPRESSED.iter().find(|suffix| folded.len() > suffix.len() && folded.ends_with(suffix)) {
            Some(suffix) => folded.truncate(folded.len() - suffix.len()),
            None => return folded,
        }
    }
}

/// Returns `true` if a name matches a pattern.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where to continue after the last star, if the rest does not match.
    let mut star = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match &mut star {
                Some((star, from)) => {
                    *from += 1;
                    (at, seen) = (*star + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> PathSet {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        for (pattern, name, expected) in [
            ("*.cgi", "a.cgi", true),
            ("*.cgi", ".cgi", true),
            ("*.cgi", "a.cgi.txt", false),
            ("*.cgi", "a.CGI", false),
            ("*", "", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("#*#", "#a#", true),
            ("#*#", "#", false),
            ("*a*b*", "xaxbx", true),
            ("*a*b", "aab", true),
            ("*ab", "aab", true),
            ("*aab", "aaaab", true),
            ("*a*a*a", "aa", false),
            ("ab", "abc", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
        // Takes no exponential time.
        assert!(!matches(&b"*a".repeat(200), &b"a".repeat(199)));
    }

    #[test]
    fn a_set_contains_names_anywhere_and_what_is_below_its_directories() {
        let programs = set("/cgi-bin/,/a/b,*.pl");
        for path in ["cgi-bin/x", "cgi-bin/x/y", "a/b/c", "x.pl", "a/x.pl"] {
            assert!(programs.contains(path.as_bytes()), "{path}");
        }
        for path in ["cgi-bin", "cgi-bin2/x", "x/cgi-bin/y", "a/b", "a", "x.pl/y", "CGI-BIN/x", "x.PL"] {
            assert!(!programs.contains(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn another_spelling_of_a_member_could_be_one() {
        let programs = set("/cgi-bin/,*.php");
        let spellings: [&[u8]; 12] = [
            b"cgi-bin",
            b"CGI-BIN/x",
            b"cgi-bin./x",
            b"x.php",
            b"x.PhP",
            b"x.php.gz",
            b"x.php.br.gz",
            b"x.PHP.GZ",
            b"x.php.",
            b"x.php. .",
            "x.p\u{200b}hp".as_bytes(),
            b"x.php.zst",
        ];
        for path in spellings {
            assert!(programs.could_contain(path), "{}", path.escape_ascii());
        }
        for path in ["cgi", "x.php.txt", "x.ph", "x.phpx", "a/cgi-bin/x", ".gz"] {
            assert!(!programs.could_contain(path.as_bytes()), "{path}");
        }
        assert!(!PathSet::new().could_contain(b"x"));
    }

    #[test]
    fn a_bad_entry_is_refused() {
        for text in ["", ",", "/", "//", "/a/../b", "/a//b", "a/b", "*.cgi,", "a\nb", "/a\nb"] {
            assert!(text.parse::<PathSet>().is_err(), "{text:?}");
        }
        let message = "a/b".parse::<PathSet>().unwrap_err().to_string();
        assert_eq!(message, "invalid entry \"a/b\": expected a directory such as /cgi-bin/, or names such as *.cgi");
    }
}
