//! `futures_io`: readers as `AsyncRead` and `AsyncBufRead`, writers as `AsyncWrite`.

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

/// The end of an asynchronous producer, from [`pipe`](crate::pipe). Closing it is its [`finish`](Writer::finish); dropped
/// before that it was cut off, and its puller is told. A flush ends the chunk and does not wait. A program that an engine
/// runs may use it too, and is ended by its return, as ever. Where `AsyncWriteExt` is in scope beside
/// `std::io::Write`, say which `write_all` is meant: `AsyncWriteExt::write_all(&mut writer, bytes)`.
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

/// For a program on [`Local`](crate::Local) that drives an asynchronous encoder itself. It is always ready: a write that
/// has to wait for the host suspends the program, with the poll that it is in.
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
