//! Pipes of bytes.

use std::io;

use crate::contender::{About, Bridge, Contender, Lack, Program, Sizes};
use crate::pipe::piped;

/// `std::io::pipe`: a pipe of the operating system, which decides its capacity.
#[derive(Debug, Clone, Copy)]
pub struct OsPipe;

impl Contender for OsPipe {
    fn about(&self) -> About {
        About::new("io::pipe").lacks(&[Lack::Bytes, Lack::Bound, Lack::Truncation])
    }

    fn open(&self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
        piped(sizes, program, io::pipe()?, |_| Ok(()))
    }
}

#[cfg(feature = "peers")]
mod peers {
    use std::future::poll_fn;
    use std::io::{Read, Write};
    use std::sync::LazyLock;

    use tokio::runtime::{Builder, Runtime};
    use tokio_util::io::SyncIoBridge;

    use super::*;

    /// `piper::pipe`, the pipe of smol.
    #[derive(Debug, Clone, Copy)]
    pub struct Piper;

    /// The crate `pipe`, which hands over a buffer at a time and holds no other.
    #[derive(Debug, Clone, Copy)]
    pub struct PipeCrate;

    /// `tokio::io::simplex`, with a `SyncIoBridge` at each end.
    #[derive(Debug, Clone, Copy)]
    pub struct Simplex;

    impl Contender for Piper {
        fn about(&self) -> About {
            About::new("piper").lacks(&[Lack::Truncation])
        }

        fn open(&self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
            let (reader, writer) = piper::pipe(sizes.capacity);
            piped(sizes, program, (FromPiper(reader), IntoPiper(writer)), |_| Ok(()))
        }
    }

    impl Contender for PipeCrate {
        fn about(&self) -> About {
            About::new("pipe").lacks(&[Lack::Bytes, Lack::Bound, Lack::Truncation])
        }

        fn open(&self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
            piped(sizes, program, pipe::pipe(), |_| Ok(()))
        }
    }

    impl Contender for Simplex {
        fn about(&self) -> About {
            About::new("simplex").lacks(&[Lack::Truncation])
        }

        fn open(&self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
            let (reader, writer) = tokio::io::simplex(sizes.capacity);
            let reader = SyncIoBridge::new_with_handle(reader, RUNTIME.handle().clone());
            let writer = SyncIoBridge::new_with_handle(writer, RUNTIME.handle().clone());
            // Dropping the bridge would not end the stream.
            piped(sizes, program, (reader, writer), |mut writer| writer.shutdown())
        }
    }

    /// The runtime that a `SyncIoBridge` needs.
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        Builder::new_multi_thread().worker_threads(1).build().expect("the system has a thread for a runtime")
    });

    struct FromPiper(piper::Reader);

    impl Read for FromPiper {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            Ok(pollster::block_on(poll_fn(|context| self.0.poll_drain_bytes(context, buf))))
        }
    }

    struct IntoPiper(piper::Writer);

    impl Write for IntoPiper {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            Ok(pollster::block_on(poll_fn(|context| self.0.poll_fill_bytes(context, buf))))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(feature = "peers")]
pub use peers::{PipeCrate, Piper, Simplex};
