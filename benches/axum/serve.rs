//! The servers, each a process of its own.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use axum::serve::ListenerExt;
use pushpull::Pool;
use socket2::SockRef;
use tokio::sync::mpsc;

use super::baseline::{Gather, QUEUE};
use super::load::PATTERN;

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Pool,
    Blocking,
}

/// The program: small writes, so many of them.
fn write_body(bytes: usize, w: &mut impl Write) -> io::Result<()> {
    (0..bytes / PATTERN.len()).try_for_each(|_| w.write_all(PATTERN))
}

impl Kind {
    fn body(self, bytes: usize) -> Body {
        match self {
            Kind::Pool => Body::new(Pool::global().pull(move |w| write_body(bytes, w)).into_body()),
            Kind::Blocking => {
                let (sender, mut receiver) = mpsc::channel(QUEUE);
                tokio::task::spawn_blocking(move || {
                    let send = |chunk| sender.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into());
                    let mut gather = Gather::new(send);
                    if let Err(error) = write_body(bytes, &mut gather).and_then(|()| gather.flush()) {
                        // Whoever is there still is told.
                        let _ = sender.blocking_send(Err(error));
                    }
                });
                Body::from_stream(futures_util::stream::poll_fn(move |context| receiver.poll_recv(context)))
            }
        }
    }

    fn app(self) -> Router {
        let route = move |bytes| get(async move || self.body(bytes));
        Router::new().route("/8k", route(8 << 10)).route("/1m", route(1 << 20)).route("/endless", route(usize::MAX))
    }
}

/// A server, until it is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(kind: Kind, send_buffer: Option<usize>) -> io::Result<Server> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", &format!("{kind:?}"), &send_buffer.unwrap_or(0).to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Server { child, address })
    }

    /// What it has used of all processors.
    pub fn cpu(&self) -> io::Result<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // After the name, which may hold anything: the 14th and 15th fields of all, in hundredths of a second.
        let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        let ticks = fields.map(|field| field.parse::<u64>().map_err(io::Error::other)).sum::<io::Result<u64>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Waits until it does nothing any more: until all that its clients do not read has filled what there is to fill.
    pub fn settle(&self) -> io::Result<()> {
        let mut before = self.cpu()?;
        loop {
            thread::sleep(Duration::from_millis(300));
            let now = self.cpu()?;
            if now - before < Duration::from_millis(20) {
                return Ok(());
            }
            before = now;
        }
    }

    /// All of them, with the one that waits for this benchmark to end.
    pub fn threads(&self) -> io::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/task", self.child.id()))?.count())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// If the arguments name a server, is it, until it is killed; false otherwise.
pub fn main(arguments: &[String]) -> io::Result<bool> {
    let [serve, kind, send_buffer] = arguments else { return Ok(false) };
    let kind = match (&serve[..], &kind[..]) {
        ("--serve", "Pool") => Kind::Pool,
        ("--serve", "Blocking") => Kind::Blocking,
        _ => return Ok(false),
    };
    let send_buffer: usize = send_buffer.parse().map_err(io::Error::other)?;
    thread::spawn(|| {
        // Until whoever started this has gone.
        let _ = io::stdin().read(&mut [0]);
        process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        // Or else a body that comes after its head waits 40 ms for the client to acknowledge that.
        let listener = listener.tap_io(move |stream| {
            let _ = stream.set_nodelay(true);
            if send_buffer > 0 {
                let _ = SockRef::from(&*stream).set_send_buffer_size(send_buffer);
            }
        });
        axum::serve(listener, kind.app()).await
    })?;
    Ok(true)
}
