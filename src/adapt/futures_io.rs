//! The traits of `futures_io`: `AsyncRead` and `AsyncBufRead` for readers, `AsyncWrite` for writers.

use std::io::{self, BufRead, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use crate::buf::chunk_reader::read_from;
use crate::{Reader, Writer, local};

macro_rules! readers {
    ($($reader:ty),*) => {$(
        impl AsyncRead for $reader {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                into: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let reader = self.get_mut();
                if into.is_empty() {
                    return Poll::Ready(Ok(0));
                }
                let len = read_from(ready!(reader.poll_buf(context))?, into);
                BufRead::consume(reader, len);
                Poll::Ready(Ok(len))
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
/// Closing the writer is the same as [`finish`](Writer::finish). If the writer is dropped before that, the reader
/// receives a truncation. A flush ends the chunk and does not wait. A program on an engine can use this trait too; its
/// bridge ends when the program returns.
///
/// If `AsyncWriteExt` is in scope beside `std::io::Write`, `write_all` is ambiguous: write
/// `AsyncWriteExt::write_all(&mut writer, bytes)`, or use [`Writer::into_async_writer`].
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

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().flush())
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().flush())
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().flush())
    }
}
