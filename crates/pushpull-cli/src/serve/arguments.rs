//! Parses and checks the command line of `serve`.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;

use lexopt::{Arg, Parser};

use super::app::App;
use super::config::{Config, Configuration, Keys};
use super::help;
use super::mount::MountOptions;
use super::server::{ServerOptions, Settings};
use super::values::{Given, expected};
use super::wrong::Wrong;
use crate::described;

/// What to serve, and how.
pub struct Plan {
    pub settings: Settings,
    /// One, or those of the configuration file.
    pub apps: Vec<App>,
    /// The file, with the keys of the server in it.
    pub config: Option<(Config, Keys)>,
}

pub enum Wish {
    Serve(Box<Plan>),
    /// The text to print.
    Print(String),
}

/// The options as given. What is served is made of them once all are known.
#[derive(Default)]
struct Said {
    server: ServerOptions,
    mount: MountOptions,
    config: Option<OsString>,
    is_check: bool,
    /// An option that a configuration file replaces.
    other: Option<String>,
}

pub fn parse(mut parser: Parser) -> Result<Wish, String> {
    let mut said = Said::default();
    let options = described::options(&help::topics());
    let mut seen = HashSet::new();
    loop {
        match parser.next().map_err(crate::unclear)? {
            Some(Arg::Long("help") | Arg::Short('h')) => return help::of(&mut parser).map(Wish::Print),
            Some(Arg::Value(program)) => {
                // The rest are the program's arguments, even if they look like options.
                said.mount.program = Some((program, parser.raw_args().map_err(crate::unclear)?.collect()));
                return said.complete();
            }
            Some(Arg::Long(name)) => {
                let name = name.to_owned();
                let option = options.iter().find(|option| option.name == name);
                let option = option.ok_or_else(|| format!("unknown option --{name}; try --help"))?;
                if !seen.insert(option.name) && !option.is_repeatable() {
                    return Err(format!("repeated option --{name}: expected it once"));
                }
                let value = match option.value {
                    Some(_) => parser.value().map_err(|_| crate::missing(&name, expected(&name)))?,
                    None => OsString::new(),
                };
                said.take(&Given { name: &name, value, base: Path::new("") })?;
            }
            Some(other) => return Err(crate::unclear(other.unexpected())),
            None => return said.complete(),
        }
    }
}

impl Said {
    fn take(&mut self, given: &Given<'_>) -> Result<(), Wrong> {
        match given.name {
            "config" => self.config = Some(given.value.clone()),
            "check" => self.is_check = true,
            _ => {
                self.server.take(given)?;
                self.mount.take(given)?;
                self.other = Some(given.name.to_owned());
            }
        }
        Ok(())
    }

    fn complete(self) -> Result<Wish, String> {
        if let Some(config) = self.config {
            if let Some(name) = self.other {
                return Err(format!("cannot use --{name} with --config: expected {name:?} in the file"));
            }
            if let Some((program, _)) = self.mount.program {
                return Err(format!("cannot use program {program:?} with --config: expected \"program\" in the file"));
            }
            let config = Config::new(config)?;
            let Configuration { settings, apps, keys } = config.read()?;
            if !self.is_check {
                return Ok(Wish::Serve(Box::new(Plan { settings, apps, config: Some((config, keys)) })));
            }
            let mounts = apps.iter().map(|app| format!("{}: {}\n", app.path(), app.name()));
            let trouble = settings.certified.and_then(|certified| certified.trouble());
            return Ok(Wish::Print(mounts.chain(trouble.map(|trouble| trouble + "\n")).collect()));
        }
        if self.is_check {
            return Err("cannot use --check without --config: expected --config FILE".to_owned());
        }
        let app = self.mount.app(self.server.is_http())?;
        let settings = self.server.complete(app.mount().cloned())?;
        Ok(Wish::Serve(Box::new(Plan { settings, apps: vec![app], config: None })))
    }
}
