//! What is the same for every program of a script.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::cgi::environ::Environ;
use crate::external::service::Common;

/// What a program inherits of this process's environment, whoever starts it.
const INHERITED: [&str; 4] = ["PATH", "TZ", "LANG", "LC_ALL"];

#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Absolute.
    pub(super) program: PathBuf,
    pub(super) directory: PathBuf,
    pub(super) arguments: Vec<OsString>,
    inherited: Vec<(OsString, OsString)>,
    /// These come last, and stand against all others.
    pub(super) variables: Environ,
    pub(super) common: Common,
}

impl Settings {
    pub(super) fn new(program: PathBuf) -> Settings {
        let inherited = INHERITED.iter().filter_map(|name| Some((OsString::from(name), env::var_os(name)?)));
        Settings {
            directory: program.parent().map_or_else(|| PathBuf::from("/"), PathBuf::from),
            program,
            arguments: Vec::new(),
            inherited: inherited.collect(),
            variables: Environ::new(),
            common: Common::default(),
        }
    }

    /// The program may inherit one variable more.
    pub(super) fn inherit(&mut self, name: &OsStr) {
        if let Some(value) = env::var_os(name) {
            self.inherited.push((name.to_owned(), value));
        }
    }

    /// What starts the program for one request.
    pub(super) fn command(&self, env: &Environ, stdin: Stdio) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.directory);
        command.env_clear();
        command.envs(self.inherited.iter().map(|(name, value)| (name, value)));
        for (name, value) in env.iter().chain(self.variables.iter()) {
            command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
        }
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Makes sure of a directory.
    pub(super) fn set_directory(&mut self, directory: PathBuf) -> io::Result<()> {
        let directory = std::path::absolute(directory)?;
        if !std::fs::metadata(&directory).map_err(|error| told(error.kind(), &directory, &error.to_string()))?.is_dir()
        {
            return Err(told(io::ErrorKind::NotADirectory, &directory, "is no directory"));
        }
        self.directory = directory;
        Ok(())
    }
}

fn told(kind: io::ErrorKind, directory: &std::path::Path, what: &str) -> io::Error {
    io::Error::new(kind, format!("the working directory {directory:?}: {what}"))
}
