//! One serving thread: accepts connections and serves them.

use std::fs::File;
use std::io;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tower_service::Service;

use super::address::{Kind, Listener, SocketFile};
use super::protocol::{Failure, Protocol};
use super::proxied::take_header;
use super::request_body::RequestBody;
use super::server::{Host, either};
use super::share::{Accepted, Place, Threads};
use super::shutdown::Stage;
use super::stream::Stream;
use crate::cgi::refusal::is_out_of_descriptors;
use crate::sys::descriptors;
use crate::sys::sockets::UnixListener;

/// The pause after a connection could not be accepted. The usual cause is a lack of descriptors, which other
/// connections give back.
const PAUSE: Duration = Duration::from_millis(100);

/// The time that connections have to close after they were cut.
const CUT_TIME: Duration = Duration::from_secs(1);

/// The part of the server that one thread has.
pub(super) struct Share<P> {
    pub(super) index: usize,
    pub(super) listener: Listener,
    pub(super) threads: Threads,
    pub(super) given: UnboundedReceiver<Accepted>,
    /// One permit for each connection up to the limit.
    pub(super) free: Arc<Semaphore>,
    pub(super) host: Rc<Host<P>>,
}

/// The listening socket, registered with this thread's runtime.
enum Accepting {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: Option<SocketFile> },
}

impl Accepting {
    fn new(listener: Listener) -> io::Result<Accepting> {
        Ok(match listener.0 {
            Kind::Tcp(listener) => Accepting::Tcp(TcpListener::from_std(listener)?),
            Kind::Unix(listener, file) => Accepting::Unix { listener: UnixListener::from_std(listener)?, _file: file },
        })
    }

    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Accepting::Tcp(listener) => listener.accept().await.map(|(stream, peer)| Stream::tcp(stream, peer)),
            Accepting::Unix { listener, .. } => listener.accept().await.map(|(stream, _)| Stream::unix(stream)),
        }
    }
}

/// Serves until the shutdown, and then until the connections of all threads are closed.
pub(super) async fn serve<P, S, R>(share: Share<P>, service: S) -> io::Result<()>
where
    P: Protocol,
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
    S::Error: Into<Failure>,
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Failure>,
{
    let Share { index, listener, threads, mut given, free, host } = share;
    let listener = Accepting::new(listener)?;
    let max = u32::try_from(host.limits.get_max_connections()).expect("the limit fits");
    let begin = |stream: Stream, permit: OwnedSemaphorePermit, place: Place| {
        let (service, host) = (service.clone(), host.clone());
        let open = host.counters.open();
        stream.count(host.counters.clone());
        spawn_local(async move {
            if take_header(&stream, &host).await {
                P::serve(stream, service, host).await;
            }
            drop((permit, place, open));
        });
    };
    let take = |Accepted { stream, permit, place }: Accepted| match stream.attach() {
        Ok(stream) => begin(stream, permit, place),
        Err(error) => host.error_log.say(&format!("cannot serve a connection: {error}")),
    };
    let mut spare = Spare::new();
    let accepting = async {
        loop {
            let (stream, permit) = accept(&listener, &free, &host, &mut spare).await;
            let place = threads.place(index);
            if place.thread == index {
                begin(stream, permit, place);
            } else if let Ok(stream) = stream.detach() {
                // The other thread may be the first to stop.
                threads.give(Accepted { stream, permit, place }).unwrap_or_else(take);
            }
        }
    };
    let taking = async {
        while let Some(accepted) = given.recv().await {
            take(accepted);
        }
    };
    let leaving = async {
        host.shutdown.reached(Stage::Leaving).await;
        either(sleep(host.limits.get_shutdown_notice()), host.shutdown.reached(Stage::Closing)).await;
        host.shutdown.reach(Stage::Closing);
    };
    either(either(accepting, taking), leaving).await;
    given.close();
    while let Ok(accepted) = given.try_recv() {
        take(accepted);
    }
    // From here on another server can bind the port or path.
    drop(listener);
    let closed = || async { drop(free.acquire_many(max).await) };
    let within_grace = async { drop(timeout(host.limits.get_shutdown_grace(), closed()).await) };
    either(within_grace, host.shutdown.reached(Stage::Cut)).await;
    host.shutdown.reach(Stage::Cut);
    let _ = timeout(CUT_TIME, closed()).await;
    if let Some(closed) = &host.closed {
        either(closed(), host.shutdown.reached(Stage::Now)).await;
    }
    Ok(())
}

/// Accepts the next connection within the limit.
async fn accept<P: Protocol>(
    listener: &Accepting,
    free: &Arc<Semaphore>,
    host: &Host<P>,
    spare: &mut Spare,
) -> (Stream, OwnedSemaphorePermit) {
    let mut has_failed = false;
    loop {
        match listener.accept().await {
            Ok(stream) => match free.clone().try_acquire_owned() {
                Ok(permit) => return (stream, permit),
                Err(_) => {
                    let max = host.limits.get_max_connections();
                    host.say(&stream, &format!("refused: there are {max} connections already"));
                    host.protocol.refuse(&stream);
                    host.counters.refuse();
                }
            },
            // The client disconnected before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Try once more, even if another thread raised the limit.
            Err(error) if is_out_of_descriptors(&error) && !mem::replace(&mut has_failed, true) => {
                descriptors::raise();
            }
            Err(error) => {
                host.error_log.say(&format!("cannot accept a connection: {error}"));
                if is_out_of_descriptors(&error) && refuse_next(listener, host, spare).await {
                    host.counters.refuse();
                } else {
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Refuses the connection that found no descriptor, by giving up the spare one. Returns `false` if that is not
/// possible.
async fn refuse_next<P: Protocol>(listener: &Accepting, host: &Host<P>, spare: &mut Spare) -> bool {
    if spare.0.take().is_none() {
        *spare = Spare::new();
        return false;
    }
    // Do not wait: another thread may have accepted the connection.
    let refused = match timeout(Duration::ZERO, listener.accept()).await {
        Ok(Ok(stream)) => {
            host.protocol.refuse(&stream);
            true
        }
        _ => false,
    };
    *spare = Spare::new();
    refused
}

/// A spare descriptor, given up to accept a connection that is to be refused.
struct Spare(Option<File>);

impl Spare {
    fn new() -> Spare {
        Spare(File::open(if cfg!(windows) { "NUL" } else { "/dev/null" }).ok())
    }
}
