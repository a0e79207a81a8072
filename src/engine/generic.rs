//! Traits for code that is generic over the engines and over their writers.

use std::fmt::Debug;
use std::io;

use bytes::Bytes;

use super::{Local, Pool, Thread};
use crate::{Writer, channel, local};

mod sealed {
    pub trait Sealed {}
}

/// Any engine: [`Local`], [`Thread`] or [`Pool`].
///
/// This trait is sealed. Its programs must be `Send`; only `Local`'s own methods accept programs that are not.
///
/// # Examples
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
    /// The type that a program writes to.
    type Writer: BridgeWriter;
    /// The type that a program reads from.
    type Reader: io::BufRead;
    /// The type that a program's output is pulled from.
    type Chunks: Iterator<Item = io::Result<Bytes>>;
    /// The type that a program's input is pushed into.
    type Feed<T>: io::Write;

    /// Returns the output of `program`, which writes, as chunks. The program starts at the first pull.
    fn pull<P>(&self, program: P) -> Self::Chunks
    where
        P: FnOnce(&mut Self::Writer) -> io::Result<()> + Send + 'static;

    /// Returns the feed that supplies the input of `program`, which reads. The program starts at the first write or at
    /// `finish`.
    fn push<T, P>(&self, program: P) -> Self::Feed<T>
    where
        T: Send + 'static,
        P: FnOnce(&mut Self::Reader) -> io::Result<T> + Send + 'static;
}

/// The writer of any engine's program: [`Writer`] or [`local::Writer`].
///
/// This trait is sealed. It is for code between a program and its bridge, such as a gateway that parses the head of a
/// response from the program's output. Such code takes the writer out by [`mem::take`](std::mem::take); the engine
/// still ends the bridge.
pub trait BridgeWriter: sealed::Sealed + io::Write + Default + Debug + 'static {
    /// Writes a chunk without copying it, after everything written before.
    ///
    /// # Errors
    ///
    /// Returns the same errors as any other write: see [`Writer`].
    fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()>;

    /// Returns `true` if bytes written from now on cannot reach the reader.
    fn is_closed(&self) -> bool;

    /// Returns the number of times the program has waited, for [`Blocked::after`](crate::Blocked::after).
    ///
    /// On [`Local`] the number is always 0, because the caller sees every wait.
    fn waits(&self) -> u64;

    /// Counts a call that the caller refuses in place of the writer, and returns `error`.
    ///
    /// A program that ignores 64 refusals, by its bridge or by this method, is unwound at the next one: see [`Writer`].
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
