//! `pushpull serve`: serves files, CGI programs or a FastCGI application over HTTP, FastCGI or SCGI.

mod app;
mod arguments;
mod assemble;
mod descriptors;
mod help;
mod init;
mod listen;
mod metrics;
mod notify;
mod proxy;
mod site;
mod values;

use std::io::Write;
use std::panic;
use std::process::ExitCode;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use nix::sys::signal::SigSet;
use pushpull_gateway::host::{
    Address, Fronted, Health, Protocol, RequestBody, Server, Shutdown, fastcgi, http as http_host, scgi,
};
use pushpull_gateway::{ErrorStream, LocalRedirects};
use tower_service::Service;

use crate::log::Log;
pub use help::{OVERVIEW, of as help, topics};
pub use values::expected;

use arguments::{Arguments, Front, Speaks, Wish};
use metrics::{Exporter, Metrics, Requests};
use notify::Manager;

pub fn run(parser: lexopt::Parser) -> Result<ExitCode, String> {
    let arguments = match arguments::parse(parser)? {
        Wish::Serve(_) if init::is_needed() => return init::run(),
        Wish::Serve(arguments) => *arguments,
        Wish::Help(text) => {
            crate::say(&text);
            return Ok(ExitCode::SUCCESS);
        }
    };
    // Take the socket before this process opens one of its own.
    let inherited = listen::take(&arguments.listen)?;
    // A blocked signal could not stop the server, and programs would inherit the mask.
    let _ = SigSet::all().thread_unblock();
    // Listen for signals before the port opens: from the first connection on, a signal stops the server cleanly.
    let shutdown = Shutdown::on_signals().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let listener = inherited.map_or_else(|| listen::bind(&arguments.listen), Ok)?;
    let told = |error: std::io::Error| error.to_string();
    let app = arguments.app.clone();
    match &arguments.speaks {
        Speaks::Http => {
            let server = http_host::Server::new(listener).map_err(told)?;
            let service =
                |error_log: ErrorStream| LocalRedirects::new(app.error_log(error_log.clone())).error_log(error_log);
            serve(server, "http", &arguments, &shutdown, service)
        }
        // The front server follows local redirects, and logs failures itself.
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

/// Applies the settings for front servers.
fn behind<P: Fronted>(front: &Front, server: Server<P>) -> Server<P> {
    let server = front.accepted.iter().fold(server, |server, name| server.accept_param(name));
    front.mount.iter().fold(server, |server, mount| server.mount(mount.clone()))
}

/// Serves until a signal arrives.
fn serve<P, S, R>(
    server: Server<P>,
    scheme: &str,
    arguments: &Arguments,
    shutdown: &Shutdown,
    service: impl FnOnce(ErrorStream) -> S,
) -> Result<ExitCode, String>
where
    P: Protocol,
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    R: Body<Data = Bytes> + From<String> + 'static,
    R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Arguments { threads, health, app, client_limits, proxies, max_programs, log_format, metrics, .. } = arguments;
    let server = threads.iter().fold(server, |server, threads| server.threads(*threads));
    let address = server.address().map_err(|error| error.to_string())?;
    let log = Log::start(*log_format).map_err(|error| format!("cannot start the log: {error}"))?;
    if let Some(trouble) = descriptors::are_too_few(client_limits.get_max_connections(), *max_programs) {
        log.trouble(&trouble);
    }
    let program = app.name();
    match &address {
        Address::Tcp(address) => log.say(&format_args!("serving {program} at {scheme}://{address}/")),
        Address::Unix(_) => log.say(&format_args!("serving {program} at {address} ({scheme})")),
    }
    let manager = Manager::of_environment(&log);
    let (requests, troubles) = (log.clone(), log.clone());
    let error_log = ErrorStream::new(move |line| troubles.trouble(&line));
    // The default hook writes to standard error directly, which can block.
    let panics = error_log.clone();
    panic::set_hook(Box::new(move |panic| drop(writeln!(panics.clone(), "{panic}"))));
    let mut counted = None;
    let mut exporter = None;
    if let Some(listen) = metrics {
        let requests = counted.insert(Requests::default()).clone();
        let programs = app.programs().clone();
        let metrics = Metrics { requests, server: server.stats(), programs, max_programs: *max_programs };
        let (started, address) = Exporter::start(listen, metrics, error_log.clone())?;
        match address {
            Address::Tcp(address) => log.say(&format_args!("figures at http://{address}/metrics")),
            Address::Unix(_) => log.say(&format_args!("figures at {address}, path /metrics")),
        }
        exporter = Some(started);
    }
    let (stopped, service) = (app.clone(), Health::new(health.as_deref(), shutdown, service(error_log.clone())));
    let (grace, told) = (client_limits.total_grace(), shutdown.clone());
    let served = server
        .limits(client_limits.clone())
        .trusted_proxies(proxies.clone())
        .error_log(error_log)
        .on_answered(move |record| {
            requests.request(record);
            counted.iter().for_each(|counted| counted.count(record));
        })
        .on_closed(move || {
            let left = grace.saturating_sub(told.began().map_or(grace, |began| began.elapsed()));
            stopped.clone().stop(left)
        })
        .run(
            || {
                manager.serves(shutdown);
                service.clone()
            },
            shutdown,
        );
    if let Err(error) = &served {
        log.trouble(error);
    }
    drop(exporter);
    log.finish();
    Ok(if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}
