//! Servers of hyper, with one thread for all connections.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use pushpull::{Local, Pool, Thread};
use pushpull_gateway::{push_fn, service};
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tower::service_fn;
use tower_service::Service;

use super::by_hand::{ByHand, in_memory, write_body};
use super::load::server;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    LocalBody,
    Full,
    Local,
    Pool,
    Thread,
    Channel,
    BufferedChannel,
}

impl Contender {
    pub const ALL: [Contender; 7] = [
        Contender::LocalBody,
        Contender::Full,
        Contender::Local,
        Contender::Pool,
        Contender::Thread,
        Contender::Channel,
        Contender::BufferedChannel,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Contender::LocalBody => "hyper, Local",
            Contender::Full => "hyper, Full",
            Contender::Local => "hyper, service on Local",
            Contender::Pool => "hyper, service on Pool",
            Contender::Thread => "hyper, service on Thread",
            Contender::Channel => "hyper, spawn_blocking + mpsc",
            Contender::BufferedChannel => "the same behind a BufWriter",
        }
    }
}

/// Returns the number of KiB that a path requests.
pub fn asked(path: &str) -> usize {
    path.strip_prefix('/').and_then(|kib| kib.parse().ok()).unwrap_or_default()
}

/// Runs the server that the arguments name, until the process is killed. Returns `false` if they name no server.
pub fn main(arguments: &[String]) -> io::Result<bool> {
    let Some(name) = server::is_wanted(arguments) else { return Ok(false) };
    let app = push_fn(|_inp, out, _err, env| {
        out.write_all(b"Content-Type: application/octet-stream\n\n")?;
        write_body(out, asked(env.get_str("PATH_INFO").unwrap_or_default()))
    });
    match Contender::ALL.into_iter().find(|contender| contender.name() == name) {
        Some(Contender::LocalBody) => listen(service_fn(async |request: Request<Incoming>| {
            let kib = asked(request.uri().path());
            Ok(Response::new(Local::new().pull(move |w| write_body(w, kib)).into_body()))
        }))?,
        Some(Contender::Full) => listen(service_fn(async |request: Request<Incoming>| {
            Ok(Response::new(Full::new(in_memory(asked(request.uri().path())))))
        }))?,
        Some(Contender::Local) => listen(service(Local::new(), app))?,
        Some(Contender::Pool) => listen(service(Pool::new(1), app))?,
        Some(Contender::Thread) => listen(service(Thread::new(), app))?,
        Some(Contender::Channel) => listen(ByHand { buffered: false })?,
        Some(Contender::BufferedChannel) => listen(ByHand { buffered: true })?,
        None => return Ok(false),
    }
    Ok(true)
}

fn listen<S, B>(service: S) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    S::Future: 'static,
    B: http_body::Body + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serving: Pin<Box<dyn Future<Output = io::Result<()>>>> = Box::pin(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = TowerToHyperService::new(service.clone());
            tokio::task::spawn_local(async move {
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    LocalSet::new().block_on(&runtime, serving)
}
