//! HTTP clients: one of hyper, and a plain socket that can stall or disconnect.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};

/// A response. If the message was truncated, its body is an error.
pub struct Answer {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub body: Result<Bytes, hyper::Error>,
}

impl Answer {
    pub fn bytes(&self) -> &Bytes {
        self.body.as_ref().expect("the message is complete")
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, Method::GET, path)
}

pub fn ask(address: SocketAddr, method: Method, path: &str) -> Answer {
    with_response(address, method, path, async |response| {
        let (head, body) = response.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes());
        Answer { status: head.status, headers: head.headers, body }
    })
}

/// Sends a request, and returns the response before its body was read.
pub fn with_response<T>(
    address: SocketAddr,
    method: Method,
    path: &str,
    read: impl AsyncFnOnce(Response<Incoming>) -> T,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = async {
            let response = sender.send_request(request).await.unwrap();
            read(response).await
        };
        tokio::select! {
            biased;
            answer = response => answer,
            // The body reports the end of the connection; there is nothing else to do here.
            _ = async { let _ = connection.await; std::future::pending::<()>().await } => unreachable!(),
        }
    })
}

/// Connects a client that receives the beginning of a response and reads no more. Its receive window is small.
pub fn stall(address: SocketAddr, path: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    stream
}
