//! A script for both sides of a bridge, on every engine and with every verb, against an oracle in memory.

#![no_main]

use std::io::{self, BufRead, IoSlice, Read, Write};
use std::panic;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use futures_core::Stream;
use libfuzzer_sys::fuzz_target;
use pushpull::{Budget, Error, Local, Pool, Thread, local};

#[derive(Debug, Arbitrary)]
struct Case {
    engine: On,
    chunk_size: u8,
    capacity: u16,
    unbuffered: bool,
    budget: Option<u16>,
    script: Script,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum On {
    Local,
    Thread,
    Pool,
}

#[derive(Debug, Arbitrary)]
enum Script {
    Pull {
        program: Vec<Act>,
        ends: Ends,
        host: Vec<Look>,
    },
    /// The same through a bare pipe, whose program runs on a thread of the host.
    Pipe {
        program: Vec<Act>,
        ends: Ends,
        host: Vec<Look>,
    },
    Push {
        host: Vec<Act>,
        piece: u8,
        stops_after: Option<u16>,
        is_aborted: bool,
    },
    Filter {
        pieces: Vec<u8>,
        fails: bool,
        host: Vec<Look>,
    },
}

/// What a writing side does.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Act {
    Write(u16),
    Hand(u16),
    Vectored(u8, u8),
    Format(u32),
    Flush,
    Yield,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
enum Ends {
    Well,
    Fails,
    Panics,
    /// A pipe's writer is dropped, which is no end.
    Forgets,
}

/// What a reading side does.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Look {
    Next,
    Poll,
    Hurry,
    Stats,
    Yield,
    /// Drives into a sink that refuses after this number of writes.
    Drive(u8),
    /// Reads the rest in pieces of this size.
    Read(u8),
    Drop,
}

/// The bytes of a script, so that a lost, doubled or moved byte is found.
struct Numbers(u32);

impl Numbers {
    fn take(&mut self, len: usize) -> Vec<u8> {
        let next = |_| {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 24) as u8
        };
        (0..len).map(next).collect()
    }
}

/// A writing end of any kind.
trait Outlet: Write {
    fn hand(&mut self, bytes: Bytes) -> io::Result<()>;
}

macro_rules! outlet {
    ($($outlet:ty),*) => {$(
        impl Outlet for $outlet {
            fn hand(&mut self, bytes: Bytes) -> io::Result<()> {
                self.write_bytes(bytes)
            }
        }
    )*};
}

outlet!(pushpull::Writer, local::Writer, pushpull::Feed<Vec<u8>>, local::Feed<Vec<u8>>);

impl Outlet for Vec<u8> {
    fn hand(&mut self, bytes: Bytes) -> io::Result<()> {
        self.write_all(&bytes)
    }
}

fn play(acts: &[Act], w: &mut impl Outlet) -> io::Result<()> {
    let mut numbers = Numbers(1);
    for act in acts {
        match *act {
            Act::Write(len) => w.write_all(&numbers.take(len.into()))?,
            Act::Hand(len) => w.hand(numbers.take(len.into()).into())?,
            Act::Vectored(a, b) => {
                let parts = [numbers.take(a.into()), numbers.take(b.into())];
                let mut slices = [IoSlice::new(&parts[0]), IoSlice::new(&parts[1])];
                let mut slices = &mut slices[..];
                IoSlice::advance_slices(&mut slices, 0);
                while !slices.is_empty() {
                    let written = w.write_vectored(slices)?;
                    assert!(written > 0, "a write of something takes nothing");
                    IoSlice::advance_slices(&mut slices, written);
                }
            }
            Act::Format(number) => write!(w, "{number:x}<{}>", number % 7)?,
            Act::Flush => w.flush()?,
            Act::Yield => std::thread::yield_now(),
        }
    }
    Ok(())
}

fn expected(acts: &[Act]) -> Vec<u8> {
    let mut bytes = Vec::new();
    play(acts, &mut bytes).expect("a Vec takes everything");
    bytes
}

fn program<W: Outlet>(acts: Vec<Act>, ends: Ends) -> impl FnOnce(&mut W) -> io::Result<()> + Send {
    move |w| {
        play(&acts, w)?;
        match ends {
            Ends::Well | Ends::Forgets => Ok(()),
            Ends::Fails => Err(io::ErrorKind::StorageFull.into()),
            // Without the hook, which would end the fuzzer.
            Ends::Panics => panic::resume_unwind(Box::new("the program's")),
        }
    }
}

/// A sink that refuses now and then.
struct Refusing<'a> {
    bytes: &'a mut Vec<u8>,
    turns: u8,
}

impl Write for Refusing<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.turns = self.turns.checked_sub(1).ok_or(io::ErrorKind::WouldBlock)?;
        let len = buf.len().min(usize::from(self.turns) + 1);
        self.bytes.extend_from_slice(&buf[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reading end of either kind.
trait Pulling: Iterator<Item = io::Result<Bytes>> + Stream<Item = io::Result<Bytes>> + Unpin + Sized {
    fn peak(&self) -> usize;
    fn drive(&mut self, sink: &mut Refusing<'_>) -> io::Result<u64>;
    fn reader(self) -> impl BufRead;

    fn hurry(&mut self) -> Option<io::Result<Bytes>> {
        self.next()
    }
}

impl Pulling for local::Chunks {
    fn peak(&self) -> usize {
        // It has no queue.
        0
    }

    fn drive(&mut self, sink: &mut Refusing<'_>) -> io::Result<u64> {
        self.drive_into(sink)
    }

    fn reader(self) -> impl BufRead {
        self.into_reader()
    }
}

impl Pulling for pushpull::Chunks {
    fn peak(&self) -> usize {
        self.stats().peak
    }

    fn drive(&mut self, sink: &mut Refusing<'_>) -> io::Result<u64> {
        // It gives up what the sink refuses, so this one refuses nothing.
        pushpull::drive(self, &mut *sink.bytes)
    }

    fn reader(self) -> impl BufRead {
        self.into_reader()
    }

    fn hurry(&mut self) -> Option<io::Result<Bytes>> {
        self.next_timeout(Duration::ZERO)
    }
}

/// What was read, and how it ended.
#[derive(Default)]
struct Taken {
    bytes: Vec<u8>,
    error: Option<io::Error>,
    is_over: bool,
}

impl Taken {
    fn take(&mut self, item: Option<io::Result<Bytes>>) {
        let Some(item) = item else {
            self.is_over = true;
            return;
        };
        assert!(self.error.is_none(), "law 3: an item follows the error");
        match item {
            Ok(chunk) => {
                assert!(!chunk.is_empty(), "law 6: an empty chunk");
                self.bytes.extend_from_slice(&chunk);
            }
            Err(error) => self.error = Some(error),
        }
    }
}

/// Reads a bridge as the script says, then to its end.
fn host(mut chunks: impl Pulling, looks: &[Look], expected: &[u8], ends: Ends, capacity: usize) {
    let mut taken = Taken::default();
    for look in looks {
        assert!(expected.starts_with(&taken.bytes), "law 1: not what was written");
        match *look {
            _ if taken.is_over => break,
            Look::Next => taken.take(chunks.next()),
            Look::Poll => {
                if let Poll::Ready(item) = Pin::new(&mut chunks).poll_next(&mut Context::from_waker(Waker::noop())) {
                    taken.take(item);
                }
            }
            Look::Hurry => match chunks.hurry() {
                Some(Err(error)) if Error::of(&error).is_some_and(Error::is_timed_out) => {}
                item => taken.take(item),
            },
            Look::Stats => assert!(chunks.peak() <= capacity, "law 4: {} in flight of {capacity}", chunks.peak()),
            Look::Yield => thread::yield_now(),
            Look::Drive(turns) if taken.error.is_none() => {
                let mut sink = Refusing { bytes: &mut taken.bytes, turns };
                match chunks.drive(&mut sink) {
                    Ok(_) => taken.is_over = true,
                    // What the sink took is gone from the bridge, and the rest is still there.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => (taken.error, taken.is_over) = (Some(error), true),
                }
            }
            Look::Drive(_) => {}
            Look::Read(size) if taken.error.is_none() => {
                let error = read(chunks.reader(), usize::from(size), &mut taken.bytes).err();
                return check(&taken.bytes, expected, ends, error);
            }
            Look::Read(_) => {}
            Look::Drop => return,
        }
    }
    while !taken.is_over {
        taken.take(chunks.next());
    }
    assert!(chunks.next().is_none(), "law 3: an item follows the end");
    assert!(chunks.peak() <= capacity, "law 4");
    check(&taken.bytes, expected, ends, taken.error);
}

fn read(mut reader: impl BufRead, size: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = vec![0; size / 2 + 1];
    loop {
        let len = if size.is_multiple_of(2) {
            let len = reader.read(&mut piece)?;
            bytes.extend_from_slice(&piece[..len]);
            len
        } else {
            let found = reader.fill_buf()?;
            let len = found.len().min(piece.len());
            bytes.extend_from_slice(&found[..len]);
            reader.consume(len);
            len
        };
        if len == 0 {
            return Ok(());
        }
    }
}

fn check(bytes: &[u8], expected: &[u8], ends: Ends, error: Option<io::Error>) {
    assert!(bytes == expected, "law 1: {} bytes of {}", bytes.len(), expected.len());
    let is_right = match (ends, &error) {
        (Ends::Well, None) => true,
        (Ends::Fails, Some(error)) => error.kind() == io::ErrorKind::StorageFull,
        (Ends::Panics, Some(error)) => Error::of(error).is_some_and(Error::is_panic),
        (Ends::Forgets, Some(error)) => Error::of(error).is_some_and(Error::is_truncated),
        _ => false,
    };
    assert!(is_right, "law 2: {ends:?} was reported as {error:?}");
}

/// A program that reads in pieces, and may return before the end.
fn reads(mut r: impl Read, piece: usize, stops_after: Option<u16>) -> io::Result<Vec<u8>> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        match r.read(&mut buffer)? {
            0 => return Ok(bytes),
            len => bytes.extend_from_slice(&buffer[..len]),
        }
        if stops_after.is_some_and(|most| bytes.len() >= usize::from(most)) {
            return Ok(bytes);
        }
    }
}

macro_rules! push {
    ($feed:expr, $script:expr, $stops_after:expr, $is_aborted:expr) => {{
        let mut feed = $feed;
        let expected = expected(&$script);
        let pushed = play(&$script, &mut feed);
        if $is_aborted {
            return feed.abort(io::ErrorKind::TimedOut.into());
        }
        let bytes = feed.finish().expect("the program returns Ok");
        assert!(expected.starts_with(&bytes), "law 1");
        match pushed {
            Ok(()) => assert!($stops_after.is_some() || bytes == expected, "law 1"),
            Err(error) => assert!($stops_after.is_some() && error.kind() == io::ErrorKind::BrokenPipe, "{error}"),
        }
    }};
}

/// Inverts each byte, in pieces of its own.
fn invert(mut r: impl Read, mut w: impl Write) -> io::Result<()> {
    let mut piece = [0; 13];
    loop {
        let len = r.read(&mut piece)?;
        if len == 0 {
            return Ok(());
        }
        piece[..len].iter_mut().for_each(|byte| *byte = !*byte);
        w.write_all(&piece[..len])?;
    }
}

fuzz_target!(|case: Case| {
    let Case { engine, chunk_size, capacity, unbuffered, budget, script } = case;
    let (chunk_size, capacity) = (usize::from(chunk_size) + 1, usize::from(capacity) + 1);
    let mut on_local = Local::new().chunk_size(chunk_size);
    let mut on_thread = Thread::new().chunk_size(chunk_size).capacity(capacity);
    let mut on_pool = Pool::global().clone().chunk_size(chunk_size).capacity(capacity);
    if unbuffered {
        (on_local, on_thread, on_pool) = (on_local.unbuffered(), on_thread.unbuffered(), on_pool.unbuffered());
    }
    if let Some(bytes) = budget {
        let budget = Budget::new(usize::from(bytes) + 1);
        (on_thread, on_pool) = (on_thread.budget(&budget), on_pool.budget(&budget));
    }
    match script {
        Script::Pull { program: acts, ends, host: looks } => {
            let expected = expected(&acts);
            let ends = if ends == Ends::Forgets { Ends::Well } else { ends };
            match engine {
                On::Local => host(on_local.pull(program(acts, ends)), &looks, &expected, ends, capacity),
                On::Thread => host(on_thread.pull(program(acts, ends)), &looks, &expected, ends, capacity),
                On::Pool => host(on_pool.pull(program(acts, ends)), &looks, &expected, ends, capacity),
            }
        }
        Script::Pipe { program: acts, ends, host: looks } => {
            let expected = expected(&acts);
            let ends = if ends == Ends::Panics { Ends::Fails } else { ends };
            let (mut writer, chunks) = pushpull::pipe(capacity);
            let writing = thread::spawn(move || match program(acts, ends)(&mut writer) {
                Ok(()) if ends == Ends::Forgets => {}
                Ok(()) => drop(writer.finish()),
                Err(error) => writer.abort(error),
            });
            host(chunks, &looks, &expected, ends, capacity);
            writing.join().expect("the writer does not panic");
        }
        Script::Push { host: acts, piece, stops_after, is_aborted } => {
            let piece = usize::from(piece) + 1;
            match engine {
                On::Local => push!(on_local.push(move |r| reads(r, piece, stops_after)), acts, stops_after, is_aborted),
                On::Thread => {
                    push!(on_thread.push(move |r| reads(r, piece, stops_after)), acts, stops_after, is_aborted)
                }
                On::Pool => push!(on_pool.push(move |r| reads(r, piece, stops_after)), acts, stops_after, is_aborted),
            }
        }
        Script::Filter { pieces, fails, host: looks } => {
            let mut numbers = Numbers(1);
            let pieces: Vec<Vec<u8>> = pieces.into_iter().map(|len| numbers.take(len.into())).collect();
            let expected: Vec<u8> = pieces.concat().iter().map(|byte| !byte).collect();
            let failure = fails.then(|| Err(io::ErrorKind::StorageFull.into()));
            let source = pieces.into_iter().map(|piece| Ok(Bytes::from(piece))).chain(failure);
            let ends = if fails { Ends::Fails } else { Ends::Well };
            match engine {
                On::Local => {
                    host(on_local.filter(|r, w| invert(r, w)).pull_from(source), &looks, &expected, ends, capacity);
                }
                On::Thread => {
                    host(on_thread.filter(|r, w| invert(r, w)).pull_from(source), &looks, &expected, ends, capacity);
                }
                On::Pool => {
                    host(on_pool.filter(|r, w| invert(r, w)).pull_from(source), &looks, &expected, ends, capacity);
                }
            }
        }
    }
});
