//! The stream of an application's messages to the server's log: whole lines, bounded and escaped.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

/// The maximum length of a line in bytes. A longer line is split.
const MAX_LINE: usize = 8 * 1024;

/// A sink for messages, which passes on one line at a time.
///
/// By default, each line becomes a `tracing` warning with the target `pushpull::stderr`. Control bytes and Unicode's
/// invisible controls, such as those for text direction, are escaped (`\x1b`): a message cannot disguise itself in a
/// terminal. A line longer than 8 KiB is split.
///
/// ```
/// use std::io::Write;
/// use std::sync::{Arc, Mutex};
/// use pushpull_gateway::ErrorStream;
///
/// let lines = Arc::new(Mutex::new(Vec::new()));
/// let log = lines.clone();
/// let mut errors = ErrorStream::new(move |line| log.lock().unwrap().push(line.to_owned()));
/// write!(errors, "first\nsecond \x1b[1m\nthird")?;
/// drop(errors);
/// assert_eq!(*lines.lock().unwrap(), ["first", "second \\x1b[1m", "third"]);
/// # std::io::Result::Ok(())
/// ```
pub struct ErrorStream {
    to: Arc<dyn Fn(&str) + Send + Sync>,
    line: Vec<u8>,
}

impl ErrorStream {
    /// Creates a stream that passes each line to `to`.
    pub fn new(to: impl Fn(&str) + Send + Sync + 'static) -> ErrorStream {
        ErrorStream { to: Arc::new(to), line: Vec::new() }
    }

    /// Passes on one line, escaped as if it were written.
    #[cfg(any(feature = "server", all(feature = "upstream", unix)))]
    pub(crate) fn say(&self, line: &str) {
        (self.to)(&escape(line.as_bytes()));
    }

    fn end_line(&mut self) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        (self.to)(&escape(line));
        self.line.clear();
    }
}

/// Returns a line as text, with control characters and invalid UTF-8 escaped.
pub(crate) fn escape(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for chunk in line.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => text.push(character),
                _ if character.is_control() || is_invisible(character) => {
                    text.extend(escape_bytes(character.encode_utf8(&mut [0; 4]).as_bytes()))
                }
                _ => text.push(character),
            }
        }
        text.extend(escape_bytes(chunk.invalid()));
    }
    text
}

/// Returns `true` for invisible characters that change how others look. These are the line separators, and those of
/// Unicode's category `Cf` (UAX #44) that no script writes as a sign.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

fn escape_bytes(bytes: &[u8]) -> impl Iterator<Item = char> {
    bytes.iter().flat_map(|byte| format!("\\x{byte:02x}").chars().collect::<Vec<_>>())
}

impl Write for ErrorStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        for part in buf.split_inclusive(|byte| *byte == b'\n') {
            let (mut rest, complete) = match part.strip_suffix(b"\n") {
                Some(line) => (line, true),
                None => (part, false),
            };
            while self.line.len() + rest.len() > MAX_LINE {
                let (first, later) = rest.split_at(MAX_LINE - self.line.len());
                self.line.extend_from_slice(first);
                self.end_line();
                rest = later;
            }
            self.line.extend_from_slice(rest);
            if complete {
                self.end_line();
            }
        }
        Ok(buf.len())
    }

    /// Does nothing: a line is passed on when it ends.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for ErrorStream {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.end_line();
        }
    }
}

impl Clone for ErrorStream {
    /// Creates a stream to the same sink, with an empty line.
    fn clone(&self) -> ErrorStream {
        ErrorStream { to: self.to.clone(), line: Vec::new() }
    }
}

impl Default for ErrorStream {
    fn default() -> ErrorStream {
        static TRACING: std::sync::LazyLock<ErrorStream> =
            std::sync::LazyLock::new(|| ErrorStream::new(|line| tracing::warn!(target: "pushpull::stderr", "{line}")));
        TRACING.clone()
    }
}

impl fmt::Debug for ErrorStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorStream")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use parking_lot::Mutex;

    fn lines(write: impl FnOnce(&mut ErrorStream)) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = lines.clone();
        write(&mut ErrorStream::new(move |line| log.lock().push(line.to_owned())));
        let lines = lines.lock();
        lines.clone()
    }

    #[test]
    fn requirement_17_control_bytes_are_escaped() {
        let said = lines(|errors| errors.write_all(b"a\tb\r\n\x1b]0;x\x07 \xc3\xa9 \xff\n\n").unwrap());
        assert_eq!(said, ["a\tb", "\\x1b]0;x\\x07 \u{e9} \\xff", ""]);
    }

    #[test]
    fn requirement_17_unicode_controls_are_escaped() {
        for hidden in ["\u{202e}", "\u{2066}", "\u{200f}", "\u{61c}", "\u{2028}", "\u{85}", "\u{feff}", "\u{e0041}"] {
            let said = lines(|errors| errors.write_all(format!("a{hidden}b\n").as_bytes()).unwrap());
            let bytes: String = hidden.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
            assert_eq!(said, [format!("a{bytes}b")]);
        }
        let visible = "\u{e9} \u{5d0}\u{627}\u{600} \u{2014} \u{1f600} \u{4e2d}";
        assert_eq!(lines(|errors| writeln!(errors, "{visible}").unwrap()), [visible]);
    }

    #[test]
    fn requirement_7_a_line_is_bounded() {
        let said = lines(|errors| {
            for _ in 0..1000 {
                errors.write_all(&[b'x'; 1000]).unwrap();
            }
            assert!(errors.line.capacity() <= 2 * MAX_LINE);
        });
        assert_eq!(said.iter().map(String::len).sum::<usize>(), 1_000_000);
        assert!(said.iter().all(|line| line.len() <= MAX_LINE));
    }
}
