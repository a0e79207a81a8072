//! The application for the tests of real hosts. Without an argument, it is a CGI program. With `fastcgi` or `scgi`, it
//! is a server on a free port, which it prints. With `pull` as the next argument, or in the query of a CGI program, it
//! is a pull app.

mod control;
#[path = "../pattern.rs"]
mod pattern;
mod push;

use std::error::Error;
use std::io;

use pushpull::Thread;
use pushpull_gateway::host::{Protocol, Server, Shutdown, cgi, fastcgi, scgi};
use pushpull_gateway::{App, AsPull, push_fn, service};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let is_pull = std::env::var("QUERY_STRING").is_ok_and(|query| query.contains("shape=pull"));
    match arguments[..] {
        [] if is_pull => cgi::run(AsPull(push_fn(push::answer)))?,
        [] => cgi::run(push_fn(push::answer))?,
        [protocol] => serve(protocol, || push_fn(push::answer))?,
        [protocol, "pull"] => serve(protocol, || AsPull(push_fn(push::answer)))?,
        _ => return Err("which protocol?".into()),
    }
    Ok(())
}

fn serve<A, K>(protocol: &str, make: impl Fn() -> A + Sync) -> io::Result<()>
where
    A: App<K> + Send + Sync,
    K: 'static,
{
    match protocol {
        "fastcgi" => run(fastcgi::Server::bind("127.0.0.1:0")?, protocol, make),
        "scgi" => run(scgi::Server::bind("127.0.0.1:0")?, protocol, make),
        other => Err(io::Error::other(format!("no protocol: {other}"))),
    }
}

fn run<P: Protocol, A, K>(server: Server<P>, protocol: &str, make: impl Fn() -> A + Sync) -> io::Result<()>
where
    A: App<K> + Send + Sync,
    K: 'static,
{
    let shutdown = Shutdown::on_signals()?;
    println!("real_hosts_app is at {protocol}://{}/", server.address()?);
    server.run(|| service(Thread::new(), make()), &shutdown)
}
