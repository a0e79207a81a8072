//! `futures_core::Stream`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::stream::{FusedStream, Stream};

use crate::{Chunks, local};

impl Stream for Chunks {
    type Item = io::Result<Bytes>;

    /// Takes what has been written, even if it is less than a full chunk.
    ///
    /// A stream that is always ready returns `Pending` now and then, so that other tasks run. If `StreamExt` is in
    /// scope beside `Iterator`, `next` is ambiguous: write `StreamExt::next(&mut chunks)`, or use
    /// [`Chunks::into_stream`].
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.get_mut().poll_in_turn(context)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        Iterator::size_hint(self)
    }
}

impl FusedStream for Chunks {
    fn is_terminated(&self) -> bool {
        self.is_over()
    }
}

impl Stream for local::Chunks {
    type Item = io::Result<Bytes>;

    /// Runs the program until it has a chunk. If the program waits, it is suspended and the poll returns `Pending`.
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.get_mut().poll_in_turn(context)
    }
}

impl FusedStream for local::Chunks {
    fn is_terminated(&self) -> bool {
        self.is_over()
    }
}
