//! Calls a service and records how its response ended.

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tower_service::Service;

/// A response: all its bytes, and the error that cut it.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub fields: HeaderMap,
    pub body: Vec<u8>,
    /// The length that the body declared before it was read.
    pub exact: Option<u64>,
    pub error: Option<io::Error>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A request body sent piece by piece. Dropping the sender ends it.
pub struct Pieces(UnboundedReceiver<io::Result<Bytes>>);

pub fn pieces() -> (UnboundedSender<io::Result<Bytes>>, Pieces) {
    let (sender, receiver) = unbounded_channel();
    (sender, Pieces(receiver))
}

pub fn whole(text: &'static str) -> Pieces {
    let (sender, pieces) = pieces();
    if !text.is_empty() {
        sender.send(Ok(text.into())).unwrap();
    }
    pieces
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

pub fn get(path: &str) -> Request<Pieces> {
    request("GET", path, whole(""))
}

pub fn request(method: &str, path: &str, body: Pieces) -> Request<Pieces> {
    Request::builder().method(method).uri(format!("http://example.test{path}")).body(body).unwrap()
}

pub async fn ask<S, B, R>(service: &mut S, request: Request<B>) -> Response<R>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    poll_fn(|context| service.poll_ready(context)).await.unwrap();
    service.call(request).await.unwrap()
}

/// Returns the next piece of a body, or its end.
pub async fn frame<R>(body: &mut R) -> Option<Result<Bytes, R::Error>>
where
    R: Body<Data = Bytes> + Unpin,
    R::Error: Debug,
{
    poll_fn(|context| Pin::new(&mut *body).poll_frame(context))
        .await
        .map(|frame| frame.map(|frame| frame.into_data().unwrap()))
}

pub async fn collect<R>(response: Response<R>) -> Answer
where
    R: Body<Data = Bytes, Error = io::Error> + Unpin,
{
    let (parts, mut body) = response.into_parts();
    let exact = body.size_hint().exact();
    let mut answer = Answer { status: parts.status, fields: parts.headers, body: Vec::new(), exact, error: None };
    loop {
        let frame = frame(&mut body).await;
        assert!(answer.error.is_none() || frame.is_none(), "something follows an error");
        match frame {
            Some(Ok(chunk)) => answer.body.extend_from_slice(&chunk),
            Some(Err(error)) => answer.error = Some(error),
            None => return answer,
        }
    }
}
