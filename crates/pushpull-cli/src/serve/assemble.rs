//! Makes what is served of the options: files, programs, or both.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use pushpull_gateway::host::Address;
use pushpull_gateway::{Files, InvalidVariable, Mount, PathSet, Script, Site, Upstream, Workers};

use super::app::{App, Programs};
use super::mount::MountOptions;
use super::wrong::Wrong;

/// The options that do nothing for files.
const OF_PROGRAMS: [&str; 15] = [
    "env",
    "pass-env",
    "pass-authorization",
    "directory",
    "kill-grace",
    "request-body",
    "exit-status",
    "timeout-first-byte",
    "timeout-total",
    "timeout-work",
    "max-programs",
    "queue",
    "queue-timeout",
    "max-head",
    "max-body",
];

impl MountOptions {
    /// Creates what is served, for HTTP or for a front server.
    pub fn app(mut self, is_http: bool) -> Result<App, Wrong> {
        refuse(
            "with this protocol: expected --protocol http",
            &[("pass-authorization", self.authorization && !is_http)],
        )?;
        refuse(
            "without --queue: expected --queue",
            &[("queue-timeout", self.has("queue-timeout") && !self.has("queue"))],
        )?;
        let limits = std::mem::take(&mut self.limits);
        self.limits = self.timeout_idle.iter().fold(limits, |limits, time| limits.timeout_idle(*time));
        if !self.is_fastcgi {
            refuse(
                "without --fastcgi-program: expected --fastcgi-program and a program",
                &[("workers", self.workers.is_some()), ("max-requests", self.max_requests.is_some())],
            )?;
        } else if self.program.is_none() {
            return Err(Wrong::Use { name: "fastcgi-program", why: "without a program: expected a program" });
        }
        match (self.program.take(), self.upstream.take()) {
            (Some(_), Some(_)) => {
                Err(Wrong::Use { name: "upstream", why: "with a program: expected --upstream and no program" })
            }
            (Some((program, arguments)), None) if self.is_fastcgi => self.workers(&program, arguments),
            (Some((program, arguments)), None) => self.program(program, arguments),
            (None, Some(address)) => self.upstream(address),
            (None, None) => self.directory(),
        }
    }

    /// Creates an application that starts a program, and sends the files of the root if there is one.
    fn program(&mut self, program: OsString, arguments: Vec<OsString>) -> Result<App, Wrong> {
        refuse("with a program: expected --upstream and no program", &[("max-idle", self.max_idle.is_some())])?;
        refuse("with a program: expected --root and no program", &[("cgi or --cgi-bin", self.site.has_programs())])?;
        let script = Script::new(file(&program)?).map_err(|error| unusable(&error))?;
        let script = self.script(script.args(arguments))?;
        let Some(site) = self.site_if_any(PathSet::new(), &["index.html"])? else {
            return Ok(self.served(None, Programs::Script(script)));
        };
        let files = Files::new(site).mount(self.mount()).fallback(true);
        Ok(self.served(Some(files), Programs::Script(script)))
    }

    /// Creates an application that starts the workers of a FastCGI program, and sends the files of the root if there is
    /// one. With names of scripts, the workers get those below the root. Otherwise, they get what is no file.
    fn workers(&mut self, program: &OsString, arguments: Vec<OsString>) -> Result<App, Wrong> {
        refuse("with --fastcgi-program: expected --upstream", &[("max-idle", self.max_idle.is_some())])?;
        let mut workers = Workers::new(file(program)?).map_err(|error| unusable(&error))?.args(arguments);
        workers = self.workers.iter().fold(workers, |workers, number| workers.count(*number));
        workers = self.max_requests.iter().fold(workers, |workers, number| workers.max_requests(*number));
        workers = self.kill_grace.iter().fold(workers, |workers, time| workers.kill_grace(*time));
        workers = self.passed.iter().fold(workers, Workers::pass_env);
        for (name, value) in &self.set {
            workers = workers.env(name, value).map_err(not_a_variable)?;
        }
        if let Some(directory) = &self.directory {
            workers = workers.directory(directory).map_err(|error| no_directory(&error))?;
        }
        // The workers' own address replaces this one when they are started.
        let upstream = self.of_options(Upstream::at(Address::Unix("workers".into())));
        let has_scripts = self.site.has_programs();
        let index = if has_scripts { &["index.php", "index.html"][..] } else { &["index.html"] };
        let site = self.site_if_any(PathSet::new(), index)?;
        let files = site.clone().map(|site| Files::new(site).mount(self.mount()).fallback(!has_scripts));
        let upstream = site.filter(|_| has_scripts).into_iter().fold(upstream, Upstream::site);
        Ok(self.served(files, Programs::Upstream(upstream)).with_workers(workers))
    }

    /// Creates an application that connects to an upstream, and sends the other files of the root if there is one.
    fn upstream(&mut self, address: Address) -> Result<App, Wrong> {
        refuse(
            "with --upstream: expected a program",
            &[
                ("pass-env", !self.passed.is_empty()),
                ("directory", self.directory.is_some()),
                ("kill-grace", self.kill_grace.is_some()),
            ],
        )?;
        refuse("with --upstream: expected *.php as its programs", &[("cgi or --cgi-bin", self.site.has_programs())])?;
        let mut upstream = self.of_options(Upstream::at(address));
        for (name, value) in &self.set {
            upstream = upstream.param(name.as_bytes(), value.as_bytes()).map_err(not_a_variable)?;
        }
        if let Some(most) = self.max_idle {
            upstream = upstream.max_idle(most);
        }
        let scripts = "*.php".parse().expect("it names paths");
        let Some(site) = self.site_if_any(scripts, &["index.php", "index.html"])? else {
            return Ok(self.served(None, Programs::Upstream(upstream)));
        };
        let upstream = Programs::Upstream(upstream.site(site.clone()));
        Ok(self.served(Some(Files::new(site).mount(self.mount())), upstream))
    }

    /// Creates an application that sends the files of a directory, and starts its programs if it has any.
    fn directory(&mut self) -> Result<App, Wrong> {
        refuse("without --upstream: expected --upstream", &[("max-idle", self.max_idle.is_some())])?;
        let has_programs = self.site.has_programs();
        refuse(
            "without a program: expected --cgi, --cgi-bin or PROGRAM",
            &OF_PROGRAMS.map(|name| (name, !has_programs && self.has(name))),
        )?;
        let site = self.site.site(PathSet::new(), &["index.html", "index.cgi"])?;
        self.split_here();
        let programs = match has_programs {
            true => Programs::Script(self.script(Script::of_site(site.clone()))?),
            false => Programs::None,
        };
        Ok(self.served(Some(Files::new(site).mount(self.mount())), programs))
    }

    /// Applies the options of upstreams.
    fn of_options(&self, upstream: Upstream) -> Upstream {
        let upstream = upstream.mount(self.mount()).request_body(self.request_body);
        upstream.exit_status(self.exit_status).limits(self.limits.clone())
    }

    /// Applies the options of programs.
    fn script(&self, script: Script) -> Result<Script, Wrong> {
        let limits = self.kill_grace.iter().fold(self.limits.clone(), |limits, time| limits.kill_grace(*time));
        let mut script =
            script.mount(self.mount()).request_body(self.request_body).exit_status(self.exit_status).limits(limits);
        for name in &self.passed {
            script = script.pass_env(name);
        }
        for (name, value) in &self.set {
            script = script.env(name, value).map_err(not_a_variable)?;
        }
        if let Some(directory) = &self.directory {
            script = script.directory(directory).map_err(|error| no_directory(&error))?;
        }
        Ok(script)
    }

    fn served(&self, files: Option<Files>, programs: Programs) -> App {
        App::new(self.mount.clone(), files, programs, self.limits.get_max_programs())
    }

    fn site_if_any(&mut self, programs: PathSet, index: &[&str]) -> Result<Option<Site>, Wrong> {
        if let Some(name) = self.site.without_root() {
            return Err(Wrong::Use { name, why: "without --root: expected --root" });
        }
        if self.site.root.is_none() {
            return Ok(None);
        }
        self.split_here();
        self.site.site(programs, index).map(Some)
    }

    /// Splits paths here: a front server need not know which part of a path is the script.
    fn split_here(&mut self) {
        self.mount.get_or_insert_with(Mount::root);
    }

    fn mount(&self) -> Mount {
        self.mount.clone().unwrap_or_default().pass_authorization(self.authorization)
    }
}

/// Returns the file of a program, unless it is a directory.
fn file(program: &OsString) -> Result<&Path, Wrong> {
    let path = Path::new(program);
    if path.is_dir() {
        let what = format!("{program:?} is a directory: expected a program, or --root for its files");
        return Err(Wrong::Named { name: "program", what });
    }
    Ok(path)
}

fn unusable(error: &io::Error) -> Wrong {
    let what = format!("{error}; expected an executable file, such as ./hello.cgi, or a name in PATH");
    Wrong::Named { name: "program", what }
}

fn no_directory(error: &io::Error) -> Wrong {
    Wrong::Named { name: "directory", what: format!("{error}; expected a directory") }
}

fn not_a_variable(error: InvalidVariable) -> Wrong {
    Wrong::Named { name: "env", what: error.to_string() }
}

/// Refuses an option that was given.
fn refuse(why: &'static str, options: &[(&'static str, bool)]) -> Result<(), Wrong> {
    match options.iter().find(|(_, is_said)| *is_said) {
        Some((name, _)) => Err(Wrong::Use { name, why }),
        None => Ok(()),
    }
}
