//! The forms of log lines.

use std::fmt::{Display, Write};
use std::time::SystemTime;

use pushpull_gateway::host::AccessRecord;
use serde::Serialize;

/// The form of each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    #[default]
    Text,
    /// One JSON object, in ASCII.
    Json,
}

impl Format {
    /// Returns the line of an answered request.
    pub fn request(self, record: &AccessRecord) -> String {
        match self {
            Format::Text => stamped(record),
            Format::Json => of_request(record),
        }
    }

    /// Returns the line of a message of a program or of the server itself.
    pub fn trouble(self, message: &dyn Display) -> String {
        match self {
            Format::Text => stamped(message),
            Format::Json => of_message("error", message),
        }
    }

    /// Returns a line about the start of the server. As text it has no timestamp.
    pub fn said(self, message: &dyn Display) -> String {
        match self {
            Format::Text => format!("{message}\n"),
            Format::Json => of_message("info", message),
        }
    }

    /// Returns the line of an event while the server runs.
    pub fn noted(self, message: &dyn Display) -> String {
        match self {
            Format::Text => stamped(message),
            Format::Json => of_message("info", message),
        }
    }
}

fn now() -> impl Display {
    humantime::format_rfc3339_millis(SystemTime::now())
}

fn stamped(line: &dyn Display) -> String {
    format!("{} {line}\n", now())
}

/// A message in JSON.
#[derive(Serialize)]
struct Message<'a> {
    time: String,
    level: &'a str,
    message: String,
}

/// An answered request in JSON.
#[derive(Serialize)]
struct Answered<'a> {
    time: String,
    client: Option<String>,
    method: &'a str,
    target: String,
    protocol: String,
    status: Option<u16>,
    bytes: u64,
    duration_ms: f64,
    end: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<String>,
}

fn of_message(level: &str, message: &dyn Display) -> String {
    line(&Message { time: now().to_string(), level, message: message.to_string() })
}

fn of_request(record: &AccessRecord) -> String {
    let AccessRecord { remote, method, uri, version, status, bytes, time, end, cut, .. } = record;
    line(&Answered {
        time: now().to_string(),
        client: remote.map(|remote| remote.ip().to_canonical().to_string()),
        method: method.as_str(),
        target: uri.path_and_query().map_or_else(|| uri.to_string(), |target| target.to_string()),
        protocol: format!("{version:?}"),
        status: status.map(|status| status.as_u16()),
        bytes: *bytes,
        duration_ms: (time.as_secs_f64() * 1e6).round() / 1e3,
        end: end.to_string(),
        cut: cut.map(|reason| format!("{reason:?}").to_ascii_lowercase()),
    })
}

/// Returns an object as a line. Everything but printable ASCII is escaped, so that a line changes no terminal.
fn line(object: &impl Serialize) -> String {
    // Text and numbers always have a form in JSON.
    let json = serde_json::to_string(object).unwrap_or_default();
    let mut line = String::with_capacity(json.len() + 1);
    for character in json.chars() {
        if matches!(character, ' '..='~') {
            line.push(character);
        } else {
            // Only strings contain others.
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_17_a_string_of_json_is_printable_and_keeps_every_character() {
        let text: String = (0..0x250).chain([0x202e, 0xfeff, 0x1f600, 0x10ffff]).filter_map(char::from_u32).collect();
        let line = line(&text);
        let json = line.strip_suffix('\n').unwrap();
        assert!(json.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{json}");
        assert_eq!(serde_json::from_str::<String>(json).unwrap(), text);
    }
}
