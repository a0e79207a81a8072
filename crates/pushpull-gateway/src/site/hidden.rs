//! Names that no request finds: dot files, the backups of editors, sources, and programs without a rule.

use std::sync::LazyLock;

use super::path_set::PathSet;

/// The one dot name that is public (RFC 8615), at the root only.
const WELL_KNOWN: &[u8] = b".well-known";

/// What editors and people leave behind beside a file.
const BACKUPS: &str = "*~,#*#,*.bak,*.old,*.orig,*.save,*.swp";

/// Files that web servers run or include, which hold passwords, and the usual directories of programs. Such a file that
/// is no program of the site is not sent as text, because it is more probable that the site lacks a rule.
const SOURCES: &str = "/cgi-bin/,/htbin/,*.php,*.php?,*.phtml,*.phar,*.phps,*.inc,*.cgi,*.fcgi";

static BACKUP: LazyLock<PathSet> = LazyLock::new(|| BACKUPS.parse().expect("the list is valid"));
static SOURCE: LazyLock<PathSet> = LazyLock::new(|| SOURCES.parse().expect("the list is valid"));

/// Returns `true` if the last segment of the path is neither sent, nor run, nor listed.
pub(super) fn is_hidden(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    starts_with_dot(name) && path != WELL_KNOWN || BACKUP.could_contain(name)
}

/// Returns `true` if a name begins with a dot, as file systems see it that ignore characters without a form.
fn starts_with_dot(name: &[u8]) -> bool {
    let start = &name[..name.iter().position(u8::is_ascii).map_or(0, |at| at + 1)];
    let seen = std::str::from_utf8(start).map(|start| start.trim_start_matches(is_ignored));
    seen.is_ok_and(|seen| seen == ".")
}

/// Returns `true` if case-folding ext4 ignores the character (Unicode: `Default_Ignorable_Code_Point`).
fn is_ignored(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns `true` if the path names a file that is never sent.
pub(super) fn is_source(path: &[u8]) -> bool {
    SOURCE.could_contain(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_files_backups_and_sources_are_recognized() {
        for path in [
            ".env",
            "\u{200b}.env",
            "a/.git",
            "a/.well-known",
            "..",
            "a~",
            "a/b.php~",
            "#a#",
            "a.bak",
            "A.BAK",
            "a.swp.gz",
            ".a.swp",
        ] {
            assert!(is_hidden(path.as_bytes()), "{path}");
        }
        for path in [".well-known", "a.txt", "bak", "#a", "~a", "a.bakery", "\u{e9}.txt", "\u{1f34e}.txt"] {
            assert!(!is_hidden(path.as_bytes()), "{path}");
        }
        for path in ["a.php", "a.PHP", "a.php5", "a.phtml.gz", "config.inc", "a.cgi", "cgi-bin/a", "CGI-BIN/a/b"] {
            assert!(is_source(path.as_bytes()), "{path}");
        }
        for path in ["a.py", "a.pl", "a.html", "php", "a.php.txt", "a/cgi-bin/b"] {
            assert!(!is_source(path.as_bytes()), "{path}");
        }
    }
}
