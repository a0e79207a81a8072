//! Writes the HTML pages.

use std::ffi::OsStr;
use std::fmt::{Display, Formatter};
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use html_escape::{encode_double_quoted_attribute, encode_text};
use humansize::{BINARY, format_size};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use time::OffsetDateTime;
use time::macros::format_description;

use super::encode::Format;
use super::tree::{Entry, Kind};

/// The characters that need no encoding in a segment of a URL's path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const STYLE: &str = include_str!("page.css");

/// Encodes a name as a segment of a URL.
pub fn segment(name: &OsStr) -> impl Display {
    percent_encode(name.as_encoded_bytes(), SEGMENT)
}

/// Writes the page of the directory at `path`, whose own name is `name`.
pub fn write_listing(w: &mut impl Write, root: &OsStr, path: &Path, name: &OsStr, entries: &[Entry]) -> io::Result<()> {
    let title = name.to_string_lossy();
    write_head(w, &title)?;
    writeln!(w, "<header><nav aria-label=\"Path\">")?;
    write_breadcrumbs(w, root, path)?;
    writeln!(w, "</nav><h1>{}</h1>", encode_text(&title))?;
    writeln!(w, "<p class=\"summary\">{}</p>", Summary(entries))?;
    writeln!(w, "<p class=\"actions\">Download everything here as")?;
    for format in Format::ALL {
        let extension = format.extension();
        writeln!(w, "<a class=\"button\" href=\"?{extension}\" download>.{extension}</a>")?;
    }
    writeln!(w, "</p></header>")?;
    if entries.is_empty() {
        writeln!(w, "<p class=\"empty\">This directory is empty.</p>")?;
    } else {
        write_table(w, entries)?;
    }
    writeln!(w, "<footer>Archives are made while you download them.</footer></main></body></html>")
}

/// Writes a page with an error message.
pub fn write_error(w: &mut impl Write, title: &str, reason: &str) -> io::Result<()> {
    write_head(w, title)?;
    writeln!(w, "<header><h1>{}</h1><p>{}</p>", encode_text(title), encode_text(reason))?;
    writeln!(w, "<p class=\"actions\"><a class=\"button\" href=\"/\">To the top</a></p></header></main></body></html>")
}

fn write_head(w: &mut impl Write, title: &str) -> io::Result<()> {
    writeln!(w, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")?;
    writeln!(w, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(w, "<meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">")?;
    writeln!(w, "<title>{}</title><style>{STYLE}</style></head><body><main>", encode_text(title))
}

/// Writes the path from the top, with a link for each step but the last.
fn write_breadcrumbs(w: &mut impl Write, root: &OsStr, path: &Path) -> io::Result<()> {
    let steps: Vec<&OsStr> = path.iter().collect();
    let mut href = "/".to_owned();
    for (depth, step) in std::iter::once(root).chain(steps.iter().copied()).enumerate() {
        if depth > 0 {
            href.push_str(&segment(step).to_string());
            href.push('/');
            write!(w, " <span aria-hidden=\"true\">/</span> ")?;
        }
        let text = step.to_string_lossy();
        if depth == steps.len() {
            write!(w, "<span aria-current=\"page\">{}</span>", encode_text(&text))?;
        } else {
            write!(w, "<a href=\"{}\">{}</a>", encode_double_quoted_attribute(&href), encode_text(&text))?;
        }
    }
    writeln!(w)
}

fn write_table(w: &mut impl Write, entries: &[Entry]) -> io::Result<()> {
    writeln!(w, "<table><thead><tr><th scope=\"col\">Name</th><th scope=\"col\" class=\"size\">Size</th>")?;
    writeln!(w, "<th scope=\"col\" class=\"date\">Changed (UTC)</th><th scope=\"col\" class=\"get\">Download</th>")?;
    writeln!(w, "</tr></thead><tbody>")?;
    for entry in entries {
        write_row(w, entry)?;
    }
    writeln!(w, "</tbody></table>")
}

fn write_row(w: &mut impl Write, entry: &Entry) -> io::Result<()> {
    let text = entry.name.to_string_lossy();
    let text = encode_text(&text);
    let url = segment(&entry.name);
    write!(w, "<tr><td class=\"name\">")?;
    match &entry.kind {
        Kind::Directory => write!(w, "<a class=\"directory\" href=\"{url}/\">{text}/</a>")?,
        Kind::File => write!(w, "<a class=\"file\" href=\"{url}\">{text}</a>")?,
        Kind::Link(target) => {
            let target = target.to_string_lossy();
            write!(w, "<a class=\"link\" href=\"{url}\">{text}</a> <small>&rarr; {}</small>", encode_text(&target))?;
        }
        Kind::Other => write!(w, "<span class=\"other\">{text}</span> <small>not a file</small>")?,
    }
    write!(w, "</td><td class=\"size\">")?;
    if entry.kind == Kind::File {
        write!(w, "{}", format_size(entry.size, BINARY))?;
    }
    write!(w, "</td><td class=\"date\">{}</td><td class=\"get\">", date(entry.modified))?;
    match entry.kind {
        Kind::Directory => {
            for format in Format::ALL {
                let extension = format.extension();
                write!(
                    w,
                    "<a href=\"{url}/?{extension}\" download aria-label=\"{text} as {extension}\">.{extension}</a> "
                )?;
            }
        }
        Kind::File => write!(w, "<a href=\"{url}\" download aria-label=\"{text}\">download</a>")?,
        Kind::Link(_) | Kind::Other => {}
    }
    writeln!(w, "</td></tr>")
}

fn date(time: SystemTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]");
    OffsetDateTime::from(time).format(&format).unwrap_or_default()
}

/// Formats a size.
struct Summary<'a>(&'a [Entry]);

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let count = |wanted: fn(&Kind) -> bool| self.0.iter().filter(|entry| wanted(&entry.kind)).count();
        let directories = count(|kind| *kind == Kind::Directory);
        let files = count(|kind| *kind == Kind::File);
        let bytes = self.0.iter().filter(|entry| entry.kind == Kind::File).map(|entry| entry.size).sum::<u64>();
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        write!(f, "{directories} director{}", if directories == 1 { "y" } else { "ies" })?;
        write!(f, ", {files} file{}, {}", plural(files), format_size(bytes, BINARY))
    }
}
