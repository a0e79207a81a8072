//! The servers, each with the application behind it.

use std::net::SocketAddr;

use rustix::process::Signal;

use super::client::Client;
use super::responder::Responder;
use super::server::Server;
use super::{apache, lighttpd, nginx};
use pushpull_testing::needed::there;

pub struct Front {
    server: Server,
    behind: Option<Responder>,
    pub is: Is,
}

/// The abilities of the server itself.
#[derive(Clone, Copy)]
pub struct Is {
    /// `true` if the server passes a request body on while the response arrives.
    pub duplex: bool,
    pub cuts: Cuts,
}

/// The truncated responses that the server does not pass on as complete ones.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub enum Cuts {
    /// Responses shorter than announced, unless the server has all of their bytes: then it sets its own length.
    LargeAnnounced,
    /// Responses shorter than announced.
    Announced,
    All,
}

impl Front {
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Kills the responder. Returns `false` if it is no separate process.
    pub fn kill_responder(&self) -> bool {
        self.behind.as_ref().map(|responder| responder.signal(Signal::KILL)).is_some()
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }
}

/// Starts mod_cgid, which reads the response after it has passed the request on, and ignores how the program ends.
pub fn apache_cgid() -> Option<Front> {
    let is = Is { duplex: false, cuts: Cuts::LargeAnnounced };
    there(&["apache2"]).then(|| Front { server: apache::cgid(), behind: None, is })
}

/// Starts mod_cgi, which ignores how the program ends.
pub fn lighttpd_cgi() -> Option<Front> {
    let is = Is { duplex: true, cuts: Cuts::Announced };
    there(&["lighttpd"]).then(|| Front { server: lighttpd::cgi(), behind: None, is })
}

fn proxied(program: &str, responder: fn() -> Responder, server: fn(&str) -> Server, is: Is) -> Option<Front> {
    there(&[program]).then(|| {
        let behind = responder();
        Front { server: server(&behind.address), behind: Some(behind), is }
    })
}

/// Servers in front of responders. The application's own responders alternate between push and pull apps.
macro_rules! proxied {
    ($($(#[doc = $doc:literal])* $name:ident: $program:literal $server:expr, $responder:expr, $is:expr;)*) => {
        $(
            $(#[doc = $doc])*
            pub fn $name() -> Option<Front> {
                proxied($program, || $responder, $server, $is)
            }
        )*
    };
}

const NGINX: Is = Is { duplex: true, cuts: Cuts::All };
/// With `scgi_request_buffering off`, nginx would announce the bytes it has as the whole body.
const NGINX_SCGI: Is = Is { duplex: false, cuts: Cuts::All };
/// While Apache waits for more of the request, it passes on nothing of the response.
const APACHE: Is = Is { duplex: false, cuts: Cuts::All };
const LIGHTTPD: Is = Is { duplex: true, cuts: Cuts::All };

proxied! {
    /// `pushpull serve` as a web server behind another one.
    nginx_http: "nginx" |at| nginx::proxy("proxy", at), Responder::serve("http"), NGINX;
    nginx_fastcgi_app: "nginx" |at| nginx::proxy("fastcgi", at), Responder::app("fastcgi", "push"), NGINX;
    /// Not on a Unix socket: nginx (1.22) sometimes loses the last bytes of a request that it passes on unbuffered.
    nginx_fastcgi_serve: "nginx" |at| nginx::proxy("fastcgi", at), Responder::serve("fastcgi"), NGINX;
    apache_fastcgi_app: "apache2" |at| apache::proxy("fcgi", at), Responder::app("fastcgi", "pull"), APACHE;
    apache_fastcgi_serve: "apache2" |at| apache::proxy("fcgi", at), Responder::serve("fastcgi"), APACHE;
    lighttpd_fastcgi_app: "lighttpd" |at| lighttpd::proxy("fastcgi", at), Responder::app("fastcgi", "push"), LIGHTTPD;
    lighttpd_fastcgi_serve: "lighttpd" |at| lighttpd::proxy("fastcgi", at), Responder::serve_unix("fastcgi"), LIGHTTPD;
    nginx_scgi_app: "nginx" |at| nginx::proxy("scgi", at), Responder::app("scgi", "pull"), NGINX_SCGI;
    nginx_scgi_serve: "nginx" |at| nginx::proxy("scgi", at), Responder::serve_unix("scgi"), NGINX_SCGI;
    apache_scgi_app: "apache2" |at| apache::proxy("scgi", at), Responder::app("scgi", "push"), APACHE;
    apache_scgi_serve: "apache2" |at| apache::proxy("scgi", at), Responder::serve("scgi"), APACHE;
    lighttpd_scgi_app: "lighttpd" |at| lighttpd::proxy("scgi", at), Responder::app("scgi", "pull"), LIGHTTPD;
    lighttpd_scgi_serve: "lighttpd" |at| lighttpd::proxy("scgi", at), Responder::serve_unix("scgi"), LIGHTTPD;
}
