//! What is written by hand today to serve code that writes: a blocking task and a channel.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::{self, BufWriter, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tower_service::Service;

use super::by_hyper::asked;
use super::load::PATTERN;
use pushpull_bench::Sizes;

#[derive(Clone, Copy)]
pub struct ByHand {
    pub buffered: bool,
}

struct ChannelWriter(Sender<Bytes>);

impl Write for ChannelWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.blocking_send(Bytes::copy_from_slice(buf)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct ChannelBody(Receiver<Bytes>);

impl Body for ChannelBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

impl Service<Request<Incoming>> for ByHand {
    type Response = Response<ChannelBody>;
    type Error = Infallible;
    type Future = Ready<Result<Response<ChannelBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let (sender, receiver) = channel(Sizes::DEFAULT.places());
        let (kib, buffered) = (asked(request.uri().path()), self.buffered);
        tokio::task::spawn_blocking(move || {
            let mut out = ChannelWriter(sender);
            if buffered {
                let mut out = BufWriter::with_capacity(Sizes::DEFAULT.chunk, out);
                return write_body(&mut out, kib).and_then(|()| out.flush());
            }
            write_body(&mut out, kib)
        });
        let response = Response::builder().header("content-type", "application/octet-stream");
        ready(Ok(response.body(ChannelBody(receiver)).expect("a response")))
    }
}

/// Writes a number of KiB, one per write: the program.
pub fn write_body(out: &mut (impl Write + ?Sized), kib: usize) -> io::Result<()> {
    let piece = PATTERN.repeat(1024 / PATTERN.len());
    (0..kib).try_for_each(|_| out.write_all(&piece))
}

/// Collects the whole body first, in one piece.
pub fn in_memory(kib: usize) -> Bytes {
    let mut body = Vec::new();
    write_body(&mut body, kib).expect("writing to memory cannot fail");
    body.into()
}
