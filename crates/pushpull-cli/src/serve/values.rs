//! The values of options.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use lexopt::ValueExt;
use pushpull_gateway::PathSet;
use pushpull_gateway::host::Address;

/// Returns what an option with a value expects.
pub fn expected(name: &str) -> &'static str {
    match name {
        "protocol" => "http, fastcgi or scgi",
        "listen" => "HOST:PORT (with a port from 0 to 65535), unix:PATH, fd:NUMBER, fd:NAME or stdin",
        "mount" => "a path such as /name or /a/b, without empty or dot segments",
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
        "index" => "the name of a file",
        "cgi-bin" => "a path such as /cgi-bin/, without empty or dot segments",
        "cgi" | "hide" => "names such as *.cgi,*.pl, or paths such as /data/",
        "threads" => "a whole number from 1 to 1024",
        "max-programs" | "max-head" | "max-connections" => "a whole number from 1, below 2^64",
        "max-idle" | "max-body" | "queue" => "a whole number from 0, below 2^64",
        "kill-grace" | "shutdown-notice" | "shutdown-grace" => "seconds from 0 to 1000000000",
        _ => "seconds above 0, at most 1000000000",
    }
}

pub fn invalid(name: &str, value: impl std::fmt::Debug) -> String {
    crate::invalid(name, value, expected(name))
}

/// Parses the address of an upstream.
pub fn upstream(name: &str, text: String) -> Result<Address, String> {
    let address = text.strip_prefix("fastcgi://").and_then(|address| address.parse().ok());
    address.ok_or_else(|| invalid(name, text))
}

pub fn text(name: &str, value: OsString) -> Result<String, String> {
    value.into_string().map_err(|value| crate::invalid(name, value, "UTF-8"))
}

pub fn path(name: &str, value: OsString) -> Result<String, String> {
    let path = text(name, value)?;
    let is_one = path.starts_with('/') && path.parse::<http::Uri>().is_ok_and(|uri| uri.path() == path);
    if is_one { Ok(path) } else { Err(invalid(name, path)) }
}

/// Parses the name of a file.
pub fn file_name(name: &str, value: OsString) -> Result<String, String> {
    let file = text(name, value)?;
    if file.is_empty() || file.contains('/') { Err(invalid(name, file)) } else { Ok(file) }
}

pub fn paths(name: &str, value: OsString) -> Result<PathSet, String> {
    let paths = text(name, value)?;
    paths.parse().map_err(|_| invalid(name, paths))
}

pub fn below(name: &str, value: OsString) -> Result<PathSet, String> {
    let directory = text(name, value)?;
    PathSet::new().below(&directory).map_err(|_| invalid(name, directory))
}

pub fn whole(name: &str, value: OsString) -> Result<u64, String> {
    value.parse().map_err(|_| invalid(name, value))
}

/// Parses a number of things in memory.
pub fn count(name: &str, value: OsString) -> Result<usize, String> {
    let number = usize::try_from(whole(name, value)?);
    number.map_err(|_| format!("--{name} is too large: expected at most {}", usize::MAX))
}

/// Parses a number that is at least 1.
pub fn number(name: &str, value: OsString) -> Result<usize, String> {
    let number = whole(name, value.clone())?;
    usize::try_from(number).ok().filter(|number| *number > 0).ok_or_else(|| invalid(name, value))
}

pub fn seconds(name: &str, value: OsString) -> Result<Duration, String> {
    let parsed = value.to_str().and_then(|text| text.parse().ok());
    let time = parsed.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    // A timer cannot be set further ahead.
    let time = time.filter(|time| *time <= Duration::from_secs(1_000_000_000));
    time.ok_or_else(|| invalid(name, value))
}

pub fn positive(name: &str, value: OsString) -> Result<Duration, String> {
    let time = seconds(name, value.clone())?;
    if time.is_zero() { Err(invalid(name, value)) } else { Ok(time) }
}

pub fn choice<T: Copy>(name: &str, value: &OsStr, choices: &[(&str, T)]) -> Result<T, String> {
    let chosen = choices.iter().find(|(word, _)| value == *word);
    chosen.map(|(_, choice)| *choice).ok_or_else(|| invalid(name, value))
}

/// Checks the name of a variable. `NAME=VALUE` would name none, without a word.
pub fn bare(name: &str, value: OsString) -> Result<OsString, String> {
    let is_bare = !value.is_empty() && !value.as_bytes().contains(&b'=');
    if is_bare { Ok(value) } else { Err(invalid(name, value)) }
}

pub fn variable(name: &str, value: &OsStr) -> Result<(OsString, OsString), String> {
    let bytes = value.as_bytes();
    let part = |bytes| OsStr::from_bytes(bytes).to_owned();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) if at > 0 => Ok((part(&bytes[..at]), part(&bytes[at + 1..]))),
        _ => Err(invalid(name, value)),
    }
}
