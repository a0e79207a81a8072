//! One thread's share of the server: it accepts connections and serves them.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tower_service::Service;

use super::connection::{self, Host};
use super::ending::{either, refuse};
use super::request_body::RequestBody;
use super::share::{Accepted, Place, Threads};
use super::shutdown::Stage;

/// How long to wait when no connection can be accepted: for want of descriptors, most likely, and others are given back.
const PAUSE: Duration = Duration::from_millis(100);

/// How long connections have to close once they were told that they are cut.
const CUT_TIME: Duration = Duration::from_secs(1);

/// What one thread serves with.
pub(super) struct Share {
    pub(super) index: usize,
    pub(super) listener: TcpListener,
    pub(super) threads: Threads,
    pub(super) given: UnboundedReceiver<Accepted>,
    /// A permit for each connection that there may be.
    pub(super) free: Arc<Semaphore>,
    pub(super) host: Rc<Host>,
}

/// Serves until the shutdown, and then until the connections of all threads are closed.
pub(super) async fn serve<S, R>(share: Share, service: S) -> io::Result<()>
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Share { index, listener, threads, mut given, free, host } = share;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let most = u32::try_from(host.limits.connections).expect("the limit fits");
    let begin = |stream: TcpStream, remote, permit: OwnedSemaphorePermit, place: Place| {
        let (service, host) = (service.clone(), host.clone());
        spawn_local(async move {
            connection::serve(stream, remote, service, host).await;
            drop((permit, place));
        });
    };
    let accepting = async {
        loop {
            let (stream, remote, permit) = accept(&listener, &free, &host).await;
            let place = threads.place(index);
            if place.thread == index {
                begin(stream, remote, permit, place);
            } else if let Ok(stream) = stream.into_std() {
                threads.give(Accepted { stream, remote, permit, place });
            }
        }
    };
    let taking = async {
        while let Some(Accepted { stream, remote, permit, place }) = given.recv().await {
            match TcpStream::from_std(stream) {
                Ok(stream) => begin(stream, remote, permit, place),
                Err(error) => host.errors.say(&format!("cannot serve a connection: {error}")),
            }
        }
    };
    let leaving = async {
        host.shutdown.reached(Stage::Leaving).await;
        either(sleep(host.limits.notice), host.shutdown.reached(Stage::Closing)).await;
        host.shutdown.reach(Stage::Closing);
    };
    either(either(accepting, taking), leaving).await;
    drop(given);
    // The port is free for another from here on.
    drop(listener);
    let closed = || async { drop(free.acquire_many(most).await) };
    let within_grace = async { drop(timeout(host.limits.grace, closed()).await) };
    either(within_grace, host.shutdown.reached(Stage::Cut)).await;
    host.shutdown.reach(Stage::Cut);
    let _ = timeout(CUT_TIME, closed()).await;
    if let Some(closed) = &host.closed {
        either(closed(), host.shutdown.reached(Stage::Now)).await;
    }
    Ok(())
}

/// The next connection that there may be.
async fn accept(
    listener: &tokio::net::TcpListener,
    free: &Arc<Semaphore>,
    host: &Host,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => match free.clone().try_acquire_owned() {
                Ok(permit) => return (stream, remote, permit),
                Err(_) => {
                    host.errors.say(&format!("{remote}: there are {} connections already", host.limits.connections));
                    refuse(&stream);
                }
            },
            // The client was faster.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                host.errors.say(&format!("cannot accept a connection: {error}"));
                sleep(PAUSE).await;
            }
        }
    }
}
