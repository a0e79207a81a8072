//! The forms of log lines.

use std::fmt::{Display, Write};
use std::time::SystemTime;

use pushpull_gateway::host::AccessRecord;

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
}

fn now() -> impl Display {
    humantime::format_rfc3339_millis(SystemTime::now())
}

fn stamped(line: &dyn Display) -> String {
    format!("{} {line}\n", now())
}

fn of_message(level: &str, message: &dyn Display) -> String {
    let mut line = format!("{{\"time\":\"{}\",\"level\":\"{level}\",\"message\":", now());
    push_string(&mut line, &message.to_string());
    line.push_str("}\n");
    line
}

fn of_request(record: &AccessRecord) -> String {
    let AccessRecord { remote, method, uri, version, status, bytes, time, end, cut, .. } = record;
    let target = uri.path_and_query().map_or_else(|| uri.to_string(), |target| target.to_string());
    let mut line = format!("{{\"time\":\"{}\",\"client\":", now());
    match remote {
        Some(remote) => push_string(&mut line, &remote.ip().to_canonical().to_string()),
        None => line.push_str("null"),
    }
    for (name, text) in [("method", method.as_str()), ("target", &target), ("protocol", &format!("{version:?}"))] {
        let _ = write!(line, ",\"{name}\":");
        push_string(&mut line, text);
    }
    let status = status.map_or("null".to_owned(), |status| status.as_u16().to_string());
    let milliseconds = time.as_secs_f64() * 1000.0;
    let _ = write!(line, ",\"status\":{status},\"bytes\":{bytes},\"duration_ms\":{milliseconds:.3},\"end\":\"{end}\"");
    if let Some(reason) = cut {
        let _ = write!(line, ",\"cut\":\"{}\"", format!("{reason:?}").to_ascii_lowercase());
    }
    line.push_str("}\n");
    line
}

/// Adds a string of JSON. Everything but printable ASCII is escaped, so that a line changes no terminal.
fn push_string(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            ' '..='~' => line.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_17_a_string_of_json_is_printable_and_keeps_every_character() {
        let text: String = (0..0x250).chain([0x202e, 0xfeff, 0x1f600, 0x10ffff]).filter_map(char::from_u32).collect();
        let mut line = String::new();
        push_string(&mut line, &text);
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
