//! What is put between `spawn_blocking` and a task by hand today.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Frame;
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio_util::io::SyncIoBridge;

use super::{CAPACITY, CHUNK, Job};
use pushpull_bench::Gather;
use pushpull_bench::run::checksum::Checksum;

fn gone<E>(_: E) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

pub async fn simplex(job: Job) -> Checksum {
    let (mut reader, writer) = tokio::io::simplex(CAPACITY);
    let program = spawn_blocking(move || {
        let mut w = SyncIoBridge::new(writer);
        job.write(&mut w)?;
        w.shutdown()
    });
    let mut sum = Checksum::default();
    let mut buffer = BytesMut::with_capacity(CHUNK);
    while reader.read_buf(&mut buffer).await.unwrap() > 0 {
        sum.take(&buffer);
        buffer.clear();
    }
    program.await.unwrap().unwrap();
    sum
}

/// Sends a message per write.
struct Messages<F>(F);

impl<F: FnMut(Bytes) -> io::Result<()>> Write for Messages<F> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (self.0)(Bytes::copy_from_slice(buf))?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub async fn mpsc(job: Job) -> Checksum {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Bytes>((CAPACITY / job.data.len()).max(1));
    let program = spawn_blocking(move || job.write(&mut Messages(|chunk| sender.blocking_send(chunk).map_err(gone))));
    let mut sum = Checksum::default();
    while let Some(chunk) = receiver.recv().await {
        sum.take(&chunk);
    }
    program.await.unwrap().unwrap();
    sum
}

/// Gathers writes by hand before it sends a message.
pub async fn mpsc_gathered(job: Job) -> Checksum {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Bytes>(CAPACITY / CHUNK - 1);
    let program = spawn_blocking(move || {
        let mut w = Gather::new(CHUNK, |chunk| sender.blocking_send(chunk).map_err(gone));
        job.write(&mut w)?;
        w.flush()
    });
    let mut sum = Checksum::default();
    while let Some(chunk) = receiver.recv().await {
        sum.take(&chunk);
    }
    program.await.unwrap().unwrap();
    sum
}

/// Waits only if it has to: entering the runtime costs more than a short write.
struct Piped(piper::Writer, Handle);

impl Write for Piped {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        use futures_util::{AsyncWrite, AsyncWriteExt};

        match Pin::new(&mut self.0).poll_write(&mut Context::from_waker(Waker::noop()), buf) {
            Poll::Ready(written) => written,
            Poll::Pending => self.1.block_on(self.0.write(buf)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub async fn piper(job: Job) -> Checksum {
    use futures_util::AsyncReadExt;

    let (mut reader, writer) = piper::pipe(CAPACITY);
    let program = spawn_blocking(move || job.write(&mut Piped(writer, Handle::current())));
    let mut sum = Checksum::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer).await.unwrap() {
            0 => break,
            len => sum.take(&buffer[..len]),
        }
    }
    program.await.unwrap().unwrap();
    sum
}

/// Sends frames through the channel of `http_body_util`. The program returns its sender, since dropping the sender can
/// lose a frame in transit.
pub async fn channel(job: Job) -> Checksum {
    let (sender, mut channel) = Channel::<Bytes, io::Error>::new((CAPACITY / job.data.len()).max(1));
    let program = spawn_blocking(move || {
        let handle = Handle::current();
        let mut sender: Sender<Bytes, io::Error> = sender;
        let send = |chunk| match sender.try_send(Frame::data(chunk)) {
            Ok(()) => Ok(()),
            Err(frame) => handle.block_on(sender.send(frame)).map_err(gone),
        };
        job.write(&mut Messages(send))?;
        io::Result::Ok(sender)
    });
    let mut sum = Checksum::default();
    let mut left = job.data.len() * job.times;
    while left > 0 {
        let chunk = channel.frame().await.unwrap().unwrap().into_data().unwrap();
        left -= chunk.len();
        sum.take(&chunk);
    }
    program.await.unwrap().map(drop).unwrap();
    sum
}
