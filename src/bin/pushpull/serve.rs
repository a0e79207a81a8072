//! `pushpull serve`: a CGI program, or a FastCGI application, over HTTP, FastCGI or SCGI.

mod app;
mod arguments;
mod descriptors;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pushpull::gateway::{ErrorStream, LocalRedirects};
use pushpull::host::{
    Address, Fronted, Health, Listener, Protocol, RequestBody, Server, Shutdown, fastcgi, http as http_host, scgi,
};
use tower_service::Service;

use crate::log::Log;
use arguments::{Arguments, Front, Speaks, Wish};

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    let arguments = match arguments::parse(parser)? {
        Wish::Serve(arguments) => *arguments,
        Wish::Help => {
            crate::say(arguments::HELP);
            return Ok(());
        }
    };
    // Listened for before the port is: who can connect can stop it.
    let shutdown = Shutdown::on_signals().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let listen = &arguments.listen;
    let listener = Listener::bind(listen).map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let told = |error: std::io::Error| error.to_string();
    let app = arguments.app.clone();
    match &arguments.speaks {
        Speaks::Http => {
            let server = http_host::Server::new(listener).map_err(told)?;
            let service = |errors: ErrorStream| LocalRedirects::new(app.errors(errors.clone())).errors(errors);
            serve(server, "http", &arguments, &shutdown, service)
        }
        // There the front server follows local redirects, and has a log that is told of failures too.
        Speaks::FastCgi { front, multiplexes } => {
            let server = fastcgi::Server::new(listener).map_err(told)?.multiplex(*multiplexes);
            serve(behind(front, server), "fastcgi", &arguments, &shutdown, |_| app)
        }
        Speaks::Scgi { front } => {
            let server = scgi::Server::new(listener).map_err(told)?;
            serve(behind(front, server), "scgi", &arguments, &shutdown, |_| app)
        }
    }
}

/// What a front server may say.
fn behind<P: Fronted>(front: &Front, server: Server<P>) -> Server<P> {
    let server = front.accepted.iter().fold(server, |server, name| server.accept_param(name));
    front.mount.iter().fold(server, |server, mount| server.mount(mount.clone()))
}

/// Serves until a signal comes.
fn serve<P, S, R>(
    server: Server<P>,
    scheme: &str,
    arguments: &Arguments,
    shutdown: &Shutdown,
    service: impl FnOnce(ErrorStream) -> S,
) -> Result<(), String>
where
    P: Protocol,
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    R: Body<Data = Bytes> + From<String> + 'static,
    R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Arguments { threads, health, app, limits, programs, .. } = arguments;
    let server = threads.iter().fold(server, |server, threads| server.threads(*threads));
    let address = server.address().map_err(|error| error.to_string())?;
    let (log, writing) = Log::start().map_err(|error| format!("cannot start the log: {error}"))?;
    if let Some(trouble) = descriptors::make_room(limits.most_connections(), *programs) {
        log.trouble(&trouble);
    }
    let program = app.name();
    match &address {
        Address::Tcp(address) => crate::say(&format!("{program} is at {scheme}://{address}/\n")),
        Address::Unix(_) => crate::say(&format!("{program} is at {address} ({scheme})\n")),
    }
    let (requests, troubles) = (log.clone(), log.clone());
    let errors = ErrorStream::new(move |line| troubles.trouble(line));
    let (stopped, service) = (app.clone(), Health::new(health.as_deref(), shutdown, service(errors.clone())));
    let served = server
        .limits(limits.clone())
        .errors(errors)
        .on_answered(move |record| requests.request(record))
        .on_closed(move || stopped.clone().stop())
        .run(|| service.clone(), shutdown);
    drop((service, log));
    writing.finish();
    served.map_err(|error| error.to_string())
}
