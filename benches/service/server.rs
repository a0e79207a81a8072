//! The servers that are compared, each in a process of its own.

use std::convert::Infallible;
use std::fs;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use pushpull::gateway::{push_fn, service};
use pushpull::{Local, Thread};
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tower_service::Service;

use super::by_hand::ByHand;

#[derive(Clone, Copy)]
pub enum Contender {
    Local,
    Thread,
    Channel,
    BufferedChannel,
}

impl Contender {
    pub const ALL: [Contender; 4] =
        [Contender::Local, Contender::Thread, Contender::Channel, Contender::BufferedChannel];

    pub fn name(self) -> &'static str {
        match self {
            Contender::Local => "service on Local",
            Contender::Thread => "service on Thread",
            Contender::Channel => "spawn_blocking + mpsc",
            Contender::BufferedChannel => "the same behind a BufWriter",
        }
    }
}

pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(contender: Contender, kib: usize) -> Server {
        let program = std::env::current_exe().expect("a benchmark has a program");
        let mut child = Command::new(program)
            .args(["--serve", &format!("{} {kib}", contender as usize)])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("the server says where");
        Server { child, address: line.trim().parse().expect("an address") }
    }

    /// The processor time that it has used up to now, all its threads together.
    pub fn cpu(&self) -> Duration {
        // In hundredths of a second.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("the server runs");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in parentheses").split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until it is killed.
pub fn serve(what: &str) {
    let (contender, kib) = what.split_once(' ').expect("a contender and a size");
    let kib: usize = kib.parse().expect("a size");
    let app = push_fn(move |_inp, out, _err, _env| {
        out.write_all(b"Content-Type: application/octet-stream\n\n")?;
        (0..kib).try_for_each(|_| out.write_all(&[b'x'; 1024]))
    });
    match Contender::ALL[contender.parse::<usize>().expect("a number")] {
        Contender::Local => listen(service(Local::new(), app)),
        Contender::Thread => listen(service(Thread::new(), app)),
        Contender::Channel => listen(ByHand { kib, buffered: false }),
        Contender::BufferedChannel => listen(ByHand { kib, buffered: true }),
    }
}

fn listen<S, B>(service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    S::Future: 'static,
    B: http_body::Body + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let serving: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            let service = TowerToHyperService::new(service.clone());
            tokio::task::spawn_local(async move {
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    LocalSet::new().block_on(&runtime, serving);
}
