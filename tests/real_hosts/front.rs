//! The servers, each with the application behind it.

use std::net::SocketAddr;

use super::client::Client;
use super::needed::there;
use super::responder::Responder;
use super::server::Server;
use super::{apache, lighttpd, nginx};

pub struct Front {
    server: Server,
    _behind: Option<Responder>,
    pub is: Is,
}

/// What the server itself is able to do, whatever stands behind it.
#[derive(Clone, Copy)]
pub struct Is {
    /// It passes the body of a request on while the response comes.
    pub duplex: bool,
    pub cuts: Cuts,
}

/// Which cut responses it does not pass off as whole ones.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub enum Cuts {
    /// Those shorter than the length that they announced, unless it has all of them in hand: then it counts itself.
    LargeAnnounced,
    /// Those shorter than the length that they announced.
    Announced,
    All,
}

impl Front {
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }
}

/// mod_cgid reads the response when it has passed the request on. How a program ends is nothing to it.
pub fn apache_cgid() -> Option<Front> {
    let is = Is { duplex: false, cuts: Cuts::LargeAnnounced };
    there(&["apache2"]).then(|| Front { server: apache::cgid(), _behind: None, is })
}

/// How a program ends is nothing to mod_cgi.
pub fn lighttpd_cgi() -> Option<Front> {
    let is = Is { duplex: true, cuts: Cuts::Announced };
    there(&["lighttpd"]).then(|| Front { server: lighttpd::cgi(), _behind: None, is })
}

/// `pushpull serve` as a web server behind another.
pub fn nginx_http() -> Option<Front> {
    let is = Is { duplex: true, cuts: Cuts::All };
    there(&["nginx"]).then(|| {
        let behind = Responder::serve("http");
        Front { server: nginx::proxy("proxy", &behind.address), _behind: Some(behind), is }
    })
}
