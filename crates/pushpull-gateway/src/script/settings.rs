//! The settings that all programs of a script share.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cgi::environ::Environ;
use crate::external::service::Common;
use crate::site::Site;

/// What every program inherits from this process's environment.
const INHERITED: [&str; 4] = ["PATH", "TZ", "LANG", "LC_ALL"];

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The absolute path. With a site, the program is known once the request is.
    pub(crate) program: PathBuf,
    pub(crate) site: Option<Site>,
    /// The working directory, if it is not the program's directory.
    directory: Option<PathBuf>,
    pub(crate) arguments: Vec<OsString>,
    inherited: Vec<(OsString, OsString)>,
    /// Set last, so that they take precedence over all others.
    pub(crate) variables: Environ,
    pub(crate) common: Common,
}

impl Settings {
    pub(crate) fn new(program: PathBuf) -> Settings {
        let inherited = INHERITED.iter().filter_map(|name| Some((OsString::from(name), env::var_os(name)?)));
        Settings {
            program,
            site: None,
            directory: None,
            arguments: Vec::new(),
            inherited: inherited.collect(),
            variables: Environ::new(),
            common: Common::default(),
        }
    }

    /// Adds a variable to those that the program inherits.
    pub(crate) fn inherit(&mut self, name: &OsStr) {
        if let Some(value) = env::var_os(name) {
            self.inherited.push((name.to_owned(), value));
        }
    }

    /// Returns the command that starts the program for one request.
    pub(crate) fn command(&self, env: &Environ, stdin: Stdio) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(self.directory());
        command.env_clear();
        command.envs(self.inherited.iter().map(|(name, value)| (name, value)));
        for (name, value) in env.iter().chain(self.variables.iter()) {
            command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
        }
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Sets the working directory, after checking that it is one.
    pub(crate) fn set_directory(&mut self, directory: PathBuf) -> io::Result<()> {
        let directory = std::path::absolute(directory)?;
        if !std::fs::metadata(&directory)
            .map_err(|error| error_about(error.kind(), &directory, &error.to_string()))?
            .is_dir()
        {
            return Err(error_about(io::ErrorKind::NotADirectory, &directory, "not a directory"));
        }
        self.directory = Some(directory);
        Ok(())
    }

    /// Returns the working directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.as_deref().or(self.program.parent()).unwrap_or(Path::new("/"))
    }
}

fn error_about(kind: io::ErrorKind, directory: &Path, what: &str) -> io::Error {
    io::Error::new(kind, format!("the working directory {directory:?}: {what}"))
}
