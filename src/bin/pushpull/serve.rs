//! `pushpull serve`: a CGI program over HTTP.

mod arguments;
mod descriptors;

use pushpull::gateway::{ErrorStream, LocalRedirects};
use pushpull::host::Health;
use pushpull::host::http::{Server, Shutdown};

use crate::log::Log;
use arguments::{Arguments, Wish};

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    let Arguments { listen, threads, health, script, limits, programs } = match arguments::parse(parser)? {
        Wish::Serve(arguments) => *arguments,
        Wish::Help => {
            crate::say(arguments::HELP);
            return Ok(());
        }
    };
    // Listened for before the port is: who can connect can stop it.
    let shutdown = Shutdown::on_signals().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let mut server = Server::bind(&listen[..]).map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    if let Some(threads) = threads {
        server = server.threads(threads);
    }
    let address = server.local_addr().map_err(|error| error.to_string())?;
    let (log, writing) = Log::start().map_err(|error| format!("cannot start the log: {error}"))?;
    if let Some(trouble) = descriptors::make_room(limits.most_connections(), programs) {
        log.trouble(&trouble);
    }
    crate::say(&format!("{} is at http://{address}/\n", script.program().display()));
    let (requests, troubles) = (log.clone(), log.clone());
    let errors = ErrorStream::new(move |line| troubles.trouble(line));
    let script = script.errors(errors.clone());
    let (stopped, service) = (script.clone(), Health::new(health.as_deref(), &shutdown, LocalRedirects::new(script)));
    let served = server
        .limits(limits)
        .errors(errors)
        .on_answered(move |record| requests.request(record))
        .on_closed(move || {
            let script = stopped.clone();
            async move {
                script.stop();
                script.idle().await;
            }
        })
        .run(|| service.clone(), &shutdown);
    drop((service, log));
    writing.finish();
    served.map_err(|error| error.to_string())
}
