//! The server: its socket, its threads and its settings.

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
use super::stats::{Counters, ServerStats};
use super::stream::Stream;
use super::{AccessRecord, Address, ClientLimits, Listener, RequestBody, Shutdown, TrustedProxies};
use crate::cgi::error_stream::ErrorStream;
use crate::sys::descriptors;

/// The maximum number of [`threads`](Server::threads). Each thread has a stack and several file descriptors; far more
/// threads would exhaust the memory of the process.
pub const MAX_THREADS: usize = 1024;

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
/// # Guarantees
///
/// * If the client disconnects, the service's future or body is dropped at once, even while request bytes wait to be
///   read. A half-closed connection counts as disconnected.
/// * If a body fails, the message is cut after every byte that preceded the error. How a cut looks depends on the
///   protocol.
/// * If the service leaves part of a request unread, the server reads and discards the rest, up to 16 MiB or 5 s.
///   Otherwise the client could receive a reset instead of the response.
/// * The head of a request is limited to 64 KiB. [`ClientLimits`] sets the other limits.
/// * If the process runs out of file descriptors, the server raises the limit of open files as far as the system
///   allows. Beyond that, the server refuses connections. The programs of a [`Script`](crate::Script) run with the
///   limit that the process was started with.
///
/// # Caveats
///
/// A service that blocks its thread blocks every connection on that thread: run blocking apps on
/// [`Thread`](pushpull::Thread).
pub struct Server<P> {
    pub(super) protocol: P,
    listener: Listener,
    threads: usize,
    limits: ClientLimits,
    on_answered: Option<Arc<OnAnswered>>,
    error_log: ErrorStream,
    closed: Option<Arc<Closed>>,
    proxies: Arc<TrustedProxies>,
    stats: ServerStats,
}

/// The callback for each request that has ended.
pub(super) type OnAnswered = dyn Fn(&AccessRecord) + Send + Sync;

/// The future to wait for once all connections are closed.
pub(super) type Closed = dyn Fn() -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync;

/// The settings that all connections of a thread share.
pub(super) struct Host<P> {
    pub(super) protocol: P,
    pub(super) limits: ClientLimits,
    pub(super) on_answered: Option<Arc<OnAnswered>>,
    pub(super) error_log: ErrorStream,
    pub(super) shutdown: Shutdown,
    pub(super) closed: Option<Arc<Closed>>,
    pub(super) proxies: Arc<TrustedProxies>,
    pub(super) counters: Counters,
}

impl<P> Host<P> {
    /// Logs what is wrong with a connection.
    pub(super) fn say(&self, stream: &Stream, what: &str) {
        say(&self.error_log, stream.remote(), what);
    }
}

/// Logs what is wrong with the connection of a peer. `None` is the peer of a Unix socket.
pub(super) fn say(error_log: &ErrorStream, peer: Option<SocketAddr>, what: &str) {
    match peer {
        Some(peer) => error_log.say(&format!("{peer}: {what}")),
        None => error_log.say(&format!("a connection on the Unix socket: {what}")),
    }
}

/// Waits until one of two futures is ready.
pub(super) async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Pending => other.as_mut().poll(context),
        ready => ready,
    })
    .await;
}

impl<P: Protocol + Default> Server<P> {
    /// Creates a server that listens on a TCP address.
    ///
    /// # Errors
    ///
    /// Returns an error if the address cannot be listened on, for example because the port is taken.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Server<P>> {
        Server::new(Listener::tcp(address)?)
    }

    /// Creates a server that listens on a given socket: a `TcpListener`, a `UnixListener` or a [`Listener`].
    ///
    /// # Errors
    ///
    /// Returns an error if the socket cannot be made non-blocking.
    pub fn new(listener: impl Into<Listener>) -> io::Result<Server<P>> {
        let listener = listener.into();
        listener.set_nonblocking()?;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let (limits, error_log) = (ClientLimits::new(), ErrorStream::default());
        Ok(Server {
            protocol: P::default(),
            listener,
            threads,
            limits,
            on_answered: None,
            error_log,
            closed: None,
            proxies: Arc::default(),
            stats: ServerStats::default(),
        })
    }
}

impl<P: Protocol> Server<P> {
    /// Returns the address of the socket.
    ///
    /// # Errors
    ///
    /// Returns an error if the system does not report the address.
    pub fn address(&self) -> io::Result<Address> {
        self.listener.address()
    }

    /// Returns the address of the TCP port.
    ///
    /// # Errors
    ///
    /// Returns an error if the socket is a Unix socket, or if the system does not report the address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns the figures of the server. They count once it runs.
    pub fn stats(&self) -> ServerStats {
        self.stats.clone()
    }

    /// Sets the number of threads that serve (default: one per core, maximum: [`MAX_THREADS`]).
    ///
    /// # Panics
    ///
    /// Panics if `number` is zero.
    #[must_use]
    #[track_caller]
    pub fn threads(mut self, number: usize) -> Server<P> {
        assert!(number > 0, "`threads` must not be zero; the default is one per core");
        self.threads = number.min(MAX_THREADS);
        self
    }

    /// Sets the limits for clients (default: [`ClientLimits::new`]).
    #[must_use]
    pub fn limits(mut self, limits: ClientLimits) -> Server<P> {
        self.limits = limits.bounded();
        self
    }

    /// Sets the proxies that may say who the client is (default: none). The fields of requests count over HTTP. Front
    /// servers (FastCGI, SCGI) name the client in their parameters.
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Server<P> {
        self.proxies = Arc::new(proxies);
        self
    }

    /// Sets the callback for each request that has ended, such as an access log (default: none). The serving threads
    /// call it, so it must not block.
    #[must_use]
    pub fn on_answered(mut self, on_answered: impl Fn(&AccessRecord) + Send + Sync + 'static) -> Server<P> {
        self.on_answered = Some(Arc::new(on_answered));
        self
    }

    /// Sets where the server logs problems, such as malformed requests (default: `tracing`).
    #[must_use]
    pub fn error_log(mut self, error_log: ErrorStream) -> Server<P> {
        self.error_log = error_log;
        self
    }

    /// Sets a future that each thread awaits after all connections are closed and before the thread's runtime ends
    /// (default: none). It can wait for what the services leave running, such as the programs of a
    /// [`Script`](crate::Script). [`Shutdown::cut`] skips it.
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

    /// Serves until the shutdown; the calling thread is one of the serving threads. Each thread calls `make` within its
    /// tokio runtime and serves with clones of the result, which need not be `Send`.
    ///
    /// # Errors
    ///
    /// Returns an error if a thread or its runtime cannot be created, or if a thread panics. A panic of the service
    /// itself closes the connection (HTTP) or is answered with 500.
    pub fn run<M, S, R>(self, make: M, shutdown: &Shutdown) -> io::Result<()>
    where
        M: Fn() -> S + Sync,
        S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
        S::Error: Into<Failure>,
        R: Body<Data = Bytes> + 'static,
        R::Error: Into<Failure>,
    {
        let Server { protocol, listener, threads, limits, on_answered, error_log, closed, proxies, stats } = self;
        descriptors::raise_when_needed();
        if P::TRUSTS && !listener.is_local() {
            error_log.say("other machines can set the variables of programs: listen on loopback or a Unix socket");
        }
        let refused =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot serve with {threads} threads: {error}"));
        let free = Arc::new(Semaphore::new(limits.get_max_connections()));
        let (shared, given) = Threads::new(threads);
        let serve = |index: usize, listener: Listener, given: UnboundedReceiver<Accepted>| {
            let _stopped = StopAll(shutdown);
            let (limits, on_answered, error_log, closed) =
                (limits.clone(), on_answered.clone(), error_log.clone(), closed.clone());
            let (protocol, shutdown, proxies) = (protocol.clone(), shutdown.clone(), proxies.clone());
            let counters = stats.of_thread(index);
            let host = Rc::new(Host { protocol, limits, on_answered, error_log, shutdown, closed, proxies, counters });
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

/// Stops all threads if one thread cannot serve, instead of leaving a server that serves only in part.
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
