//! Parses and checks the command line of `serve`.

use std::ffi::OsString;
use std::mem::take;
use std::time::Duration;

use lexopt::{Arg, Parser};
use pushpull_gateway::host::{Address, BadAddress, ClientLimits, MAX_THREADS, TrustedProxies};
use pushpull_gateway::{BodyPolicy, ExitStatus, Mount, ProgramLimits};

use super::app::App;
use super::help;
use super::listen::{self, Listen};
use super::proxy::{PROXY_FIELDS, ProxyOptions};
use super::site::SiteOptions;
use super::values::{
    bare, below, choice, count, expected, file_name, invalid, number, path, paths, positive, seconds, text, upstream,
    variable, whole,
};
use crate::log::Format;

pub struct Arguments {
    pub speaks: Speaks,
    pub listen: Listen,
    pub threads: Option<usize>,
    /// The path of the health check.
    pub health: Option<String>,
    pub app: App,
    pub client_limits: ClientLimits,
    pub proxies: TrustedProxies,
    pub log_format: Format,
    /// Where the figures are served.
    pub metrics: Option<Address>,
    /// The maximum number of running programs.
    pub max_programs: usize,
}

/// The protocol with its settings.
pub enum Speaks {
    Http,
    FastCgi { front: Front, multiplexes: bool },
    Scgi { front: Front },
}

/// The settings for front servers.
pub struct Front {
    pub mount: Option<Mount>,
    pub accepted: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http,
    FastCgi,
    Scgi,
}

pub enum Wish {
    Serve(Box<Arguments>),
    Help(String),
}

/// The options as given. What is served is made of them once all are known.
pub struct Said {
    protocol: Protocol,
    listen: Option<Listen>,
    threads: Option<usize>,
    health: Option<String>,
    pub mount: Option<Mount>,
    pub authorization: bool,
    accepted: Vec<String>,
    multiplexes: bool,
    pub request_body: BodyPolicy,
    pub exit_status: ExitStatus,
    pub set: Vec<(OsString, OsString)>,
    pub passed: Vec<OsString>,
    pub directory: Option<OsString>,
    pub upstream: Option<Address>,
    pub site: SiteOptions,
    pub max_idle: Option<usize>,
    pub kill_grace: Option<Duration>,
    pub program_limits: ProgramLimits,
    client_limits: ClientLimits,
    /// `true` if `--keep-alive` was given.
    keep_alive: bool,
    proxies: ProxyOptions,
    log_format: Format,
    metrics: Option<Address>,
}

pub fn parse(mut parser: Parser) -> Result<Wish, String> {
    let mut said = Said {
        protocol: Protocol::Http,
        listen: None,
        threads: None,
        health: None,
        mount: None,
        authorization: false,
        accepted: Vec::new(),
        multiplexes: true,
        request_body: BodyPolicy::default(),
        exit_status: ExitStatus::default(),
        set: Vec::new(),
        passed: Vec::new(),
        directory: None,
        upstream: None,
        site: SiteOptions::default(),
        max_idle: None,
        kill_grace: None,
        program_limits: ProgramLimits::new(),
        client_limits: ClientLimits::new(),
        keep_alive: false,
        proxies: ProxyOptions::default(),
        log_format: Format::default(),
        metrics: None,
    };
    loop {
        match parser.next().map_err(crate::unclear)? {
            Some(Arg::Long("help") | Arg::Short('h')) => return help::of(&mut parser).map(Wish::Help),
            Some(Arg::Value(program)) => {
                // The rest are the program's arguments, even if they look like options.
                let arguments = parser.raw_args().map_err(crate::unclear)?.collect();
                let app = said.app(Some((program, arguments)))?;
                return said.complete(app).map(|arguments| Wish::Serve(Box::new(arguments)));
            }
            Some(Arg::Long(name)) => {
                let name = name.to_owned();
                said.take(&name, &mut parser)?;
            }
            Some(other) => return Err(crate::unclear(other.unexpected())),
            None => {
                let app = said.app(None)?;
                return said.complete(app).map(|arguments| Wish::Serve(Box::new(arguments)));
            }
        }
    }
}

impl Said {
    /// Parses one option.
    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<(), String> {
        let mut value = || parser.value().map_err(|_| crate::missing(name, expected(name)));
        let (of_program, of_client) = (&mut self.program_limits, &mut self.client_limits);
        match name {
            "protocol" => {
                let protocols = [("http", Protocol::Http), ("fastcgi", Protocol::FastCgi), ("scgi", Protocol::Scgi)];
                self.protocol = choice(name, &value()?, &protocols)?;
            }
            "listen" => {
                let listen = text(name, value()?)?;
                self.listen = Some(Listen::parse(&listen).ok_or_else(|| invalid(name, listen))?);
            }
            "accept-param" => self.accepted.push(text(name, bare(name, value()?)?)?),
            "no-multiplex" => self.multiplexes = false,
            "trust-proxy" => self.proxies.trust(text(name, value()?)?)?,
            "proxy-fields" => self.proxies.read(choice(name, &value()?, &PROXY_FIELDS)?),
            "proxy-protocol" => self.proxies.require_header(),
            "log-format" => {
                self.log_format = choice(name, &value()?, &[("text", Format::Text), ("json", Format::Json)])?;
            }
            "metrics" => {
                let address = text(name, value()?)?;
                self.metrics = Some(address.parse().map_err(|_: BadAddress| invalid(name, address))?);
            }
            "threads" => {
                let number = value()?;
                let threads = number.to_str().and_then(|text| text.parse().ok());
                let threads = threads.filter(|threads| (1..=MAX_THREADS).contains(threads));
                self.threads = Some(threads.ok_or_else(|| invalid(name, number))?);
            }
            "health" => self.health = Some(path(name, value()?)?),
            "mount" => {
                let mount = text(name, value()?)?;
                self.mount = Some(Mount::at(&mount).map_err(|_| invalid(name, mount))?);
            }
            "pass-authorization" => self.authorization = true,
            "request-body" => {
                let ways =
                    [("spool", BodyPolicy::Spool), ("stream", BodyPolicy::Stream), ("reject", BodyPolicy::Reject)];
                self.request_body = choice(name, &value()?, &ways)?;
            }
            "exit-status" => {
                self.exit_status = choice(name, &value()?, &[("cut", ExitStatus::Cut), ("log", ExitStatus::Log)])?;
            }
            "env" => self.set.push(variable(name, &value()?)?),
            "pass-env" => self.passed.push(bare(name, value()?)?),
            "upstream" => self.upstream = Some(upstream(name, text(name, value()?)?)?),
            "root" => self.site.root = Some(value()?),
            "listing" => self.site.listing = true,
            "follow-links" => self.site.follow_links = true,
            "index" => self.site.index.push(file_name(name, value()?)?),
            "cgi" => self.site.add_programs(paths(name, value()?)?),
            "cgi-bin" => self.site.add_programs(below(name, value()?)?),
            "hide" => self.site.hide(paths(name, value()?)?),
            "max-idle" => self.max_idle = Some(count(name, value()?)?),
            "directory" => self.directory = Some(value()?),
            "timeout-first-byte" => *of_program = take(of_program).timeout_first_byte(positive(name, value()?)?),
            "timeout-idle" => {
                let time = positive(name, value()?)?;
                *of_program = take(of_program).timeout_idle(time);
                *of_client = take(of_client).timeout_idle(time);
            }
            "timeout-work" => *of_program = take(of_program).timeout_work(positive(name, value()?)?),
            "timeout-total" => *of_program = take(of_program).timeout_total(positive(name, value()?)?),
            "max-programs" => *of_program = take(of_program).max_programs(number(name, value()?)?),
            "queue" => *of_program = take(of_program).queue(count(name, value()?)?),
            "queue-timeout" => *of_program = take(of_program).queue_timeout(positive(name, value()?)?),
            "max-head" => *of_program = take(of_program).max_head(number(name, value()?)?),
            "max-body" => *of_program = take(of_program).max_body(whole(name, value()?)?),
            "kill-grace" => self.kill_grace = Some(seconds(name, value()?)?),
            "timeout-head" => *of_client = take(of_client).timeout_head(positive(name, value()?)?),
            "keep-alive" => {
                self.keep_alive = true;
                *of_client = take(of_client).keep_alive(positive(name, value()?)?);
            }
            "timeout-client" => *of_client = take(of_client).timeout_client(positive(name, value()?)?),
            "max-connections" => *of_client = take(of_client).max_connections(number(name, value()?)?),
            "shutdown-notice" => *of_client = take(of_client).shutdown_notice(seconds(name, value()?)?),
            "shutdown-grace" => *of_client = take(of_client).shutdown_grace(seconds(name, value()?)?),
            _ => return Err(format!("unknown option --{name}; try --help")),
        }
        Ok(())
    }

    fn complete(self, app: App) -> Result<Arguments, String> {
        let max_programs = self.program_limits.get_max_programs();
        let listen = self.listen.map_or_else(listen::default, Ok)?;
        let proxies = self.proxies.complete(self.protocol == Protocol::Http, listen.may_be_unix())?;
        let front = Front { mount: self.mount, accepted: self.accepted };
        let speaks = match self.protocol {
            Protocol::Http if !front.accepted.is_empty() => {
                return Err("cannot use --accept-param with --protocol http: expected fastcgi or scgi".to_owned());
            }
            Protocol::FastCgi | Protocol::Scgi if self.authorization => {
                return Err("cannot use --pass-authorization with this protocol: expected --protocol http".to_owned());
            }
            Protocol::FastCgi | Protocol::Scgi if self.keep_alive => {
                return Err("cannot use --keep-alive with this protocol: expected --protocol http".to_owned());
            }
            Protocol::Http | Protocol::Scgi if !self.multiplexes => {
                return Err("cannot use --no-multiplex with this protocol: expected --protocol fastcgi".to_owned());
            }
            Protocol::Http => Speaks::Http,
            Protocol::FastCgi => Speaks::FastCgi { front, multiplexes: self.multiplexes },
            Protocol::Scgi => Speaks::Scgi { front },
        };
        Ok(Arguments {
            speaks,
            listen,
            threads: self.threads,
            health: self.health,
            app,
            client_limits: self.client_limits,
            proxies,
            log_format: self.log_format,
            metrics: self.metrics,
            max_programs,
        })
    }
}
