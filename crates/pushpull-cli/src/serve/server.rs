//! The options of the server. Those of what it serves are in `mount.rs`.

use std::mem::take;
use std::time::Duration;

use pushpull_gateway::Mount;
use pushpull_gateway::host::{Address, ClientLimits, MAX_THREADS, TrustedProxies};

use super::listen::{self, Listen};
use super::proxy::{PROXY_FIELDS, ProxyOptions};
use super::tls::{Certified, TlsOptions};
use super::values::Given;
use super::wrong::Wrong;
use crate::log::Format;

/// The options as given.
#[derive(Default)]
pub struct ServerOptions {
    protocol: Protocol,
    listen: Option<Listen>,
    threads: Option<usize>,
    health: Option<String>,
    accepted: Vec<String>,
    is_single: bool,
    client_limits: ClientLimits,
    has_keep_alive: bool,
    pub timeout_idle: Option<Duration>,
    proxies: ProxyOptions,
    log_format: Format,
    metrics: Option<Address>,
    tls: TlsOptions,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Protocol {
    #[default]
    Http,
    FastCgi,
    Scgi,
}

/// The options, checked.
pub struct Settings {
    pub speaks: Speaks,
    pub listen: Listen,
    pub threads: Option<usize>,
    /// The path of the health check.
    pub health: Option<String>,
    pub client_limits: ClientLimits,
    pub proxies: TrustedProxies,
    pub log_format: Format,
    /// Where the figures are served.
    pub metrics: Option<Address>,
    pub certified: Option<Certified>,
}

impl Settings {
    /// Returns the scheme of the address in the log.
    pub fn scheme(&self) -> &'static str {
        match self.speaks {
            Speaks::Http if self.certified.is_some() => "https",
            Speaks::Http => "http",
            Speaks::FastCgi { .. } => "fastcgi",
            Speaks::Scgi { .. } => "scgi",
        }
    }

    /// Makes the server wait for request bodies as long as a mount does, which keeps its own time.
    pub fn allow_idle(&mut self, of_mount: Option<Duration>) {
        let longest = of_mount.into_iter().fold(self.client_limits.get_timeout_idle(), Duration::max);
        self.client_limits = take(&mut self.client_limits).timeout_idle(longest);
    }
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

impl ServerOptions {
    /// Takes an option. Returns `false` if it is not one of the server.
    pub fn take(&mut self, given: &Given<'_>) -> Result<bool, Wrong> {
        let limits = &mut self.client_limits;
        match given.name {
            "protocol" => {
                let protocols = [("http", Protocol::Http), ("fastcgi", Protocol::FastCgi), ("scgi", Protocol::Scgi)];
                self.protocol = given.choice(&protocols)?;
            }
            "listen" => self.listen = Some(given.parsed(Listen::parse)?.based(given.base)),
            "threads" => {
                let threads = |text: &str| text.parse().ok().filter(|threads| (1..=MAX_THREADS).contains(threads));
                self.threads = Some(given.parsed(threads)?);
            }
            "health" => self.health = Some(given.path()?),
            "accept-param" => {
                given.bare()?;
                self.accepted.push(given.text()?.to_owned());
            }
            "no-multiplex" => self.is_single = true,
            "trust-proxy" => self.proxies.trust(given)?,
            "proxy-fields" => self.proxies.read(given.choice(&PROXY_FIELDS)?),
            "proxy-protocol" => self.proxies.require_header(),
            "log-format" => self.log_format = given.choice(&[("text", Format::Text), ("json", Format::Json)])?,
            "metrics" => self.metrics = Some(given.address("")?),
            "tls-certificate" => self.tls.certificate = Some(given.file()),
            "tls-key" => self.tls.key = Some(given.file()),
            "timeout-head" => *limits = take(limits).timeout_head(given.positive()?),
            "timeout-idle" => {
                let time = given.positive()?;
                self.timeout_idle = Some(time);
                *limits = take(limits).timeout_idle(time);
            }
            "timeout-client" => *limits = take(limits).timeout_client(given.positive()?),
            "keep-alive" => {
                self.has_keep_alive = true;
                *limits = take(limits).keep_alive(given.positive()?);
            }
            "max-connections" => *limits = take(limits).max_connections(given.number()?),
            "shutdown-notice" => *limits = take(limits).shutdown_notice(given.seconds()?),
            "shutdown-grace" => *limits = take(limits).shutdown_grace(given.seconds()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub fn is_http(&self) -> bool {
        self.protocol == Protocol::Http
    }

    /// Checks that the options fit together. `mount` is where a front server's path is split.
    pub fn complete(self, mount: Option<Mount>) -> Result<Settings, Wrong> {
        let is_http = self.is_http();
        let listen = self.listen.map_or_else(listen::default, Ok).map_err(Wrong::Other)?;
        let proxies = self.proxies.complete(is_http, listen.may_be_unix())?;
        let wrong = |name, why| Err(Wrong::Use { name, why });
        match self.protocol {
            Protocol::Http if !self.accepted.is_empty() => {
                return wrong("accept-param", "with --protocol http: expected fastcgi or scgi");
            }
            Protocol::FastCgi | Protocol::Scgi if self.has_keep_alive => {
                return wrong("keep-alive", "with this protocol: expected --protocol http");
            }
            Protocol::Http | Protocol::Scgi if self.is_single => {
                return wrong("no-multiplex", "with this protocol: expected --protocol fastcgi");
            }
            _ => {}
        }
        let certified = self.tls.complete(is_http)?;
        let front = Front { mount, accepted: self.accepted };
        let speaks = match self.protocol {
            Protocol::Http => Speaks::Http,
            Protocol::FastCgi => Speaks::FastCgi { front, multiplexes: !self.is_single },
            Protocol::Scgi => Speaks::Scgi { front },
        };
        Ok(Settings {
            speaks,
            listen,
            threads: self.threads,
            health: self.health,
            client_limits: self.client_limits,
            proxies,
            log_format: self.log_format,
            metrics: self.metrics,
            certified,
        })
    }
}
