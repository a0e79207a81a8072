//! `pushpull serve`: serves files, CGI programs or a FastCGI application over HTTP, FastCGI or SCGI.

mod app;
mod arguments;
mod assemble;
mod config;
mod descriptors;
mod help;
mod init;
mod listen;
mod metrics;
mod mount;
mod notify;
mod proxy;
mod reload;
mod served;
mod server;
mod site;
mod tls;
mod values;
mod wrong;

use std::io::Write;
use std::panic;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use nix::sys::signal::SigSet;
use pushpull_gateway::host::{
    Address, Fronted, Health, Protocol, RequestBody, Server, Shutdown, fastcgi, http as http_host, scgi,
};
use pushpull_gateway::{ErrorStream, LocalRedirects, Mounts};
use tower_service::Service;

use crate::log::Log;
pub use help::{OVERVIEW, of as help, topics};
pub use values::expected;

use app::App;
use arguments::{Plan, Wish};
use config::{Config, Keys};
use metrics::{Exporter, Metrics, Requests};
use notify::Manager;
use reload::Reload;
use served::Served;
use server::{Front, Settings, Speaks};
use tls::{Certified, Tls};

pub fn run(parser: lexopt::Parser) -> Result<ExitCode, String> {
    let Plan { settings, apps, config } = match arguments::parse(parser)? {
        Wish::Serve(_) if init::is_needed() => return init::run(),
        Wish::Serve(plan) => *plan,
        Wish::Print(text) => {
            crate::say(&text);
            return Ok(ExitCode::SUCCESS);
        }
    };
    // Take the socket before this process opens one of its own.
    let inherited = listen::take(&settings.listen)?;
    // A blocked signal could not stop the server, and programs would inherit the mask.
    let _ = SigSet::all().thread_unblock();
    // Listen for signals before the port opens: from the first connection on, a signal stops the server cleanly.
    let (hangup, hangups) = mpsc::channel();
    let shutdown = match config.is_some() || settings.certified.is_some() {
        true => Shutdown::on_signals_but_hangup(move || _ = hangup.send(())),
        false => Shutdown::on_signals(),
    };
    let shutdown = shutdown.map_err(|error| format!("cannot listen for signals: {error}"))?;
    let listener = inherited.map_or_else(|| listen::bind(&settings.listen), Ok)?;
    let told = |error: std::io::Error| error.to_string();
    let reloads = Reloads { hangups, config, tls: None };
    match &settings.speaks {
        Speaks::Http => {
            let server = http_host::Server::new(listener).map_err(told)?;
            let (server, tls) = match &settings.certified {
                Some(certified) => certified.apply(server),
                None => (server, None),
            };
            let service = |served, error_log| LocalRedirects::new(served).error_log(error_log);
            serve(server, &settings, apps, Reloads { tls, ..reloads }, &shutdown, service)
        }
        Speaks::FastCgi { front, multiplexes } => {
            let server = fastcgi::Server::new(listener).map_err(told)?.multiplex(*multiplexes);
            serve(behind(front, server), &settings, apps, reloads, &shutdown, |served, _| served)
        }
        Speaks::Scgi { front } => {
            let server = scgi::Server::new(listener).map_err(told)?;
            serve(behind(front, server), &settings, apps, reloads, &shutdown, |served, _| served)
        }
    }
}

/// Starts the workers of these applications.
fn started(apps: Vec<App>, error_log: &ErrorStream) -> Result<Vec<App>, String> {
    apps.into_iter().map(|app| app.started(error_log)).collect()
}

/// Returns a service for the applications of a configuration file.
fn mounted(apps: Vec<App>, error_log: Option<&ErrorStream>) -> Mounts<App> {
    apps.into_iter().fold(Mounts::new(), |mounts, app| {
        let mount = app.mount().cloned().unwrap_or_default();
        mounts.mount(mount, logging(app, error_log))
    })
}

fn logging(app: App, error_log: Option<&ErrorStream>) -> App {
    error_log.into_iter().fold(app, |app, error_log| app.error_log(error_log.clone()))
}

/// Applies the settings for front servers.
fn behind<P: Fronted>(front: &Front, server: Server<P>) -> Server<P> {
    let server = front.accepted.iter().fold(server, |server, name| server.accept_param(name));
    front.mount.iter().fold(server, |server, mount| server.mount(mount.clone()))
}

/// What a hangup reloads.
struct Reloads {
    hangups: Receiver<()>,
    config: Option<(Config, Keys)>,
    tls: Option<Tls>,
}

/// Serves until a signal arrives.
fn serve<P, S, R>(
    server: Server<P>,
    settings: &Settings,
    apps: Vec<App>,
    reloads: Reloads,
    shutdown: &Shutdown,
    service: impl FnOnce(Served, ErrorStream) -> S,
) -> Result<ExitCode, String>
where
    P: Protocol,
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    R: Body<Data = Bytes> + From<String> + 'static,
    R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Reloads { hangups, config, tls } = reloads;
    let Settings { speaks, threads, health, client_limits, proxies, log_format, metrics, certified, .. } = settings;
    let server = threads.iter().fold(server, |server, threads| server.threads(*threads));
    let address = server.address().map_err(|error| error.to_string())?;
    let log = Log::start(*log_format).map_err(|error| format!("cannot start the log: {error}"))?;
    let troubles = log.clone();
    let error_log = ErrorStream::new(move |line| troubles.trouble(&line));
    // A front server follows local redirects, and logs failures itself.
    let of_apps = matches!(speaks, Speaks::Http).then_some(&error_log);
    let apps = started(apps, &error_log)?;
    announce(&log, settings, &apps, config.as_ref(), &address);
    // The last reference to these applications, so that nothing of them outlives a reload.
    let served = Served::new(match &config {
        Some(_) => mounted(apps, of_apps),
        None => apps.into_iter().fold(Mounts::new(), |mounts, app| mounts.fallback(logging(app, of_apps))),
    });
    let (max_programs, ..) = served.load();
    if let Some(trouble) = descriptors::are_too_few(client_limits.get_max_connections(), max_programs) {
        log.trouble(&trouble);
    }
    certified.iter().filter_map(Certified::trouble).for_each(|trouble| log.trouble(&trouble));
    let manager = Manager::of_environment(&log);
    // The default hook writes to standard error directly, which can block.
    let panics = error_log.clone();
    panic::set_hook(Box::new(move |panic| drop(writeln!(panics.clone(), "{panic}"))));
    let mut counted = None;
    let mut exporter = None;
    if let Some(listen) = metrics {
        let requests = counted.insert(Requests::default()).clone();
        let metrics = Metrics { requests, server: server.stats(), served: served.clone() };
        let (started, address) = Exporter::start(listen, metrics, error_log.clone())?;
        match address {
            Address::Tcp(address) => log.say(&format_args!("figures at http://{address}/metrics")),
            Address::Unix(_) => log.say(&format_args!("figures at {address}, path /metrics")),
        }
        exporter = Some(started);
    }
    let reload = Reload {
        config,
        timeout_idle: client_limits.get_timeout_idle(),
        certified: certified.clone(),
        tls,
        served: served.clone(),
        error_log: of_apps.cloned(),
        workers_log: error_log.clone(),
        manager: manager.clone(),
        log: log.clone(),
        shutdown: shutdown.clone(),
    };
    if reload.is_possible() {
        let thread = thread::Builder::new().name("reload".to_owned());
        let run = move || reload.run(&hangups);
        thread.spawn(run).map_err(|error| format!("cannot start a thread: {error}"))?;
    }
    let stopped = served.clone();
    let service = Health::new(health.as_deref(), shutdown, service(served, error_log.clone()));
    let (grace, told, requests) = (client_limits.total_grace(), shutdown.clone(), log.clone());
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
    manager.stops();
    drop(exporter);
    log.finish();
    Ok(if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// Logs what is served, and where.
fn announce(log: &Log, settings: &Settings, apps: &[App], config: Option<&(Config, Keys)>, address: &Address) {
    let scheme = settings.scheme();
    let what = match config {
        Some((config, _)) => config.name.clone(),
        None => apps.iter().map(App::name).collect(),
    };
    match address {
        Address::Tcp(address) => log.say(&format_args!("serving {what} at {scheme}://{address}/")),
        Address::Unix(_) => log.say(&format_args!("serving {what} at {address} ({scheme})")),
    }
    for app in apps.iter().filter(|_| config.is_some()) {
        log.say(&format_args!("{}: {}", app.path(), app.name()));
    }
}
