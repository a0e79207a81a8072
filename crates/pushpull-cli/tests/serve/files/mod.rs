//! Directories of files and programs: `serve --root` and its options.

mod conditions;
mod listing;
mod programs;
mod ranges;
// Its attackers make devices and swap files by calls that other systems do not have.
#[cfg(target_os = "linux")]
mod refusals;
mod sent;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use pushpull_testing::wire::exchange;

/// A response, whose head is split into lines.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<String>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the value of a field, which must occur once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        let mut values = self.fields.iter().filter_map(|line| line.strip_prefix(&start));
        let value = values.next();
        assert_eq!(values.next(), None, "several of {name}: {:?}", self.fields);
        value
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request with this method, target and lines of fields. The response must be complete.
pub fn ask(address: SocketAddr, method: &str, target: impl AsRef<[u8]>, fields: &[&str]) -> Answer {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let (start, end) = (format!("{method} "), format!(" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n"));
    let got = exchange(address, [start.as_bytes(), target.as_ref(), end.as_bytes()].concat());
    let length = got.text.len() - got.body().len();
    let head = String::from_utf8_lossy(&got.text[..length]);
    let fields = head.lines().skip(1).map(str::to_owned).collect();
    let (body, is_whole) = if got.body().is_empty() { (Vec::new(), true) } else { got.chunks() };
    assert!(is_whole && got.error.is_none(), "{method} {}: {got:?}", target.as_ref().escape_ascii());
    Answer { status: got.status(), fields, body }
}

pub fn get(address: SocketAddr, target: impl AsRef<[u8]>) -> Answer {
    ask(address, "GET", target, &[])
}

/// Writes files below a directory, and makes the directories that they need.
pub fn fill(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}
