//! The configuration file. Its keys are the options of the command line, with the same values.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::app::App;
use super::mount::MountOptions;
use super::server::{ServerOptions, Settings};
use super::values::{Given, expected};
use super::wrong::Wrong;
use crate::described::{self, Described};

/// A configuration file.
#[derive(Clone)]
pub struct Config {
    /// The file, as it was named.
    pub name: String,
    path: PathBuf,
}

/// What a configuration file says.
pub struct Configuration {
    pub settings: Settings,
    /// At least one; each has a mount of its own.
    pub apps: Vec<App>,
    /// The keys of the server and their values.
    pub keys: Keys,
}

pub type Keys = HashMap<String, Vec<OsString>>;

impl Config {
    pub fn new(path: OsString) -> Result<Config, String> {
        let name = path.to_string_lossy().into_owned();
        // The process may change its current directory, and the file can be read again later.
        let path = std::path::absolute(path).map_err(|error| format!("cannot find {name}: {error}"))?;
        Ok(Config { name, path })
    }

    /// Reads and checks the file, and creates what it serves.
    pub fn read(&self) -> Result<Configuration, String> {
        let text = fs::read_to_string(&self.path)
            .map_err(|error| format!("cannot read {}: {error}; expected a TOML file", self.name))?;
        let base = self.path.parent().unwrap_or(Path::new("/"));
        Reading { name: &self.name, text: &text, base, options: described::options(&super::topics()) }.configuration()
    }
}

/// Keys that are only in a file, and options that are only on the command line.
const ONLY_HERE: [&str; 2] = ["path", "program"];
const NOT_HERE: [&str; 4] = ["check", "config", "help", "mount"];

struct Reading<'a> {
    name: &'a str,
    text: &'a str,
    base: &'a Path,
    options: Vec<Described<'static>>,
}

/// A key with its values, and where they are.
struct Entry<'a> {
    key: &'a str,
    at: Range<usize>,
    value: &'a Spanned<DeValue<'a>>,
}

impl Reading<'_> {
    fn configuration(&self) -> Result<Configuration, String> {
        let table = DeTable::parse(self.text)
            .map_err(|error| self.at(error.span().unwrap_or_default(), &error.message().replace('\n', "; ")))?;
        let mut server = ServerOptions::default();
        let mut keys = Keys::new();
        let mut tables = Vec::new();
        for Entry { key, at, value } in entries(table.get_ref()) {
            if key == "mount" {
                tables = self.tables(value)?;
                continue;
            }
            let values = self.values(key, &at, value)?;
            self.take(&at, key, &values, "a [[mount]]", |given| server.take(given))?;
            // A flag that is false is as one that is not there.
            if !values.is_empty() {
                keys.insert(key.to_owned(), values);
            }
        }
        let (is_http, timeout_idle) = (server.is_http(), server.timeout_idle);
        let mut settings = server.complete(None).map_err(|wrong| self.wrong(table.get_ref(), 0..0, &wrong))?;
        let mut apps: Vec<App> = Vec::new();
        let mut places = HashMap::new();
        for (at, table) in tables {
            let mut options = self.mount(table)?;
            options.timeout_idle = options.timeout_idle.or(timeout_idle);
            settings.allow_idle(options.timeout_idle);
            if options.site.root.is_none() && options.program.is_none() && options.upstream.is_none() {
                return Err(self.at(at, "nothing to serve: expected root, program or upstream"));
            }
            let app = options.app(is_http).map_err(|wrong| self.wrong(table, at.clone(), &wrong))?;
            let line = self.line(at.start);
            if let Some(other) = places.insert(app.path().to_owned(), line) {
                let what = format!("{:?} is mounted in line {other} already: expected another path", app.path());
                return Err(self.at(at, &what));
            }
            apps.push(app);
        }
        if apps.is_empty() {
            return Err(format!("{}: expected at least one [[mount]]", self.name));
        }
        Ok(Configuration { settings, apps, keys })
    }

    fn tables<'t>(&self, value: &'t Spanned<DeValue<'t>>) -> Result<Vec<(Range<usize>, &'t DeTable<'t>)>, String> {
        let unlike = |at| self.at(at, "\"mount\" is not an array of tables: expected [[mount]]");
        let tables = value.get_ref().as_array().ok_or_else(|| unlike(value.span()))?;
        let table = |table: &'t Spanned<DeValue<'t>>| {
            Ok((table.span(), table.get_ref().as_table().ok_or_else(|| unlike(table.span()))?))
        };
        tables.iter().map(table).collect()
    }

    fn mount(&self, table: &DeTable<'_>) -> Result<MountOptions, String> {
        let mut options = MountOptions::default();
        for Entry { key, at, value } in entries(table) {
            let values = self.values(key, &at, value)?;
            if key == "program" {
                options.program = self.program(&at, values)?;
                continue;
            }
            self.take(&at, key, &values, "the lines before the first [[mount]]", |given| options.take(given))?;
        }
        Ok(options)
    }

    /// Returns a program and its arguments. As in a shell, a name without a slash is searched in `PATH`.
    fn program(&self, at: &Range<usize>, values: Vec<OsString>) -> Result<Option<(OsString, Vec<OsString>)>, String> {
        let mut words = values.into_iter();
        let program = words.next().filter(|program| !program.is_empty());
        let program = program.ok_or_else(|| self.at(at.clone(), &not("program", "empty")))?;
        let is_path = program.to_string_lossy().contains('/');
        let program = if is_path { self.base.join(program).into() } else { program };
        Ok(Some((program, words.collect())))
    }

    /// Gives an option its values.
    fn take(
        &self,
        at: &Range<usize>,
        key: &str,
        values: &[OsString],
        elsewhere: &str,
        mut take: impl FnMut(&Given<'_>) -> Result<bool, Wrong>,
    ) -> Result<(), String> {
        for value in values {
            let given = Given { name: key, value: value.clone(), base: self.base };
            match take(&given) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(self.at(at.clone(), &format!("misplaced key {key:?}: expected in {elsewhere}")));
                }
                Err(wrong) => return Err(self.at(at.clone(), &wrong.in_file())),
            }
        }
        Ok(())
    }

    /// Returns the values of a key, as the command line has them. A flag that is false has none.
    fn values(&self, key: &str, at: &Range<usize>, value: &Spanned<DeValue<'_>>) -> Result<Vec<OsString>, String> {
        let option = self.options.iter().find(|option| option.name == key && !NOT_HERE.contains(&key));
        if option.is_none() && !ONLY_HERE.contains(&key) {
            return Err(self.at(at.clone(), &format!("unknown key {key:?}{}", self.nearest(key))));
        }
        let is_flag = option.is_some_and(|option| option.value.is_none());
        let is_list = option.map_or(key == "program", Described::is_repeatable);
        let unlike = |value: &Spanned<DeValue<'_>>| self.at(value.span(), &not(key, kind(value.get_ref())));
        match value.get_ref() {
            DeValue::Boolean(is_on) if is_flag => Ok(Vec::from_iter(is_on.then(OsString::new))),
            other if is_flag => {
                Err(self.at(at.clone(), &format!("{key:?} is {}: expected true or false", kind(other))))
            }
            DeValue::Array(values) if is_list => {
                values.iter().map(|value| text(value.get_ref()).ok_or_else(|| unlike(value))).collect()
            }
            single => Ok(vec![text(single).ok_or_else(|| unlike(value))?]),
        }
    }

    /// Names the known key that is most like an unknown one, if one is.
    fn nearest(&self, key: &str) -> String {
        let known = self.options.iter().map(|option| option.name).filter(|name| !NOT_HERE.contains(name));
        let known = known.chain(ONLY_HERE).chain(["mount"]);
        match known.min_by_key(|name| strsim::damerau_levenshtein(name, key)) {
            Some(name) if strsim::jaro_winkler(name, key) > 0.8 => format!(": expected {name:?}?"),
            _ => "; see `pushpull serve --help config`".to_owned(),
        }
    }

    /// Returns the message about options that do not fit together, with the line of one that it names.
    fn wrong(&self, table: &DeTable<'_>, otherwise: Range<usize>, wrong: &Wrong) -> String {
        let named = entries(table).into_iter().find(|entry| wrong.names().any(|name| name == entry.key));
        self.at(named.map_or(otherwise, |entry| entry.at), &wrong.in_file())
    }

    fn at(&self, at: Range<usize>, what: &str) -> String {
        format!("{}:{}: {what}", self.name, self.line(at.start))
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count()
    }
}

/// Returns the keys of a table in the order of the file.
fn entries<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let mut entries: Vec<_> =
        table.iter().map(|(key, value)| Entry { key: key.get_ref(), at: key.span(), value }).collect();
    entries.sort_by_key(|entry| entry.at.start);
    entries
}

/// Returns a value as the command line has it.
fn text(value: &DeValue<'_>) -> Option<OsString> {
    match value {
        DeValue::String(text) => Some(text.as_ref().into()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().into()),
        DeValue::Float(number) => Some(number.as_str().into()),
        _ => None,
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(number) if number.radix() == 10 => "a number",
        DeValue::Integer(_) => "a number of another base",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

fn not(key: &str, kind: &str) -> String {
    format!("{key:?} is {kind}: expected {}", expected(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# \u{e9}\nlisten = '127.0.0.1:0'\ntrust-proxy = ['::1', \"10.0.0.0/8\"]\nkeep-alive = 1.5\n\n\
                        [[mount]]\nroot = '.'\nlisting = true\ncgi = '*.cgi'\n[[mount]]\npath = '/\u{e9}'\n\
                        program = ['sh', '-c', '\u{e9}']\nmax-programs = 1_0\n";

    fn read(text: &str) -> Result<Configuration, String> {
        let options = described::options(&crate::serve::topics());
        Reading { name: "file", text, base: Path::new("/"), options }.configuration()
    }

    #[test]
    fn requirement_24_a_file_that_is_cut_or_garbled_is_whole_or_an_error_with_its_line() {
        assert_eq!(read(FILE).map(|read| read.apps.len()), Ok(2));
        let mut errors = 0;
        for (at, character) in FILE.char_indices() {
            let (before, after) = FILE.split_at(at);
            let cut = before.to_owned();
            for text in [cut, format!("{before}\"{after}"), format!("{before}{}", &after[character.len_utf8()..])] {
                if let Err(error) = read(&text) {
                    let line = error.strip_prefix("file:").and_then(|rest| rest.split_once(':')).map(|(line, _)| line);
                    let is_line = line.and_then(|line| line.parse().ok()).is_some_and(|line| (1..=15).contains(&line));
                    let is_empty = error == "file: expected at least one [[mount]]";
                    assert!((is_line || is_empty) && error.lines().count() == 1, "{error} for {text}");
                    errors += 1;
                }
            }
        }
        assert!(errors > FILE.len(), "{errors}");
    }
}
