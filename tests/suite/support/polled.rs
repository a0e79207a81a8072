//! Every engine behind every asynchronous adapter, as an engine of its own, so that each law runs on each pair.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, BufRead, Read, Write};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread::{self, Thread};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use pushpull::{local, pipe};

use super::engine::{
    Engine, Filters, Inlet, Items, OnLocal, OnPipe, OnPool, OnThread, Pulls, Pushes, Setup, local, on_pipe, pool,
    thread,
};

/// Runs a future on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Parker(Thread);
    impl Wake for Parker {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Parker(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

pub type Source = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;
pub type Fate<T> = Pin<Box<dyn Future<Output = io::Result<T>>>>;

/// Both kinds of chunks behind one trait: those of the crate root, and those of `local`.
pub trait Polls: Stream<Item = io::Result<Bytes>> + Unpin + 'static {
    type Body: Body<Data = Bytes, Error = io::Error> + Unpin + 'static;
    type Reader: tokio::io::AsyncBufRead + futures_util::AsyncBufRead + BufRead + Unpin + 'static;

    fn into_body(self) -> Self::Body;
    fn into_reader(self) -> Self::Reader;
}

macro_rules! polls {
    ($chunks:ty, $body:ty, $reader:ty) => {
        impl Polls for $chunks {
            type Body = $body;
            type Reader = $reader;

            fn into_body(self) -> $body {
                <$chunks>::into_body(self)
            }

            fn into_reader(self) -> $reader {
                <$chunks>::into_reader(self)
            }
        }
    };
}

polls!(pushpull::Chunks, pushpull::Body, pushpull::Reader);
polls!(local::Chunks, local::Body, local::Reader);

/// An engine whose bridges can be polled, and fed by a stream or a body.
pub trait Polled: Engine {
    type Chunks: Polls;

    fn chunks(setup: Setup, program: Pushes) -> Self::Chunks;
    fn fed<T: Send + 'static>(setup: Setup, program: Pulls<T>, source: Source, body: bool) -> Fate<T>;
    fn filtered(setup: Setup, program: Filters, source: Source, body: bool) -> Self::Chunks;
    fn fed_into<W: Write + Send + 'static>(
        setup: Setup,
        program: Filters,
        sink: W,
        source: Source,
        body: bool,
    ) -> Fate<W>;
}

fn body_of(source: Source) -> impl Body<Data = Bytes, Error = io::Error> + Send {
    StreamBody::new(source.map_ok(Frame::data))
}

macro_rules! polled {
    ($([$($consts:tt)*] $engine:ty, $chunks:ty, |$setup:ident| $value:expr;)*) => {$(
        impl<$($consts)*> Polled for $engine {
            type Chunks = $chunks;

            fn chunks($setup: Setup, program: Pushes) -> $chunks {
                $value.pull(move |w| program(w))
            }

            fn fed<T: Send + 'static>($setup: Setup, program: Pulls<T>, source: Source, body: bool) -> Fate<T> {
                let feed = $value.push(move |r| program(r));
                if body { Box::pin(feed.feed_from_body(body_of(source))) } else { Box::pin(feed.feed_from_stream(source)) }
            }

            fn filtered($setup: Setup, program: Filters, source: Source, body: bool) -> $chunks {
                let filter = $value.filter(move |r, w| program(r, w));
                if body { filter.pull_from_body(body_of(source)) } else { filter.pull_from_stream(source) }
            }

            fn fed_into<W: Write + Send + 'static>(
                $setup: Setup,
                program: Filters,
                sink: W,
                source: Source,
                body: bool,
            ) -> Fate<W> {
                let feed = $value.filter(move |r, w| program(r, w)).push_into(sink);
                if body { Box::pin(feed.feed_from_body(body_of(source))) } else { Box::pin(feed.feed_from_stream(source)) }
            }
        }
    )*};
}

polled! {
    [] OnLocal, local::Chunks, |setup| local(setup);
    [] OnThread, pushpull::Chunks, |setup| thread(setup);
    [const WORKERS: usize] OnPool<WORKERS>, pushpull::Chunks, |setup| pool(WORKERS, setup);
}

impl Polled for OnPipe {
    type Chunks = pushpull::Chunks;

    fn chunks(setup: Setup, program: Pushes) -> pushpull::Chunks {
        on_pipe(setup, program)
    }

    fn fed<T: Send + 'static>(setup: Setup, program: Pulls<T>, source: Source, body: bool) -> Fate<T> {
        OnThread::fed(setup, program, source, body)
    }

    fn filtered(setup: Setup, program: Filters, source: Source, body: bool) -> pushpull::Chunks {
        OnThread::filtered(setup, program, source, body)
    }

    fn fed_into<W: Write + Send + 'static>(
        setup: Setup,
        program: Filters,
        sink: W,
        source: Source,
        body: bool,
    ) -> Fate<W> {
        OnThread::fed_into(setup, program, sink, source, body)
    }
}

/// A trait through which chunks are pulled.
pub trait Adapter: Copy + Send + 'static {
    /// `true` if a program's input comes from a body, not from a stream.
    const BODY: bool = false;

    fn items(chunks: impl Polls) -> Items;
}

#[derive(Clone, Copy)]
pub struct AsStream;
#[derive(Clone, Copy)]
pub struct AsBody;
#[derive(Clone, Copy)]
pub struct AsTokio;
#[derive(Clone, Copy)]
pub struct AsFutures;

impl Adapter for AsStream {
    fn items(mut chunks: impl Polls) -> Items {
        Box::new(std::iter::from_fn(move || block_on(poll_fn(|context| Pin::new(&mut chunks).poll_next(context)))))
    }
}

impl Adapter for AsBody {
    const BODY: bool = true;

    fn items(chunks: impl Polls) -> Items {
        let mut body = chunks.into_body();
        Box::new(std::iter::from_fn(move || {
            let frame = block_on(poll_fn(|context| Pin::new(&mut body).poll_frame(context)))?;
            Some(frame.map(|frame| frame.into_data().unwrap()))
        }))
    }
}

/// Reads all available bytes as one chunk. Asserts that a reader that has failed fails again in the same way.
macro_rules! reads {
    ($adapter:ident, $read:path) => {
        impl Adapter for $adapter {
            fn items(chunks: impl Polls) -> Items {
                let mut reader = chunks.into_reader();
                let mut failed = None;
                Box::new(std::iter::from_fn(move || {
                    let filled = block_on(poll_fn(|context| {
                        let filled = ready!(<_ as $read>::poll_fill_buf(Pin::new(&mut reader), context));
                        Poll::Ready(filled.map(Bytes::copy_from_slice))
                    }));
                    match filled {
                        Ok(bytes) => {
                            assert!(failed.is_none(), "law 2: a failed reader does not fail again in the same way");
                            <_ as $read>::consume(Pin::new(&mut reader), bytes.len());
                            (!bytes.is_empty()).then_some(Ok(bytes))
                        }
                        Err(error) if failed.is_none() => {
                            failed = Some(error.kind());
                            Some(Err(error))
                        }
                        Err(error) => {
                            assert_eq!(
                                Some(error.kind()),
                                failed,
                                "law 2: a failed reader does not fail again in the same way"
                            );
                            None
                        }
                    }
                }))
            }
        }
    };
}

reads!(AsTokio, tokio::io::AsyncBufRead);
reads!(AsFutures, futures_util::AsyncBufRead);

/// An engine whose bridges are polled through an adapter.
#[derive(Clone, Copy)]
pub struct Through<A, E>(PhantomData<(A, E)>);

impl<A: Adapter, E: Polled> Engine for Through<A, E> {
    const QUEUED: bool = E::QUEUED;
    const RUNS_PROGRAMS: bool = E::RUNS_PROGRAMS;
    const WAITS_IN_PLACE: bool = false;

    fn pull(setup: Setup, program: Pushes) -> Items {
        A::items(E::chunks(setup, program))
    }

    fn read(setup: Setup, program: Pushes) -> Box<dyn BufRead> {
        Box::new(Blocking(E::chunks(setup, program).into_reader()))
    }

    fn push<T: Send + 'static>(setup: Setup, program: Pulls<T>) -> Box<dyn Inlet<T>> {
        Box::new(Fed::new(|source| E::fed(setup, program, source, A::BODY)))
    }

    fn pull_from(setup: Setup, program: Filters, source: Vec<io::Result<Bytes>>) -> Items {
        A::items(E::filtered(setup, program, Box::pin(futures_util::stream::iter(source)), A::BODY))
    }

    fn push_into<W: Write + Send + 'static>(setup: Setup, program: Filters, sink: W) -> Box<dyn Inlet<W>> {
        Box::new(Fed::new(|source| E::fed_into(setup, program, sink, source, A::BODY)))
    }
}

/// An asynchronous reader as a blocking one.
struct Blocking<R>(R);

impl<R: tokio::io::AsyncBufRead + Unpin> Read for Blocking<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        block_on(poll_fn(|context| {
            let mut into = tokio::io::ReadBuf::new(into);
            ready!(Pin::new(&mut self.0).poll_read(context, &mut into))?;
            Poll::Ready(Ok(into.filled().len()))
        }))
    }
}

impl<R: tokio::io::AsyncBufRead + Unpin> BufRead for Blocking<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        block_on(poll_fn(|context| Pin::new(&mut self.0).poll_fill_buf(context).map_ok(drop)))?;
        match Pin::new(&mut self.0).poll_fill_buf(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(filled) => filled,
            Poll::Pending => panic!("the available bytes are gone"),
        }
    }

    fn consume(&mut self, len: usize) {
        Pin::new(&mut self.0).consume(len);
    }
}

/// The writer end of a program that is fed by polls: what is written here is its source.
struct Fed<T> {
    queue: Arc<Mutex<Queue>>,
    state: Fating<T>,
}

enum Fating<T> {
    Pending(Fate<T>),
    Ended(io::Result<T>),
}

#[derive(Default)]
struct Queue {
    items: VecDeque<io::Result<Bytes>>,
    closed: bool,
}

impl<T> Fed<T> {
    fn new(fate: impl FnOnce(Source) -> Fate<T>) -> Fed<T> {
        let queue = Arc::new(Mutex::new(Queue::default()));
        let items = queue.clone();
        let source = futures_util::stream::poll_fn(move |_| {
            let mut queue = items.lock().unwrap();
            match queue.items.pop_front() {
                Some(item) => Poll::Ready(Some(item)),
                None if queue.closed => Poll::Ready(None),
                // `put` polls after it has added an item.
                None => Poll::Pending,
            }
        });
        Fed { queue, state: Fating::Pending(fate(Box::pin(source))) }
    }

    /// Polls until the queue is empty or the program has ended.
    fn drain(&mut self) {
        let Fating::Pending(fate) = &mut self.state else { return };
        let queue = &self.queue;
        let ended = block_on(poll_fn(|context| match fate.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if queue.lock().unwrap().items.is_empty() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }));
        if let Some(result) = ended {
            self.state = Fating::Ended(result);
        }
    }

    fn put(&mut self, item: io::Result<Bytes>) -> io::Result<()> {
        match &self.state {
            Fating::Ended(Err(error)) => return Err(io::Error::new(error.kind(), error.to_string())),
            Fating::Ended(Ok(_)) => return Err(disconnected()),
            Fating::Pending(_) => {}
        }
        self.queue.lock().unwrap().items.push_back(item);
        self.drain();
        Ok(())
    }
}

fn disconnected() -> io::Error {
    let (mut writer, chunks) = pipe(1);
    drop(chunks);
    writer.write(b"x").unwrap_err()
}

impl<T> Write for Fed<T> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.put(Ok(Bytes::copy_from_slice(buf))).map(|()| buf.len())
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.write(&all)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.drain();
        Ok(())
    }
}

impl<T> Inlet<T> for Fed<T> {
    fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        self.put(Ok(bytes))
    }

    fn is_closed(&self) -> bool {
        matches!(self.state, Fating::Ended(_))
    }

    fn abort(mut self: Box<Self>, error: io::Error) {
        let _ = self.put(Err(error));
    }

    fn finish(self: Box<Self>) -> io::Result<T> {
        self.queue.lock().unwrap().closed = true;
        match self.state {
            Fating::Pending(fate) => block_on(fate),
            Fating::Ended(result) => result,
        }
    }
}
