//! Servers of axum, on all cores.

use std::io::{self, Write};

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::get;
use axum::serve::ListenerExt;
use http_body_util::Full;
use pushpull::{Local, Pool};
use pushpull_gateway::host::{self, Shutdown};
use socket2::SockRef;
use tokio::sync::mpsc;

use super::by_hand::{in_memory, write_body};
use super::load::server::{self, Server};
use pushpull_bench::{Gather, Sizes};

/// A body without an end.
pub const ENDLESS: &str = "/18014398509481983";

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Pool,
    Blocking,
    Full,
    /// On a runtime for each core, which polls a response where its handler ran.
    Local,
    FullOnCores,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Pool, Kind::Blocking, Kind::Full, Kind::Local, Kind::FullOnCores];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Pool => "axum, Pool",
            Kind::Blocking => "axum, spawn_blocking + mpsc",
            Kind::Full => "axum, Full",
            Kind::Local => "axum on our host, Local",
            Kind::FullOnCores => "axum on our host, Full",
        }
    }

    fn body(self, kib: usize) -> Body {
        match self {
            Kind::Pool => Body::new(Pool::global().pull(move |w| write_body(w, kib)).into_body()),
            Kind::Blocking => {
                let (sender, mut receiver) = mpsc::channel(Sizes::DEFAULT.places());
                tokio::task::spawn_blocking(move || {
                    let send = |chunk| sender.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into());
                    let mut gather = Gather::new(Sizes::DEFAULT.chunk, send);
                    if let Err(error) = write_body(&mut gather, kib).and_then(|()| gather.flush()) {
                        // If the client is gone, the send fails too.
                        let _ = sender.blocking_send(Err(error));
                    }
                });
                Body::from_stream(futures_util::stream::poll_fn(move |context| receiver.poll_recv(context)))
            }
            Kind::Full | Kind::FullOnCores => Body::new(Full::new(in_memory(kib))),
            Kind::Local => Body::new(Local::new().pull(move |w| write_body(w, kib)).into_body().into_send()),
        }
    }
}

/// Starts a server. `send_buffer` limits what the kernel holds for each client.
pub fn start(kind: Kind, send_buffer: Option<usize>) -> io::Result<Server> {
    Server::start(&format!("{}:{}", kind.name(), send_buffer.unwrap_or_default()))
}

/// Runs the server that the arguments name, until the process is killed. Returns `false` if they name no server.
pub fn main(arguments: &[String]) -> io::Result<bool> {
    let Some((name, send_buffer)) = server::is_wanted(arguments).and_then(|name| name.split_once(':')) else {
        return Ok(false);
    };
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) else { return Ok(false) };
    let send_buffer: usize = send_buffer.parse().map_err(io::Error::other)?;
    let app = Router::new().route("/{kib}", get(async move |Path(kib): Path<usize>| kind.body(kib)));
    if matches!(kind, Kind::Local | Kind::FullOnCores) {
        let server = host::http::Server::bind("127.0.0.1:0")?;
        println!("{}", server.local_addr()?);
        server.run(|| app.clone(), &Shutdown::new())?;
        return Ok(true);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        // Without this, a body that follows its head waits 40 ms for the client's acknowledgement.
        let listener = listener.tap_io(move |stream| {
            let _ = stream.set_nodelay(true);
            if send_buffer > 0 {
                let _ = SockRef::from(&*stream).set_send_buffer_size(send_buffer);
            }
        });
        axum::serve(listener, app).await
    })?;
    Ok(true)
}
