//! The traits of `tokio::io`: `AsyncRead` and `AsyncBufRead` for readers, `AsyncWrite` for writers.

use std::io::{self, BufRead, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::{Reader, Writer, local};

macro_rules! readers {
    ($($reader:ty),*) => {$(
        impl AsyncRead for $reader {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                into: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let reader = self.get_mut();
                if into.remaining() > 0 {
                    let buffer = ready!(reader.poll_buf(context))?;
                    let len = buffer.len().min(into.remaining());
                    into.put_slice(&buffer[..len]);
                    BufRead::consume(reader, len);
                }
                Poll::Ready(Ok(()))
            }
        }

        impl AsyncBufRead for $reader {
            fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
                self.get_mut().poll_buf(context)
            }

            fn consume(self: Pin<&mut Self>, len: usize) {
                BufRead::consume(self.get_mut(), len);
            }
        }
    )*};
}

readers!(Reader, local::Reader);

/// The writer end of an asynchronous producer, from [`pipe`](crate::pipe).
///
/// Shutting the writer down is the same as [`finish`](Writer::finish). If the writer is dropped before that, the reader
/// receives a truncation. A flush ends the chunk and does not wait. A program on an engine can use this trait too; its
/// bridge ends when the program returns.
///
/// If `AsyncWriteExt` is in scope beside `std::io::Write`, `write_all` is ambiguous: write
/// `AsyncWriteExt::write_all(&mut writer, bytes)`, or use [`Writer::into_async_writer`].
///
/// # Examples
///
/// ```
/// use tokio::io::AsyncWriteExt;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let (mut writer, mut chunks) = pushpull::pipe(1024);
/// AsyncWriteExt::write_all(&mut writer, b"hello").await?;
/// writer.shutdown().await?;
/// assert_eq!(chunks.next().unwrap()?, "hello");
/// assert!(chunks.next().is_none());
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Writer::poll_write(self.get_mut(), buf, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Writer::poll_write_vectored(self.get_mut(), bufs, context)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().end_well())
    }
}

/// For a program on [`Local`](crate::Local) that drives an asynchronous encoder itself.
///
/// Every poll is ready. If a write has to wait for the reader, the program is suspended inside that poll.
impl AsyncWrite for local::Writer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write(buf))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, _: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().flush())
    }
}
