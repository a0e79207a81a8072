//! A connection to an application.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{BufMut, BytesMut};
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::settings::Settings;
use crate::address::Address;
use crate::external::blocking;
use crate::workers::turnover::Entered;

/// A connection that is being established.
pub(super) type Connecting = Pin<Box<dyn Future<Output = io::Result<(Socket, Option<Entered>)>> + Send>>;

/// A connection in use by a task.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// An idle connection. It belongs to no runtime, so any runtime can use it next.
#[derive(Debug)]
pub(super) enum Resting {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

pub(super) fn connect(settings: &Settings) -> Connecting {
    let (address, requests) = (settings.address.clone(), settings.requests.clone());
    Box::pin(async move {
        let entered = match requests {
            Some(requests) => Some(requests.enter().await),
            None => None,
        };
        let socket = match address {
            Address::Tcp(address) => {
                let stream = connect_tcp(address).await?;
                // Sends each part of a request at once.
                stream.set_nodelay(true)?;
                Socket::Tcp(stream)
            }
            Address::Unix(path) => Socket::Unix(UnixStream::connect(path).await?),
        };
        Ok((socket, entered))
    })
}

/// Connects to the first address that answers. A name is resolved on a separate thread: if the system has none, that is
/// an error, while tokio's own look-up panics.
async fn connect_tcp(address: String) -> io::Result<TcpStream> {
    if let Ok(address) = address.parse::<SocketAddr>() {
        return TcpStream::connect(address).await;
    }
    let found = blocking::run(move || address.to_socket_addrs()).await??;
    TcpStream::connect(&*found.collect::<Vec<_>>()).await
}

impl Socket {
    /// Reads what is available, up to the capacity of `into`. Returns 0 at the end.
    pub(super) fn poll_read(&mut self, into: &mut BytesMut, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let room = into.capacity() - into.len();
        let mut into = into.limit(room);
        match self {
            Socket::Tcp(stream) => pin!(stream.read_buf(&mut into)).poll(context),
            Socket::Unix(stream) => pin!(stream.read_buf(&mut into)).poll(context),
        }
    }

    pub(super) fn poll_write(&mut self, slices: &[IoSlice<'_>], context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    pub(super) fn rest(self) -> io::Result<Resting> {
        match self {
            Socket::Tcp(stream) => stream.into_std().map(Resting::Tcp),
            Socket::Unix(stream) => stream.into_std().map(Resting::Unix),
        }
    }
}

impl Resting {
    pub(super) fn wake(self) -> io::Result<Socket> {
        match self {
            Resting::Tcp(stream) => TcpStream::from_std(stream).map(Socket::Tcp),
            Resting::Unix(stream) => UnixStream::from_std(stream).map(Socket::Unix),
        }
    }

    /// Returns `true` if the application has neither closed the connection nor sent anything.
    pub(super) fn is_quiet(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let looked = match self {
            Resting::Tcp(stream) => recv(stream, &mut [0_u8; 1], flags),
            Resting::Unix(stream) => recv(stream, &mut [0_u8; 1], flags),
        };
        looked.err() == Some(rustix::io::Errno::AGAIN)
    }
}
