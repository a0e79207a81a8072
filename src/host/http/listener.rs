//! One thread's share of the server: it accepts connections and serves them.

use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tower_service::Service;

use super::connection::{self, Host};
use super::ending::{TOO_MANY, either};
use super::request_body::RequestBody;
use super::shutdown::Stage;

/// How long to wait when no connection can be accepted: for want of descriptors, most likely, and others are given back.
const PAUSE: Duration = Duration::from_millis(100);

/// How long connections have to close once they were told that they are cut.
const CUT_TIME: Duration = Duration::from_secs(1);

/// Serves until the shutdown, and then until the connections of all threads are closed. `free` has a permit for each
/// connection that there may be.
pub(super) async fn serve<S, R>(
    listener: TcpListener,
    service: S,
    free: Arc<Semaphore>,
    host: Rc<Host>,
) -> io::Result<()>
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let most = u32::try_from(host.limits.connections).expect("the limit fits");
    either(accept(&listener, service, &free, &host), host.shutdown.reached(Stage::Closing)).await;
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

async fn accept<S, R>(listener: &tokio::net::TcpListener, service: S, free: &Arc<Semaphore>, host: &Rc<Host>)
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Box<dyn Error + Send + Sync>>,
{
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The client was faster.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                host.errors.say(&format!("cannot accept a connection: {error}"));
                sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = free.clone().try_acquire_owned() else {
            host.errors.say(&format!("{remote}: there are {} connections already", host.limits.connections));
            let _ = stream.try_write(TOO_MANY);
            continue;
        };
        let (service, host) = (service.clone(), host.clone());
        spawn_local(async move {
            connection::serve(stream, remote, service, host).await;
            drop(permit);
        });
    }
}
