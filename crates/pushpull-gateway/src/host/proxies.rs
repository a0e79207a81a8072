//! The proxies that may say who the client is.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// The proxies and balancers in front of a server that it believes (default: none). They report the client in the
/// fields of a request, or in a [header of the PROXY protocol](TrustedProxies::proxy_protocol).
///
/// Over HTTP, the fields set `REMOTE_ADDR`, `HTTPS` and the host of the request, and the client in the log. They are
/// read from right to left: the client is the first address that is not itself a trusted proxy. What other peers send
/// in these fields changes nothing.
///
/// A proxy must replace or append each of these fields, or delete it. A field that a proxy passes on unchanged lets
/// clients choose its value.
///
/// ```
/// use pushpull_gateway::host::{ProxyFields, TrustedProxies};
///
/// let proxies = TrustedProxies::new().network("10.0.0.0/8")?.network("2001:db8::1")?.fields(ProxyFields::Forwarded);
/// # let _ = proxies;
/// # Ok::<(), pushpull_gateway::host::BadNetwork>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
    fields: ProxyFields,
    proxy_protocol: bool,
}

/// The fields in which proxies report a client. A server reads only one kind, because most proxies set one and pass the
/// other on as clients sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ProxyFields {
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// A text that is not a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadNetwork(String);

impl TrustedProxies {
    /// Creates an empty set: no peer is believed.
    pub fn new() -> TrustedProxies {
        TrustedProxies::default()
    }

    /// Adds the peers of a network, such as `10.0.0.0/8`, or of one address.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not an address, optionally with a prefix length.
    pub fn network(mut self, network: &str) -> Result<TrustedProxies, BadNetwork> {
        let parsed = network.parse().or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
        self.networks.push(parsed.map_err(|_| BadNetwork(network.to_owned()))?);
        Ok(self)
    }

    /// Sets whether the peers of a Unix socket are believed (default: `false`).
    #[must_use]
    pub fn unix(mut self, trusted: bool) -> TrustedProxies {
        self.unix = trusted;
        self
    }

    /// Sets the fields that the proxies send (default: [`ProxyFields::XForwarded`]).
    #[must_use]
    pub fn fields(mut self, fields: ProxyFields) -> TrustedProxies {
        self.fields = fields;
        self
    }

    /// Sets whether each connection of these proxies, and each on a Unix socket, must begin with a header of the PROXY
    /// protocol, version 1 or 2 (default: `false`). A connection without it is closed and logged.
    ///
    /// The addresses in the header become the ends of the connection. If its client is itself a trusted proxy, the
    /// fields of its requests count too.
    #[must_use]
    pub fn proxy_protocol(mut self, required: bool) -> TrustedProxies {
        self.proxy_protocol = required;
        self
    }

    pub(super) fn get_fields(&self) -> ProxyFields {
        self.fields
    }

    /// Returns `true` if a peer is trusted. `None` is the peer of a Unix socket.
    pub(super) fn trusts(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            Some(peer) => self.networks.iter().any(|network| network.contains(&peer.to_canonical())),
            None => self.unix,
        }
    }

    /// Returns `true` if the connection of a peer has to begin with a header of the PROXY protocol.
    pub(super) fn requires_header(&self, peer: Option<IpAddr>) -> bool {
        self.proxy_protocol && (peer.is_none() || self.trusts(peer))
    }
}

impl fmt::Display for BadNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid network {:?}: expected an address, or an address and a prefix length", self.0)
    }
}

impl std::error::Error for BadNetwork {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_peers_are_trusted() {
        let proxies = TrustedProxies::new().network("10.0.0.0/8").unwrap().network("2001:db8::7").unwrap();
        let trusts = |text: &str| proxies.trusts(Some(text.parse().unwrap()));
        assert!(["10.255.0.1", "::ffff:10.1.2.3", "2001:db8::7"].into_iter().all(trusts));
        assert!(!["11.0.0.1", "2001:db8::8", "127.0.0.1"].into_iter().any(trusts));
        assert!(!proxies.trusts(None) && proxies.clone().unix(true).trusts(None));
        for text in ["", "10.0.0.0/33", "10.0.0", "name", "10.0.0.0/"] {
            assert!(TrustedProxies::new().network(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_unix_socket_has_no_peers_that_need_no_header() {
        let proxies = TrustedProxies::new().network("10.0.0.1").unwrap();
        let peers = [None, Some("10.0.0.1".parse().unwrap()), Some("10.0.0.2".parse().unwrap())];
        let required = |proxies: &TrustedProxies| peers.map(|peer| proxies.requires_header(peer));
        assert_eq!(required(&proxies), [false; 3]);
        assert_eq!(required(&proxies.proxy_protocol(true)), [true, true, false]);
    }
}
