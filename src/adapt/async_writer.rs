//! A writer end that is only an `AsyncWrite`.

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::Writer;

/// The writer end of a bridge for an asynchronous producer, from [`Writer::into_async_writer`].
///
/// It implements `AsyncWrite` of `futures_io` (feature `stream`) and of `tokio::io` (feature `tokio`). Closing it, or
/// shutting it down, finishes the bridge. If it is dropped before that, the reader receives a truncation.
#[derive(Debug)]
pub struct AsyncWriter(Writer);

impl Writer {
    /// Converts the writer into a type that is only an `AsyncWrite`.
    ///
    /// `Writer` is a [`Write`] too, so `write_all` and `flush` are ambiguous if both traits are in scope.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::AsyncWriteExt;
    ///
    /// # pollster::block_on(async {
    /// let (writer, mut chunks) = pushpull::pipe(1024);
    /// let mut writer = writer.into_async_writer();
    /// writer.write_all(b"hello").await?;
    /// writer.close().await?;
    /// assert_eq!(chunks.next().unwrap()?, "hello");
    /// assert!(chunks.next().is_none());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_async_writer(self) -> AsyncWriter {
        AsyncWriter(self)
    }
}

impl From<Writer> for AsyncWriter {
    fn from(writer: Writer) -> AsyncWriter {
        writer.into_async_writer()
    }
}

macro_rules! async_write {
    ($($path:ident)::*, $poll_close:ident $(, $is_vectored:item)?) => {
        impl $($path)::*::AsyncWrite for AsyncWriter {
            fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                self.0.poll_write(buf, context)
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.0.poll_write_vectored(bufs, context)
            }

            $($is_vectored)?

            fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Write::flush(&mut self.0))
            }

            fn $poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.0.end_well())
            }
        }
    };
}

async_write!(futures_io, poll_close);
#[cfg(feature = "tokio")]
async_write!(
    tokio::io,
    poll_shutdown,
    fn is_write_vectored(&self) -> bool {
        true
    }
);
