//! The values of options.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use pushpull_gateway::PathSet;
use pushpull_gateway::host::Address;

use super::wrong::Wrong;

/// Returns what an option with a value expects.
pub fn expected(name: &str) -> &'static str {
    match name {
        "config" => "a TOML file",
        "protocol" => "http, fastcgi or scgi",
        "listen" => "HOST:PORT (with a port from 0 to 65535), unix:PATH, fd:NUMBER, fd:NAME or stdin",
        "mount" | "path" => "a path such as /name or /a/b, without empty or dot segments",
        "health" => "a path such as /health",
        "request-body" => "spool, stream or reject",
        "exit-status" => "cut or log",
        "env" => "NAME=VALUE",
        "pass-env" => "a name without a value; --env sets NAME=VALUE",
        "accept-param" => "a name without a value",
        "trust-proxy" => "a network such as 10.0.0.0/8, an address, or unix",
        "proxy-fields" => "x-forwarded or forwarded",
        "log-format" => "text or json",
        "metrics" => "HOST:PORT or unix:PATH",
        "upstream" => "fastcgi://HOST:PORT or fastcgi://unix:PATH",
        "root" | "directory" => "a directory",
        "program" => "a program such as ./hello.cgi, or an array of it and its arguments",
        "index" => "the name of a file",
        "cgi-bin" => "a path such as /cgi-bin/, without empty or dot segments",
        "cgi" | "hide" => "names such as *.cgi,*.pl, or paths such as /data/",
        "tls-certificate" | "tls-key" => "a PEM file",
        "threads" => "a whole number from 1 to 1024",
        "max-programs" | "max-head" | "max-connections" | "workers" | "max-requests" => {
            "a whole number from 1, below 2^64"
        }
        "max-idle" | "max-body" | "queue" => "a whole number from 0, below 2^64",
        "kill-grace" | "shutdown-notice" | "shutdown-grace" => "seconds from 0 to 1000000000, such as 3",
        _ => "seconds above 0, at most 1000000000, such as 30",
    }
}

/// An option as given, on the command line or in a file.
pub struct Given<'a> {
    pub name: &'a str,
    /// Empty if the option has no value.
    pub value: OsString,
    /// The folder where relative paths begin; empty for the current one.
    pub base: &'a Path,
}

impl Given<'_> {
    pub fn invalid(&self) -> Wrong {
        self.unlike(expected(self.name))
    }

    fn unlike(&self, expected: &str) -> Wrong {
        let (name, value) = (self.name.to_owned(), format!("{:?}", self.value));
        Wrong::Value { name, value, expected: expected.to_owned() }
    }

    pub fn text(&self) -> Result<&str, Wrong> {
        self.value.to_str().ok_or_else(|| self.unlike("UTF-8"))
    }

    /// Parses a text.
    pub fn parsed<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Wrong> {
        parse(self.text()?).ok_or_else(|| self.invalid())
    }

    /// Returns the path of a file or directory.
    pub fn file(&self) -> OsString {
        self.base.join(&self.value).into()
    }

    /// Parses an address that may follow a prefix.
    pub fn address(&self, prefix: &str) -> Result<Address, Wrong> {
        let address = self.parsed(|text| text.strip_prefix(prefix)?.parse().ok())?;
        Ok(based(address, self.base))
    }

    /// Parses the path of a request.
    pub fn path(&self) -> Result<String, Wrong> {
        self.parsed(|path| {
            let is_one = path.starts_with('/') && path.parse::<http::Uri>().is_ok_and(|uri| uri.path() == path);
            is_one.then(|| path.to_owned())
        })
    }

    /// Parses the name of a file.
    pub fn file_name(&self) -> Result<String, Wrong> {
        self.parsed(|name| (!name.is_empty() && !name.contains('/')).then(|| name.to_owned()))
    }

    pub fn paths(&self) -> Result<PathSet, Wrong> {
        self.parsed(|paths| paths.parse().ok())
    }

    pub fn below(&self) -> Result<PathSet, Wrong> {
        self.parsed(|directory| PathSet::new().below(directory).ok())
    }

    pub fn whole(&self) -> Result<u64, Wrong> {
        self.parsed(|number| number.parse().ok())
    }

    /// Parses a number of things in memory.
    pub fn count(&self) -> Result<usize, Wrong> {
        usize::try_from(self.whole()?).map_err(|_| self.unlike(&format!("at most {}", usize::MAX)))
    }

    /// Parses a number that is at least 1.
    pub fn number<N: FromStr + Default + PartialOrd>(&self) -> Result<N, Wrong> {
        self.parsed(|number| number.parse().ok().filter(|number| *number > N::default()))
    }

    pub fn seconds(&self) -> Result<Duration, Wrong> {
        self.parsed(|text| {
            let time = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
            // A timer cannot be set further ahead.
            (time <= Duration::from_secs(1_000_000_000)).then_some(time)
        })
    }

    pub fn positive(&self) -> Result<Duration, Wrong> {
        let time = self.seconds()?;
        if time.is_zero() { Err(self.invalid()) } else { Ok(time) }
    }

    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, Wrong> {
        self.parsed(|text| choices.iter().find(|(word, _)| text == *word).map(|(_, choice)| *choice))
    }

    /// Checks the name of a variable. `NAME=VALUE` would name none, without a word.
    pub fn bare(&self) -> Result<OsString, Wrong> {
        let is_bare = !self.value.is_empty() && !self.value.as_bytes().contains(&b'=');
        if is_bare { Ok(self.value.clone()) } else { Err(self.invalid()) }
    }

    pub fn variable(&self) -> Result<(OsString, OsString), Wrong> {
        let bytes = self.value.as_bytes();
        let part = |bytes| OsStr::from_bytes(bytes).to_owned();
        match bytes.iter().position(|byte| *byte == b'=') {
            Some(at) if at > 0 => Ok((part(&bytes[..at]), part(&bytes[at + 1..]))),
            _ => Err(self.invalid()),
        }
    }
}

/// Returns an address whose relative path begins at `base`.
pub fn based(address: Address, base: &Path) -> Address {
    match address {
        Address::Unix(path) => Address::Unix(base.join(path)),
        tcp @ Address::Tcp(_) => tcp,
    }
}
