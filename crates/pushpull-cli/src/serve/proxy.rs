//! The options about proxies in front of the server.

use pushpull_gateway::host::{ProxyFields, TrustedProxies};

use super::values::Given;
use super::wrong::Wrong;

/// The values of `--proxy-fields`.
pub const PROXY_FIELDS: [(&str, ProxyFields); 2] =
    [("x-forwarded", ProxyFields::XForwarded), ("forwarded", ProxyFields::Forwarded)];

/// The options as given.
#[derive(Default)]
pub struct ProxyOptions {
    proxies: TrustedProxies,
    trusts: bool,
    trusts_unix: bool,
    reads: bool,
    requires: bool,
}

impl ProxyOptions {
    /// Adds a network, or the peers of Unix sockets.
    pub fn trust(&mut self, given: &Given<'_>) -> Result<(), Wrong> {
        let proxies = std::mem::take(&mut self.proxies);
        self.trusts = true;
        self.trusts_unix |= given.value == "unix";
        self.proxies = given.parsed(|network| match network {
            "unix" => Some(proxies.unix(true)),
            _ => proxies.network(network).ok(),
        })?;
        Ok(())
    }

    pub fn read(&mut self, fields: ProxyFields) {
        self.reads = true;
        self.proxies = std::mem::take(&mut self.proxies).fields(fields);
    }

    pub fn require_header(&mut self) {
        self.requires = true;
        self.proxies = std::mem::take(&mut self.proxies).proxy_protocol(true);
    }

    /// Returns the proxies, if the options fit together.
    pub fn complete(self, is_http: bool, may_be_unix: bool) -> Result<TrustedProxies, Wrong> {
        let wrong = |name, why| Err(Wrong::Use { name, why });
        match () {
            () if self.reads && !self.trusts => wrong("proxy-fields", "without --trust-proxy: expected --trust-proxy"),
            () if self.reads && !is_http => wrong("proxy-fields", "with this protocol: expected --protocol http"),
            () if self.trusts && !is_http && !self.requires => {
                wrong("trust-proxy", "with this protocol: expected --protocol http, or --proxy-protocol")
            }
            () if self.trusts_unix && !may_be_unix => {
                wrong("trust-proxy", "unix without a Unix socket: expected a network, or --listen unix:PATH")
            }
            () if self.requires && !self.trusts && !may_be_unix => {
                wrong("proxy-protocol", "without --trust-proxy: expected --trust-proxy, or --listen unix:PATH")
            }
            () => Ok(self.proxies),
        }
    }
}
