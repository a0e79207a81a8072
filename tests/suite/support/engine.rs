//! Every engine behind one interface, so that a law is stated once.

use std::io::{self, BufRead, Write};
use std::sync::OnceLock;
use std::thread;

use bytes::Bytes;
use pushpull::{Error, Local, Pool, Thread, local, pipe};

/// The writer of a program.
pub trait Outlet: Write {
    fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()>;
    fn is_closed(&self) -> bool;
}

impl Outlet for pushpull::Writer {
    fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        pushpull::Writer::write_bytes(self, bytes)
    }

    fn is_closed(&self) -> bool {
        pushpull::Writer::is_closed(self)
    }
}

impl Outlet for local::Writer {
    fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        local::Writer::write_bytes(self, bytes)
    }

    fn is_closed(&self) -> bool {
        local::Writer::is_closed(self)
    }
}

/// The writer end of a program that reads.
pub trait Inlet<T>: Write {
    fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()>;
    fn is_closed(&self) -> bool;
    fn abort(self: Box<Self>, error: io::Error);
    fn finish(self: Box<Self>) -> io::Result<T>;
}

macro_rules! inlet {
    ($feed:ty) => {
        impl<T> Inlet<T> for $feed {
            fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
                <$feed>::write_bytes(self, bytes)
            }

            fn is_closed(&self) -> bool {
                <$feed>::is_closed(self)
            }

            fn abort(self: Box<Self>, error: io::Error) {
                <$feed>::abort(*self, error);
            }

            fn finish(self: Box<Self>) -> io::Result<T> {
                <$feed>::finish(*self)
            }
        }
    };
}

inlet!(pushpull::Feed<T>);
inlet!(local::Feed<T>);

pub type Pushes = Box<dyn FnOnce(&mut dyn Outlet) -> io::Result<()> + Send>;
pub type Pulls<T> = Box<dyn FnOnce(&mut dyn BufRead) -> io::Result<T> + Send>;
pub type Filters = Box<dyn FnOnce(&mut dyn BufRead, &mut dyn Outlet) -> io::Result<()> + Send>;
pub type Items = Box<dyn Iterator<Item = io::Result<Bytes>>>;

/// An engine's options.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub chunk_size: usize,
    pub capacity: usize,
    pub unbuffered: bool,
    pub unwind: bool,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup { chunk_size: 16, capacity: 64, unbuffered: false, unwind: true }
    }
}

pub trait Engine: Copy + Send + 'static {
    /// `true` if a queue lies between the two sides, so that the program runs ahead.
    const QUEUED: bool;
    /// `true` if the engine runs the program itself, and sees it panic.
    const RUNS_PROGRAMS: bool = true;
    /// `true` if a wait of a program for another bridge suspends the program, and does not block its thread.
    const WAITS_IN_PLACE: bool = true;

    fn pull(setup: Setup, program: Pushes) -> Items;
    fn read(setup: Setup, program: Pushes) -> Box<dyn BufRead>;
    fn push<T: Send + 'static>(setup: Setup, program: Pulls<T>) -> Box<dyn Inlet<T>>;
    fn pull_from(setup: Setup, program: Filters, source: Vec<io::Result<Bytes>>) -> Items;
    fn push_into<W: Write + Send + 'static>(setup: Setup, program: Filters, sink: W) -> Box<dyn Inlet<W>>;
}

#[derive(Clone, Copy)]
pub struct OnLocal;

pub fn local(setup: Setup) -> Local {
    let local = Local::new().chunk_size(setup.chunk_size).unwind(setup.unwind);
    if setup.unbuffered { local.unbuffered() } else { local }
}

impl Engine for OnLocal {
    const QUEUED: bool = false;

    fn pull(setup: Setup, program: Pushes) -> Items {
        Box::new(local(setup).pull(move |w| program(w)))
    }

    fn read(setup: Setup, program: Pushes) -> Box<dyn BufRead> {
        Box::new(local(setup).pull(move |w| program(w)).into_reader())
    }

    fn push<T: Send + 'static>(setup: Setup, program: Pulls<T>) -> Box<dyn Inlet<T>> {
        Box::new(local(setup).push(move |r| program(r)))
    }

    fn pull_from(setup: Setup, program: Filters, source: Vec<io::Result<Bytes>>) -> Items {
        Box::new(local(setup).filter(move |r, w| program(r, w)).pull_from(source))
    }

    fn push_into<W: Write + Send + 'static>(setup: Setup, program: Filters, sink: W) -> Box<dyn Inlet<W>> {
        Box::new(local(setup).filter(move |r, w| program(r, w)).push_into(sink))
    }
}

#[derive(Clone, Copy)]
pub struct OnThread;

pub fn thread(setup: Setup) -> Thread {
    let thread = Thread::new().chunk_size(setup.chunk_size).capacity(setup.capacity).unwind(setup.unwind);
    if setup.unbuffered { thread.unbuffered() } else { thread }
}

impl Engine for OnThread {
    const QUEUED: bool = true;

    fn pull(setup: Setup, program: Pushes) -> Items {
        Box::new(thread(setup).pull(move |w| program(w)))
    }

    fn read(setup: Setup, program: Pushes) -> Box<dyn BufRead> {
        Box::new(thread(setup).pull(move |w| program(w)).into_reader())
    }

    fn push<T: Send + 'static>(setup: Setup, program: Pulls<T>) -> Box<dyn Inlet<T>> {
        Box::new(thread(setup).push(move |r| program(r)))
    }

    fn pull_from(setup: Setup, program: Filters, source: Vec<io::Result<Bytes>>) -> Items {
        Box::new(thread(setup).filter(move |r, w| program(r, w)).pull_from(source))
    }

    fn push_into<W: Write + Send + 'static>(setup: Setup, program: Filters, sink: W) -> Box<dyn Inlet<W>> {
        Box::new(thread(setup).filter(move |r, w| program(r, w)).push_into(sink))
    }
}

/// Returns a pool that all tests share: most of the time it has more programs than workers.
#[derive(Clone, Copy)]
pub struct OnPool<const WORKERS: usize>;

pub fn pool(workers: usize, setup: Setup) -> Pool {
    static POOLS: [OnceLock<Pool>; 3] = [const { OnceLock::new() }; 3];
    let pool = POOLS[workers].get_or_init(|| Pool::new(workers)).clone();
    let pool = pool.chunk_size(setup.chunk_size).capacity(setup.capacity).unwind(setup.unwind);
    if setup.unbuffered { pool.unbuffered() } else { pool }
}

/// Creates a pool with small chunks, so that both sides wait for each other all the time.
pub fn small(workers: usize) -> Pool {
    Pool::new(workers).chunk_size(4).capacity(8)
}

impl<const WORKERS: usize> Engine for OnPool<WORKERS> {
    const QUEUED: bool = true;

    fn pull(setup: Setup, program: Pushes) -> Items {
        Box::new(pool(WORKERS, setup).pull(move |w| program(w)))
    }

    fn read(setup: Setup, program: Pushes) -> Box<dyn BufRead> {
        Box::new(pool(WORKERS, setup).pull(move |w| program(w)).into_reader())
    }

    fn push<T: Send + 'static>(setup: Setup, program: Pulls<T>) -> Box<dyn Inlet<T>> {
        Box::new(pool(WORKERS, setup).push(move |r| program(r)))
    }

    fn pull_from(setup: Setup, program: Filters, source: Vec<io::Result<Bytes>>) -> Items {
        Box::new(pool(WORKERS, setup).filter(move |r, w| program(r, w)).pull_from(source))
    }

    fn push_into<W: Write + Send + 'static>(setup: Setup, program: Filters, sink: W) -> Box<dyn Inlet<W>> {
        Box::new(pool(WORKERS, setup).filter(move |r, w| program(r, w)).push_into(sink))
    }
}

/// Runs the program on a thread of the test's own, with a bare pipe. The chunk size of a pipe cannot be set.
#[derive(Clone, Copy)]
pub struct OnPipe;

pub fn on_pipe(setup: Setup, program: Pushes) -> pushpull::Chunks {
    let (mut writer, chunks) = pipe(setup.capacity);
    thread::spawn(move || match program(&mut writer) {
        Ok(()) => drop(writer.finish()),
        Err(error) => writer.abort(error),
    });
    chunks
}

impl Engine for OnPipe {
    const QUEUED: bool = true;
    const RUNS_PROGRAMS: bool = false;

    fn pull(setup: Setup, program: Pushes) -> Items {
        Box::new(on_pipe(setup, program))
    }

    fn read(setup: Setup, program: Pushes) -> Box<dyn BufRead> {
        Box::new(on_pipe(setup, program).into_reader())
    }

    fn push<T: Send + 'static>(setup: Setup, program: Pulls<T>) -> Box<dyn Inlet<T>> {
        OnThread::push(setup, program)
    }

    fn pull_from(setup: Setup, program: Filters, source: Vec<io::Result<Bytes>>) -> Items {
        OnThread::pull_from(setup, program, source)
    }

    fn push_into<W: Write + Send + 'static>(setup: Setup, program: Filters, sink: W) -> Box<dyn Inlet<W>> {
        OnThread::push_into(setup, program, sink)
    }
}

/// Collects the bytes and the error that ended them. Asserts that there is only one end.
pub fn drain(mut items: impl Iterator<Item = io::Result<Bytes>>) -> (Vec<u8>, Option<io::Error>) {
    let mut bytes = Vec::new();
    let mut end = None;
    for item in items.by_ref() {
        assert!(end.is_none(), "an item follows an error");
        match item {
            Ok(chunk) => {
                assert!(!chunk.is_empty(), "law 6: an empty chunk");
                bytes.extend_from_slice(&chunk);
            }
            Err(error) => end = Some(error),
        }
    }
    for _ in 0..3 {
        assert!(items.next().is_none(), "law 10: an item follows the end");
    }
    (bytes, end)
}

pub fn is_disconnected(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe && Error::of(error).is_some_and(Error::is_disconnected)
}

/// Runs each law on every engine, and on every engine through every adapter.
#[macro_export]
macro_rules! on_every_engine {
    ($($(#[doc = $doc:literal])* fn $name:ident<$engine:ident: Engine>() $body:block)*) => {
        $(
            $(#[doc = $doc])*
            mod $name {
                #[allow(unused_imports, reason = "each law uses its own part")]
                use super::*;
                use $crate::support::engine::{OnLocal, OnPipe, OnPool, OnThread};

                fn law<$engine: Engine>() $body

                $crate::on_each!(OnLocal, OnThread, OnPool<1>, OnPool<2>, OnPipe);

                #[cfg(all(feature = "http", feature = "tokio"))]
                mod polled {
                    use super::*;
                    use $crate::support::polled::{AsBody, AsFutures, AsStream, AsTokio, Through};

                    mod as_a_stream {
                        use super::*;
                        $crate::through_each!(AsStream);
                    }

                    mod as_a_body {
                        use super::*;
                        $crate::through_each!(AsBody);
                    }

                    mod as_tokios_reader {
                        use super::*;
                        $crate::through_each!(AsTokio);
                    }

                    mod as_a_futures_reader {
                        use super::*;
                        $crate::through_each!(AsFutures);
                    }
                }
            }
        )*
    };
}

/// Runs a law on every engine through one adapter.
#[macro_export]
macro_rules! through_each {
    ($adapter:ty) => {
        $crate::on_each!(
            Through<$adapter, OnLocal>,
            Through<$adapter, OnThread>,
            Through<$adapter, OnPool<1>>,
            Through<$adapter, OnPool<2>>,
            Through<$adapter, OnPipe>
        );
    };
}

/// Runs a law on these engines.
#[macro_export]
macro_rules! on_each {
    ($local:ty, $thread:ty, $pool_of_one:ty, $pool_of_two:ty, $pipe:ty) => {
        #[test]
        fn on_local() {
            within(law::<$local>);
        }

        #[test]
        fn on_thread() {
            within(law::<$thread>);
        }

        #[test]
        fn on_a_pool_of_one() {
            within(law::<$pool_of_one>);
        }

        #[test]
        fn on_a_pool_of_two() {
            within(law::<$pool_of_two>);
        }

        #[test]
        fn on_pipe() {
            within(law::<$pipe>);
        }
    };
}
