//! The engines and their writers for code that is generic over them.

use std::fmt::Debug;
use std::io;

use bytes::Bytes;

use super::{Local, Pool, Thread};
use crate::{Writer, channel, local};

mod sealed {
    pub trait Sealed {}
}

/// Any engine: [`Local`], [`Thread`] or [`Pool`]. Sealed.
///
/// A program has to be `Send` here, which only `Local`'s own methods do without.
///
/// ```
/// use std::io::{self, Write};
/// use pushpull::{Engine, Local, Pool, Thread};
///
/// fn hello(engine: &impl Engine) -> io::Result<Vec<u8>> {
///     let chunks = engine.pull(|w| w.write_all(b"hello"));
///     Ok(chunks.collect::<io::Result<Vec<_>>>()?.concat())
/// }
///
/// assert_eq!(hello(&Local::new())?, b"hello");
/// assert_eq!(hello(&Thread::new())?, b"hello");
/// assert_eq!(hello(Pool::global())?, b"hello");
/// # io::Result::Ok(())
/// ```
pub trait Engine: sealed::Sealed + Clone + Debug {
    /// What a program writes to.
    type Writer: BridgeWriter;
    /// What a program reads from.
    type Reader: io::BufRead;
    /// What a program's output is pulled from.
    type Chunks: Iterator<Item = io::Result<Bytes>>;
    /// What a program's input is pushed into.
    type Feed<T>: io::Write;

    /// Returns what `program` writes, to be pulled.
    fn pull<P>(&self, program: P) -> Self::Chunks
    where
        P: FnOnce(&mut Self::Writer) -> io::Result<()> + Send + 'static;

    /// Returns what `program` reads from, to be pushed into.
    fn push<T, P>(&self, program: P) -> Self::Feed<T>
    where
        T: Send + 'static,
        P: FnOnce(&mut Self::Reader) -> io::Result<T> + Send + 'static;
}

/// The writer of any engine's program: [`Writer`] or [`local::Writer`]. Sealed.
///
/// For code between a program and its bridge, such as a gateway that reads the head of a response off what the program
/// writes. It takes the writer out by [`mem::take`](std::mem::take), and the engine still ends the bridge.
pub trait BridgeWriter: sealed::Sealed + io::Write + Default + Debug + 'static {
    /// Hands over a chunk that is already there, without a copy. What was written before it goes first.
    ///
    /// # Errors
    ///
    /// As for every write: see [`Writer`].
    fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()>;

    /// Returns `true` if what is written can no longer reach the reader.
    fn is_closed(&self) -> bool;

    /// Returns how often the program has waited, to be passed over by [`Blocked::after`](crate::Blocked::after). On
    /// [`Local`], where the host sees every wait, it is 0.
    fn waits(&self) -> u64;

    /// Counts a call that the caller refuses in the writer's place, and returns `error`. A program that ignores 64
    /// refusals, of its bridge's or of these, is unwound at the next, as [`Writer`] says.
    fn refuse(&self, error: io::Error) -> io::Error;
}

macro_rules! engines {
    ($($engine:ident: $ends:ident),*) => {$(
        impl sealed::Sealed for $engine {}

        impl Engine for $engine {
            type Writer = $ends::Writer;
            type Reader = $ends::Reader;
            type Chunks = $ends::Chunks;
            type Feed<T> = $ends::Feed<T>;

            fn pull<P>(&self, program: P) -> Self::Chunks
            where
                P: FnOnce(&mut Self::Writer) -> io::Result<()> + Send + 'static,
            {
                $engine::pull(self, program)
            }

            fn push<T, P>(&self, program: P) -> Self::Feed<T>
            where
                T: Send + 'static,
                P: FnOnce(&mut Self::Reader) -> io::Result<T> + Send + 'static,
            {
                $engine::push(self, program)
            }
        }
    )*};
}

engines!(Local: local, Thread: channel, Pool: channel);

macro_rules! writers {
    ($($writer:ty: $waits:expr),*) => {$(
        impl sealed::Sealed for $writer {}

        impl BridgeWriter for $writer {
            fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
                <$writer>::write_bytes(self, bytes)
            }

            fn is_closed(&self) -> bool {
                <$writer>::is_closed(self)
            }

            fn waits(&self) -> u64 {
                let waits: fn(&$writer) -> u64 = $waits;
                waits(self)
            }

            fn refuse(&self, error: io::Error) -> io::Error {
                <$writer>::refuse(self, error)
            }
        }
    )*};
}

writers!(Writer: Writer::waits, local::Writer: |_| 0);
