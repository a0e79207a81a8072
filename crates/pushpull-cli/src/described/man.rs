//! The man page.

use std::fmt::Write;

use super::{Part, parts};
use crate::{bench, serve};

/// Returns the page `pushpull(1)`, in the macros of man(7).
pub fn page(overview: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(".TH PUSHPULL 1 \"\" \"pushpull {version}\" \"User Commands\"\n.SH NAME\n");
    page.push_str("pushpull \\- serves files, CGI and FastCGI programs, and measures bridges\n");
    page.push_str(".SH SYNOPSIS\n");
    for usage in [serve::OVERVIEW, bench::HELP].iter().flat_map(|text| usages(text)) {
        let _ = writeln!(page, ".B {}\n.br", escaped(usage));
    }
    page.push_str(".SH DESCRIPTION\n");
    add(&mut page, overview);
    page.push_str(".SH PUSHPULL SERVE\n");
    add(&mut page, serve::OVERVIEW);
    serve::topics().iter().for_each(|text| add(&mut page, text));
    page.push_str(".SH PUSHPULL BENCH\n");
    add(&mut page, bench::HELP);
    page.push_str(".SH EXIT STATUS\n0 after a clean stop, 1 if\n.B bench \\-\\-compare\nfinds something slower, 2 after an error.\n");
    page
}

/// Returns the lines about the usage.
fn usages(text: &str) -> impl Iterator<Item = &str> {
    let usage = text.lines().skip_while(|line| !line.starts_with("Usage: ")).take_while(|line| !line.is_empty());
    usage.map(|line| line.trim_start_matches("Usage:").trim())
}

/// Adds a text of `--help`, without its usage.
fn add(page: &mut String, text: &str) {
    let mut was_line = false;
    for part in parts(text) {
        let is_line = matches!(part, Part::Line(_));
        match (was_line, is_line) {
            (false, true) => page.push_str(".PP\n.nf\n"),
            (true, false) => page.push_str(".fi\n"),
            _ => {}
        }
        was_line = is_line;
        let _ = match part {
            Part::Title(title) => writeln!(page, ".SS {}", escaped(title)),
            Part::Line(line) => writeln!(page, "{}", escaped(line)),
            Part::Paragraph(text) if text.starts_with("Usage: ") => Ok(()),
            Part::Paragraph(text) => writeln!(page, ".PP\n{}", escaped(&text)),
            Part::Option(option) => {
                let value = option.value.map(|value| format!(" \\fI{}\\fR", escaped(value))).unwrap_or_default();
                writeln!(page, ".TP\n\\fB\\-\\-{}\\fR{value}\n{}", escaped(option.name), escaped(&option.text))
            }
        };
    }
    if was_line {
        page.push_str(".fi\n");
    }
}

/// Escapes what roff would take for a request or an escape.
fn escaped(text: &str) -> String {
    let plain = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq")
        .replace('~', "\\(ti")
        .replace('^', "\\(ha");
    if plain.starts_with('.') { format!("\\&{plain}") } else { plain }
}
