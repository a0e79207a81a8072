//! An HTTP/2 client.

use std::future::Future;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

/// Runs `talk` on one connection.
pub fn talk<T>(address: SocketAddr, talk: impl AsyncFnOnce(SendRequest<Full<Bytes>>) -> T) -> T {
    with_window(address, None, talk)
}

/// Runs `talk` on one connection, on which each stream has an initial flow-control window of `window` bytes.
pub fn with_window<T>(
    address: SocketAddr,
    window: Option<u32>,
    talk: impl AsyncFnOnce(SendRequest<Full<Bytes>>) -> T,
) -> T {
    run(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        on(stream, window, talk).await
    })
}

/// Runs `talk` on one connection over TLS.
#[cfg(feature = "tls")]
pub fn encrypted<T>(
    address: SocketAddr,
    client: std::sync::Arc<rustls::ClientConfig>,
    talk: impl AsyncFnOnce(SendRequest<Full<Bytes>>) -> T,
) -> T {
    run(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(client);
        let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        on(stream, None, talk).await
    })
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn on<S, T>(stream: S, window: Option<u32>, talk: impl AsyncFnOnce(SendRequest<Full<Bytes>>) -> T) -> T
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window).max_header_list_size(1 << 20);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    tokio::time::timeout(crate::log::DEADLINE, talk(sender)).await.expect("the exchange did not end in time")
}

pub fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("http://name.example:81{path}")).body(Full::default()).unwrap()
}

pub async fn ask(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Response<Incoming> {
    sender.ready().await.unwrap();
    sender.send_request(request).await.unwrap()
}
