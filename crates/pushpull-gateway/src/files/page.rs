//! A directory as a page of HTML: no script, and nothing that has to be loaded.

use std::fmt::Write;
use std::time::SystemTime;

use super::listing::Entry;
use crate::cgi::error_stream::escape as visible;
use crate::cgi::path::encode;

const STYLE: &str = include_str!("page.css");

/// What the entries are sorted by. Directories come before files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Name,
    /// The largest first.
    Size,
    /// The newest first.
    Date,
}

impl Order {
    /// Returns the order that a query asks for.
    pub(super) fn of(query: Option<&str>) -> Order {
        match query {
            Some("by=size") => Order::Size,
            Some("by=date") => Order::Date,
            _ => Order::Name,
        }
    }

    fn sort(self, entries: &mut [Entry]) {
        entries.sort_by_cached_key(|entry| (entry.name.to_ascii_lowercase(), entry.name.clone()));
        match self {
            Order::Name => {}
            Order::Size => entries.sort_by_key(|entry| std::cmp::Reverse(entry.length)),
            Order::Date => entries.sort_by_key(|entry| std::cmp::Reverse(entry.modified)),
        }
        entries.sort_by_key(|entry| !entry.is_directory);
    }
}

/// What a page shows beside its entries.
pub(super) struct Page<'a> {
    pub(super) mount: &'a [u8],
    /// The path below the mount, which ends with a slash.
    pub(super) path: &'a [u8],
    pub(super) order: Order,
    pub(super) is_complete: bool,
}

impl Page<'_> {
    /// Returns the page.
    pub(super) fn html(&self, mut entries: Vec<Entry>) -> String {
        self.order.sort(&mut entries);
        let mut html = String::with_capacity(4096 + 256 * entries.len());
        // Writing to a string never fails.
        let _ = self.write(&mut html, &entries);
        html
    }

    fn write(&self, html: &mut String, entries: &[Entry]) -> std::fmt::Result {
        let title = text(&[self.mount, self.path].concat());
        write!(
            html,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>Index of {title}</title>\n<style>\n{STYLE}</style>\n<h1>Index of "
        )?;
        self.write_path(html)?;
        html.push_str("</h1>\n<table>\n<thead><tr>");
        for (class, label, order, query) in [
            ("name", "Name", Order::Name, "./"),
            ("size", "Size", Order::Size, "?by=size"),
            ("date", "Date (UTC)", Order::Date, "?by=date"),
        ] {
            let sorted = match self.order == order {
                true if order == Order::Name => " aria-sort=\"ascending\"",
                true => " aria-sort=\"descending\"",
                false => "",
            };
            write!(html, "<th class=\"{class}\"{sorted}><a href=\"{query}\">{label}</a></th>")?;
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        if self.path != b"/" {
            html.push_str("<tr class=\"up\"><td class=\"name\"><a href=\"../\">..</a></td><td></td><td></td></tr>\n");
        }
        entries.iter().try_for_each(|entry| entry.write(html))?;
        html.push_str("</tbody>\n</table>\n");
        let directories = entries.iter().filter(|entry| entry.is_directory).count();
        let files = entries.len() - directories;
        let bytes: u64 = entries.iter().filter(|entry| !entry.is_directory).map(|entry| entry.length).sum();
        let counted = |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
        let counts = format!(
            "{}, {}, {}",
            counted(directories, "directory", "directories"),
            counted(files, "file", "files"),
            size(bytes)
        );
        let more = if self.is_complete { "" } else { ". There are more, which are not shown" };
        writeln!(html, "<p>{counts}{more}</p>\n</html>")
    }

    /// Writes the path, each of its directories a link.
    fn write_path(&self, html: &mut String) -> std::fmt::Result {
        let segments: Vec<&[u8]> =
            self.path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()).collect();
        let top = if self.mount.is_empty() { "/".to_owned() } else { text(self.mount) + "/" };
        let up = |levels: usize| if levels == 0 { "./".to_owned() } else { "../".repeat(levels) };
        write!(html, "<a href=\"{}\">{top}</a>", up(segments.len()))?;
        for (index, segment) in segments.iter().enumerate() {
            write!(html, "<wbr><a href=\"{}\">{}/</a>", up(segments.len() - 1 - index), text(segment))?;
        }
        Ok(())
    }
}

impl Entry {
    fn write(&self, html: &mut String) -> std::fmt::Result {
        let (slash, class) = if self.is_directory { ("/", " class=\"directory\"") } else { ("", "") };
        // Without `./`, a name with a colon would be a scheme.
        let link = escape(&encode(&self.name));
        let size = if self.is_directory { String::new() } else { size(self.length) };
        write!(html, "<tr{class}><td class=\"name\"><a href=\"./{link}{slash}\">{}{slash}</a></td>", text(&self.name))?;
        let date = self.modified.map(date).unwrap_or_default();
        writeln!(html, "<td class=\"size\">{size}</td><td class=\"date\">{date}</td></tr>")
    }
}

/// Returns a size with three digits, in units of 1,024.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    // Beyond this, three digits would round to 1,024.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// Returns a date in UTC, such as `06 Nov 1994 08:49`. HTTP's dates have this in their middle, up to the year 9999.
fn date(time: SystemTime) -> String {
    let last = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(253_402_300_799);
    httpdate::fmt_http_date(time.min(last)).get(5..22).unwrap_or_default().to_owned()
}

/// Returns a name as text in HTML. Bytes that are not UTF-8, and characters that could disguise the name, are escaped
/// as in the log.
fn text(name: &[u8]) -> String {
    escape(&visible(name))
}

/// Escapes a text for HTML and for an attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_188, "9.9 KiB"),
            (10_189, "10 KiB"),
            (1_048_064, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn dates_are_in_utc() {
        let after = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        assert_eq!(date(after(784_111_777)), "06 Nov 1994 08:49");
        assert_eq!(date(after(1 << 60)), "31 Dec 9999 23:59");
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(text(b"a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
        assert_eq!(text(b"a\nb\xff\x1b"), "a\\x0ab\\xff\\x1b");
        assert_eq!(text("\u{202e}txt \u{e9}".as_bytes()), "\\xe2\\x80\\xaetxt \u{e9}");
    }

    #[test]
    fn directories_come_first_in_every_order() {
        let entry = |name: &str, is_directory, length, seconds| Entry {
            name: name.into(),
            is_directory,
            length,
            modified: Some(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)),
        };
        for (query, expected) in [
            (None, ["d", "a", "B", "c"]),
            (Some("by=size"), ["d", "B", "a", "c"]),
            (Some("by=date"), ["d", "c", "B", "a"]),
            (Some("by=<script>"), ["d", "a", "B", "c"]),
        ] {
            let mut entries = vec![
                entry("c", false, 1, 30),
                entry("B", false, 9, 20),
                entry("a", false, 5, 10),
                entry("d", true, 0, 0),
            ];
            Order::of(query).sort(&mut entries);
            assert_eq!(entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>(), expected.map(Vec::from));
        }
    }
}
