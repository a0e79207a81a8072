//! The servers that are compared.

use std::io::{self, Write};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use axum::serve::ListenerExt;
use pushpull::Pool;
use socket2::SockRef;
use tokio::sync::mpsc;

use super::baseline::{Gather, QUEUE};
use super::load::PATTERN;
use super::load::server::{self, Server};

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

/// Starts one. The kernel may be told how much to hold for each client.
pub fn start(kind: Kind, send_buffer: Option<usize>) -> io::Result<Server> {
    Server::start(&format!("{kind:?} {}", send_buffer.unwrap_or_default()))
}

/// If the arguments name a server, is it, until it is killed; false otherwise.
pub fn main(arguments: &[String]) -> io::Result<bool> {
    let Some((kind, send_buffer)) = server::is_wanted(arguments).and_then(|name| name.split_once(' ')) else {
        return Ok(false);
    };
    let kind = if kind == "Pool" { Kind::Pool } else { Kind::Blocking };
    let send_buffer: usize = send_buffer.parse().map_err(io::Error::other)?;
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
