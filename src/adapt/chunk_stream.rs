//! Chunks that are only a `Stream`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::stream::{FusedStream, Stream};

use crate::{Chunks, local};

macro_rules! streams {
    ($($stream:ident, $chunks:ty;)*) => {$(
        impl Stream for $stream {
            type Item = io::Result<Bytes>;

            fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
                Pin::new(&mut self.0).poll_next(context)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                Stream::size_hint(&self.0)
            }
        }

        impl FusedStream for $stream {
            fn is_terminated(&self) -> bool {
                self.0.is_terminated()
            }
        }

        impl From<$chunks> for $stream {
            fn from(chunks: $chunks) -> $stream {
                chunks.into_stream()
            }
        }
    )*};
}

/// The reader end of a bridge as a `Stream` only, from [`Chunks::into_stream`].
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled"]
pub struct ChunkStream(Chunks);

/// The reader end of a program on [`Local`](crate::Local) as a `Stream` only, from [`local::Chunks::into_stream`].
///
/// It is not `Send`.
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled"]
pub struct LocalChunkStream(local::Chunks);

streams! {
    ChunkStream, Chunks;
    LocalChunkStream, local::Chunks;
}

impl Chunks {
    /// Converts the chunks into a type that is only a `Stream`.
    ///
    /// `Chunks` is an iterator too, so `next` and `map` are ambiguous if both traits are in scope.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use futures_util::StreamExt;
    ///
    /// # pollster::block_on(async {
    /// let chunks = pushpull::Thread::new().pull(|w| w.write_all(b"hello"));
    /// let mut lengths = chunks.into_stream().map(|chunk| chunk.map(|chunk| chunk.len()));
    /// assert_eq!(lengths.next().await.unwrap()?, 5);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_stream(self) -> ChunkStream {
        ChunkStream(self)
    }
}

impl local::Chunks {
    /// Converts the chunks into a type that is only a `Stream`. A poll runs the program until it has a chunk.
    pub fn into_stream(self) -> local::ChunkStream {
        LocalChunkStream(self)
    }
}
