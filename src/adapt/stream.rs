//! `futures_core::Stream`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::stream::{FusedStream, Stream};

use crate::{Chunks, local};

impl Stream for Chunks {
    type Item = io::Result<Bytes>;

    /// Takes whatever has been written, complete or not. Where `StreamExt` is in scope beside `Iterator`, say which
    /// `next` is meant: `StreamExt::next(&mut chunks)`. A stream that is always ready waits one poll now and then, so
    /// that other tasks have their turn.
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

    /// Runs the program until it has a chunk. A wait inside the program suspends it and gives the executor its turn.
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.get_mut().poll_in_turn(context)
    }
}

impl FusedStream for local::Chunks {
    fn is_terminated(&self) -> bool {
        self.is_over()
    }
}
