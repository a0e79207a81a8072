//! The options, as the texts of `--help` describe them. The man page and the completions are made from these texts.

mod completions;
mod man;

use std::process::ExitCode;

use lexopt::{Arg, Parser};

use crate::{bench, serve};

/// An option.
#[derive(Debug, PartialEq, Eq)]
pub struct Described<'a> {
    pub name: &'a str,
    /// The name of its value, if it has one.
    pub value: Option<&'a str>,
    pub text: String,
}

impl Described<'_> {
    /// Returns `true` if the option may be given several times.
    pub fn is_repeatable(&self) -> bool {
        self.text.contains("repeatable")
    }
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Title(&'a str),
    Option(Described<'a>),
    /// A line of an example, with its indentation.
    Line(&'a str),
    Paragraph(String),
}

/// The indentation of an option's description that is continued on the next line.
const CONTINUED: &str = "                    ";

/// Runs `pushpull help`.
pub fn help(mut parser: Parser, overview: &str) -> Result<ExitCode, String> {
    let text = match parser.next().map_err(crate::unclear)? {
        None => overview.to_owned(),
        Some(Arg::Long("man")) => man::page(overview),
        Some(Arg::Value(command)) if command == "serve" => serve::help(&mut parser)?,
        Some(Arg::Value(command)) if command == "bench" => bench::HELP.to_owned(),
        Some(Arg::Value(command)) => return Err(format!("unknown command {command:?}: expected bench or serve")),
        Some(other) => return Err(crate::unclear(other.unexpected())),
    };
    finish(parser, &text)
}

/// Runs `pushpull completions`.
pub fn completions(mut parser: Parser) -> Result<ExitCode, String> {
    let expected = "expected bash, zsh or fish";
    let text = match parser.next().map_err(crate::unclear)? {
        Some(Arg::Value(shell)) => match shell.to_str() {
            Some("bash") => completions::bash(),
            Some("zsh") => completions::zsh(),
            Some("fish") => completions::fish(),
            _ => return Err(format!("unknown shell {shell:?}: {expected}")),
        },
        Some(other) => return Err(crate::unclear(other.unexpected())),
        None => return Err(format!("missing shell: {expected}; try --help")),
    };
    finish(parser, &text)
}

fn finish(mut parser: Parser, text: &str) -> Result<ExitCode, String> {
    match parser.next().map_err(crate::unclear)? {
        Some(other) => Err(crate::unclear(other.unexpected())),
        None => {
            crate::say(text);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Returns the options that these texts describe.
pub fn options<'a>(texts: &[&'a str]) -> Vec<Described<'a>> {
    let options = texts.iter().flat_map(|text| parts(text)).filter_map(|part| match part {
        Part::Option(option) => Some(option),
        _ => None,
    });
    let mut found: Vec<Described<'a>> = Vec::new();
    for option in options {
        // Two topics may describe an option.
        if !found.iter().any(|other| other.name == option.name) {
            found.push(option);
        }
    }
    found
}

/// Splits a text of `--help`.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut is_new = true;
    for line in text.lines() {
        let trimmed = line.trim();
        match parts.last_mut() {
            _ if trimmed.is_empty() => {}
            Some(Part::Option(option)) if line.starts_with(CONTINUED) => join(&mut option.text, trimmed),
            _ if line.starts_with("  --") => parts.push(Part::Option(described(trimmed))),
            _ if !line.starts_with(' ') && line.ends_with(':') => {
                parts.push(Part::Title(trimmed.trim_end_matches(':')))
            }
            _ if line.starts_with("  pushpull ") || line.starts_with("      ") => parts.push(Part::Line(line)),
            Some(Part::Paragraph(text)) if !is_new => join(text, trimmed),
            _ => parts.push(Part::Paragraph(trimmed.to_owned())),
        }
        is_new = trimmed.is_empty();
    }
    parts
}

/// Parses the first line of an option: its name, its value, two spaces or more, and its description.
fn described(line: &str) -> Described<'_> {
    let (head, text) = line.split_once("  ").unwrap_or((line, ""));
    let (name, value) = head.split_once(' ').map_or((head, None), |(name, value)| (name, Some(value)));
    Described { name: name.trim_start_matches("--"), value, text: text.trim().to_owned() }
}

fn join(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_into_titles_options_and_prose() {
        let text = "Log (of it):\n  --log FORM  form of\n                    lines\n  --all\n                    everything\n\n  Prose that\n  continues.\n\n  More.\n";
        let option = |name, value, text: &str| Part::Option(Described { name, value, text: text.to_owned() });
        let expected = [
            Part::Title("Log (of it)"),
            option("log", Some("FORM"), "form of lines"),
            option("all", None, "everything"),
            Part::Paragraph("Prose that continues.".to_owned()),
            Part::Paragraph("More.".to_owned()),
        ];
        assert_eq!(parts(text), expected);
    }
}
