//! Peers from other libraries: channels and pipes, each with a thread for the program.

use std::future::poll_fn;
use std::io::{self, BufWriter, Read, Write};
use std::sync::LazyLock;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio_util::io::SyncIoBridge;

use crate::by_hand::{Producer, ReadInto, Received, gathered, gone};
use crate::contender::{Bridge, Contender, Program, Sizes, Way};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An engine, or a contender written by hand.
    Known(Contender),
    Flume,
    Kanal,
    /// The pipe of smol.
    Piper,
    /// The crate `pipe`.
    Pipe,
    /// `tokio::io::simplex` with a `SyncIoBridge` at each end.
    Simplex,
}

impl Peer {
    /// The peers with a queue of configurable length.
    pub const QUEUES: [Peer; 7] = [
        Peer::Known(Contender::Thread),
        Peer::Known(Contender::Pool),
        Peer::Known(Contender::Crossbeam),
        Peer::Known(Contender::SyncChannel),
        Peer::Known(Contender::TokioMpsc),
        Peer::Flume,
        Peer::Kanal,
    ];

    /// The peers that are pipes of bytes.
    pub const PIPES: [Peer; 4] = [Peer::Known(Contender::OsPipe), Peer::Piper, Peer::Pipe, Peer::Simplex];

    pub fn name(self) -> &'static str {
        match self {
            Peer::Known(contender) => contender.name(),
            Peer::Flume => "flume",
            Peer::Kanal => "kanal",
            Peer::Piper => "piper",
            Peer::Pipe => "pipe",
            Peer::Simplex => "simplex + SyncIoBridge",
        }
    }
}

impl Way for Peer {
    fn is_engine(self) -> bool {
        matches!(self, Peer::Known(contender) if contender.is_engine())
    }

    fn holds_tasks(self) -> bool {
        matches!(self, Peer::Known(contender) if contender.holds_tasks())
    }

    fn open(self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
        match self {
            Peer::Known(contender) => contender.open(sizes, program),
            Peer::Flume => {
                let (sender, receiver) = flume::bounded::<Bytes>(sizes.places());
                let producer = gathered(sizes, program, move |chunk| sender.send(chunk).map_err(gone))?;
                Ok(Box::new(Received { receive: move || receiver.recv().ok(), producer }))
            }
            Peer::Kanal => {
                let (sender, receiver) = kanal::bounded::<Bytes>(sizes.places());
                let producer = gathered(sizes, program, move |chunk| sender.send(chunk).map_err(gone))?;
                Ok(Box::new(Received { receive: move || receiver.recv().ok(), producer }))
            }
            Peer::Piper => {
                let (reader, writer) = piper::pipe(sizes.capacity);
                joined(sizes, program, FromPiper(reader), IntoPiper(writer), drop)
            }
            Peer::Pipe => {
                let (reader, writer) = pipe::pipe();
                joined(sizes, program, reader, writer, drop)
            }
            Peer::Simplex => {
                let (reader, writer) = tokio::io::simplex(sizes.capacity);
                let reader = SyncIoBridge::new_with_handle(reader, RUNTIME.handle().clone());
                let writer = SyncIoBridge::new_with_handle(writer, RUNTIME.handle().clone());
                // Dropping the bridge would not end the stream.
                joined(sizes, program, reader, writer, |mut writer| {
                    let _ = writer.shutdown();
                })
            }
        }
    }
}

/// The runtime that a `SyncIoBridge` needs.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).build().unwrap());

/// Starts a program on a pipe of bytes, with buffers of a chunk at both ends.
fn joined<R: Read + 'static, W: Write + Send + 'static>(
    sizes: Sizes,
    program: impl Program,
    reader: R,
    writer: W,
    end: impl FnOnce(W) + Send + 'static,
) -> io::Result<Box<dyn Bridge>> {
    let producer = Producer::start(move || {
        let mut w = BufWriter::with_capacity(sizes.chunk, writer);
        program.run(&mut w)?;
        end(w.into_inner()?);
        Ok(())
    })?;
    Ok(Box::new(ReadInto { reader, buffer: vec![0; sizes.chunk], producer }))
}

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
