//! The options of what is served at a mount. `assemble.rs` makes an application of them.

use std::collections::HashSet;
use std::ffi::OsString;
use std::mem::take;
use std::time::Duration;

use pushpull_gateway::host::Address;
use pushpull_gateway::{BodyPolicy, ExitStatus, Mount, ProgramLimits};

use super::site::SiteOptions;
use super::values::Given;
use super::wrong::Wrong;

/// The options as given.
#[derive(Default)]
pub struct MountOptions {
    pub mount: Option<Mount>,
    /// The program and its arguments.
    pub program: Option<(OsString, Vec<OsString>)>,
    /// `true` if the program speaks FastCGI.
    pub is_fastcgi: bool,
    pub workers: Option<usize>,
    pub max_requests: Option<u64>,
    pub upstream: Option<Address>,
    pub site: SiteOptions,
    pub authorization: bool,
    pub request_body: BodyPolicy,
    pub exit_status: ExitStatus,
    pub set: Vec<(OsString, OsString)>,
    pub passed: Vec<OsString>,
    pub directory: Option<OsString>,
    pub max_idle: Option<usize>,
    pub kill_grace: Option<Duration>,
    pub timeout_idle: Option<Duration>,
    pub limits: ProgramLimits,
    /// The names of the options that were given.
    names: HashSet<String>,
}

impl MountOptions {
    /// Takes an option. Returns `false` if it is not one of a mount.
    pub fn take(&mut self, given: &Given<'_>) -> Result<bool, Wrong> {
        let limits = &mut self.limits;
        match given.name {
            "mount" | "path" => self.mount = Some(given.parsed(|path| Mount::at(path).ok())?),
            "fastcgi-program" => self.is_fastcgi = true,
            "workers" => self.workers = Some(given.number()?),
            "max-requests" => self.max_requests = Some(given.number()?),
            "upstream" => self.upstream = Some(given.address("fastcgi://")?),
            "root" => self.site.root = Some(given.file()),
            "listing" => self.site.listing = true,
            "follow-links" => self.site.follow_links = true,
            "index" => self.site.index.push(given.file_name()?),
            "cgi" => self.site.add_programs(given.paths()?),
            "cgi-bin" => self.site.add_programs(given.below()?),
            "hide" => self.site.hide(given.paths()?),
            "pass-authorization" => self.authorization = true,
            "request-body" => {
                let ways =
                    [("spool", BodyPolicy::Spool), ("stream", BodyPolicy::Stream), ("reject", BodyPolicy::Reject)];
                self.request_body = given.choice(&ways)?;
            }
            "exit-status" => self.exit_status = given.choice(&[("cut", ExitStatus::Cut), ("log", ExitStatus::Log)])?,
            "env" => self.set.push(given.variable()?),
            "pass-env" => self.passed.push(given.bare()?),
            "directory" => self.directory = Some(given.file()),
            "max-idle" => self.max_idle = Some(given.count()?),
            "kill-grace" => self.kill_grace = Some(given.seconds()?),
            "timeout-first-byte" => *limits = take(limits).timeout_first_byte(given.positive()?),
            "timeout-idle" => self.timeout_idle = Some(given.positive()?),
            "timeout-work" => *limits = take(limits).timeout_work(given.positive()?),
            "timeout-total" => *limits = take(limits).timeout_total(given.positive()?),
            "max-programs" => *limits = take(limits).max_programs(given.number()?),
            "queue" => *limits = take(limits).queue(given.count()?),
            "queue-timeout" => *limits = take(limits).queue_timeout(given.positive()?),
            "max-head" => *limits = take(limits).max_head(given.number()?),
            "max-body" => *limits = take(limits).max_body(given.whole()?),
            _ => return Ok(false),
        }
        self.names.insert(given.name.to_owned());
        Ok(true)
    }

    /// Returns `true` if an option of this name was given.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}
