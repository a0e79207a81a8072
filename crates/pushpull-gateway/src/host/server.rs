//! The server: what it listens on, and how it is run.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tower_service::Service;

use super::listener::{self, Share};
use super::protocol::{Failure, Protocol};
use super::share::{Accepted, Threads};
use super::stream::Stream;
use super::{AccessRecord, Address, ClientLimits, Listener, RequestBody, Shutdown};
use crate::cgi::error_stream::ErrorStream;
use crate::external::descriptors;

/// A server for a `tower::Service`, over HTTP ([`http::Server`](super::http::Server)), FastCGI
/// ([`fastcgi::Server`](super::fastcgi::Server)) or SCGI ([`scgi::Server`](super::scgi::Server)).
///
/// ```no_run
/// use pushpull::Local;
/// use pushpull_gateway::{push_fn, service};
/// use pushpull_gateway::host::http::{Server, Shutdown};
///
/// let shutdown = Shutdown::on_signals()?;
/// let server = Server::bind("127.0.0.1:8080")?.on_answered(|record| println!("{record}"));
/// println!("listening on http://{}/", server.local_addr()?);
/// server.run(
///     || service(Local::new(), push_fn(|_inp, out, _err, _env| write!(out, "Content-Type: text/plain\n\nhello\n"))),
///     &shutdown,
/// )?;
/// # std::io::Result::Ok(())
/// ```
///
/// # What it sees to
///
/// * A client that goes away is noticed at once, also while bytes of its request wait to be read, and a half-closed
///   connection counts as gone: the service's future or body is dropped.
/// * A body's error cuts the message after everything that came before it: what that looks like is the protocol's affair.
/// * What is not read of a request is taken from the client all the same, up to 16 MiB or 5 s, so that the client gets the
///   answer.
/// * A request's head is bounded by 64 KiB; for the rest see [`ClientLimits`].
/// * When the process has no descriptor left, its limit of open files is raised as far as the system allows. Beyond that a
///   connection is refused as one too many. The programs of a [`Script`](crate::Script) have the limit that the
///   process was started with.
///
/// # Caveats
///
/// A service that blocks its thread blocks every connection on it: run such apps on [`Thread`](pushpull::Thread).
pub struct Server<P> {
    pub(super) protocol: P,
    listener: Listener,
    threads: usize,
    limits: ClientLimits,
    told: Option<Arc<Told>>,
    error_log: ErrorStream,
    closed: Option<Arc<Closed>>,
}

/// Who is told of each request that has ended.
pub(super) type Told = dyn Fn(&AccessRecord) + Send + Sync;

/// What is waited for when all connections are closed.
pub(super) type Closed = dyn Fn() -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync;

/// What all connections of a thread share.
pub(super) struct Host<P> {
    pub(super) protocol: P,
    pub(super) limits: ClientLimits,
    pub(super) told: Option<Arc<Told>>,
    pub(super) error_log: ErrorStream,
    pub(super) shutdown: Shutdown,
    pub(super) closed: Option<Arc<Closed>>,
}

impl<P> Host<P> {
    /// Tells what is wrong with a connection.
    pub(super) fn say(&self, stream: &Stream, what: &str) {
        match stream.remote() {
            Some(remote) => self.error_log.say(&format!("{remote}: {what}")),
            None => self.error_log.say(&format!("a connection on the Unix socket: {what}")),
        }
    }
}

/// Waits for one of two.
pub(super) async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Pending => other.as_mut().poll(context),
        ready => ready,
    })
    .await;
}

impl<P: Protocol + Default> Server<P> {
    /// A server that listens on a TCP address.
    ///
    /// # Errors
    ///
    /// When that cannot be listened on, because the port is taken, for example.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Server<P>> {
        Server::new(Listener::tcp(address)?)
    }

    /// A server that listens on a socket of yours: a `TcpListener`, a `UnixListener`, or a [`Listener`].
    ///
    /// # Errors
    ///
    /// When the socket cannot be made non-blocking.
    pub fn new(listener: impl Into<Listener>) -> io::Result<Server<P>> {
        let listener = listener.into();
        listener.set_nonblocking()?;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let (limits, error_log) = (ClientLimits::new(), ErrorStream::default());
        Ok(Server { protocol: P::default(), listener, threads, limits, told: None, error_log, closed: None })
    }
}

impl<P: Protocol> Server<P> {
    /// What it listens on.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<Address> {
        self.listener.address()
    }

    /// The address of the TCP port that it listens on.
    ///
    /// # Errors
    ///
    /// When that is a Unix socket, or the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// How many threads serve (one per core).
    ///
    /// # Panics
    ///
    /// If `number` is zero.
    #[must_use]
    #[track_caller]
    pub fn threads(mut self, number: usize) -> Server<P> {
        assert!(number > 0, "`threads(0)`: nobody would serve");
        self.threads = number;
        self
    }

    /// Sets what clients may cost (default: [`ClientLimits::new`]).
    #[must_use]
    pub fn limits(mut self, limits: ClientLimits) -> Server<P> {
        self.limits = limits.bounded();
        self
    }

    /// Who is told of each request that has ended, however it did: a log. It is called on the threads that serve, so it
    /// must not block.
    #[must_use]
    pub fn on_answered(mut self, told: impl Fn(&AccessRecord) + Send + Sync + 'static) -> Server<P> {
        self.told = Some(Arc::new(told));
        self
    }

    /// Sets where the server reports its own troubles, such as malformed requests (default: `tracing`).
    #[must_use]
    pub fn error_log(mut self, error_log: ErrorStream) -> Server<P> {
        self.error_log = error_log;
        self
    }

    /// What is waited for, on each thread, when all connections are closed and before the thread's runtime is: what the
    /// services have left behind, such as [`Script`](crate::Script)'s programs. Who is told to
    /// [cut](Shutdown::cut) does not wait.
    ///
    /// ```no_run
    /// # use pushpull_gateway::{Script, host::http::Server};
    /// # let server = Server::bind("127.0.0.1:0")?;
    /// let script = Script::new("/usr/lib/cgi-bin/hello")?;
    /// let stopped = script.clone();
    /// let server = server.on_closed(move || {
    ///     let script = stopped.clone();
    ///     async move {
    ///         script.stop();
    ///         script.stopped().await;
    ///     }
    /// });
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn on_closed<F>(mut self, closed: impl Fn() -> F + Send + Sync + 'static) -> Server<P>
    where
        F: Future<Output = ()> + 'static,
    {
        self.closed = Some(Arc::new(move || Box::pin(closed())));
        self
    }

    /// Serves until the shutdown: this thread is one of those that do. `make` is called on each of them, within its tokio
    /// runtime, for a service that need not be `Send`; its clones serve.
    ///
    /// # Errors
    ///
    /// When a thread or its runtime cannot be made, or a thread panicked. That of a service closes the connection (HTTP) or is
    /// answered with a 500.
    pub fn run<M, S, R>(self, make: M, shutdown: &Shutdown) -> io::Result<()>
    where
        M: Fn() -> S + Sync,
        S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
        S::Error: Into<Failure>,
        R: Body<Data = Bytes> + 'static,
        R::Error: Into<Failure>,
    {
        let Server { protocol, listener, threads, limits, told, error_log, closed } = self;
        descriptors::raise_when_needed();
        if P::TRUSTS && !listener.is_local() {
            error_log.say("who can connect from another machine decides what programs are told: listen on loopback or a Unix socket");
        }
        let refused =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot serve with {threads} threads: {error}"));
        let free = Arc::new(Semaphore::new(limits.get_max_connections()));
        let (shared, given) = Threads::new(threads);
        let serve = |index: usize, listener: Listener, given: UnboundedReceiver<Accepted>| {
            let _stopped = StopAll(shutdown);
            let (limits, told, error_log, closed) = (limits.clone(), told.clone(), error_log.clone(), closed.clone());
            let (protocol, shutdown) = (protocol.clone(), shutdown.clone());
            let host = Rc::new(Host { protocol, limits, told, error_log, shutdown, closed });
            let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            let runtime = runtime.map_err(refused)?;
            let share = Share { index, listener, threads: shared.clone(), given, free: free.clone(), host };
            runtime.block_on(async { listener::serve(share, make()).await })
        };
        thread::scope(|scope| {
            let mut given = given.into_iter().enumerate();
            let own = given.next();
            let serve = &serve;
            let others = given
                .map(|(index, given)| {
                    let listener = listener.share().map_err(refused)?;
                    let name = thread::Builder::new().name(format!("serve {index}"));
                    name.spawn_scoped(scope, move || serve(index, listener, given)).map_err(refused)
                })
                .collect::<Vec<_>>();
            if others.iter().any(Result::is_err) {
                shutdown.begin();
            }
            let own = own.map_or(Ok(()), |(index, given)| serve(index, listener, given));
            let others = others.into_iter().map(|thread| {
                let panicked = |_| Err(io::Error::other("a thread of the server panicked"));
                thread?.join().unwrap_or_else(panicked)
            });
            others.fold(own, Result::and)
        })
    }
}

/// One thread that cannot serve stops all: a server that is half there helps nobody.
struct StopAll<'a>(&'a Shutdown);

impl Drop for StopAll<'_> {
    fn drop(&mut self) {
        self.0.begin();
    }
}

impl<P> fmt::Debug for Server<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("threads", &self.threads)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
