//! A writer that has nothing to write notices that its reader was dropped.

use std::io::{self, Write};
use std::pin::{Pin, pin};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};

use pushpull::{Chunks, Pool, Thread, Writer, pipe};
use pushpull_testing::watchdog::within;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn poll(closed: impl Future<Output = ()>) -> Poll<()> {
    pin!(closed).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn an_idle_writer_learns_that_its_reader_was_dropped() {
    within(|| {
        for wait in [|writer: &Writer| writer.closed().wait(), |writer: &Writer| block_on(writer.closed())] {
            let (writer, chunks) = pipe(64);
            assert!(poll(writer.closed()).is_pending());
            std::thread::scope(|scope| {
                scope.spawn(|| wait(&writer));
                // Several may wait, and a cancelled wait takes no wake-up from another.
                scope.spawn(|| wait(&writer));
                assert!(poll(writer.closed()).is_pending());
                drop(chunks);
            });
            assert!(poll(writer.closed()).is_ready());
        }
    });
}

#[test]
fn a_cancelled_wait_leaves_nothing_behind() {
    within(|| {
        let (writer, chunks) = pipe(64);
        let held = std::sync::Arc::new(Wakes);
        for _ in 0..100 {
            let waker = held.clone().into();
            let mut closed = writer.closed();
            assert!(Pin::new(&mut closed).poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(Pin::new(&mut closed).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(std::sync::Arc::strong_count(&held), 1);
        drop(chunks);
    });
}

struct Wakes;

impl std::task::Wake for Wakes {
    fn wake(self: std::sync::Arc<Self>) {}
}

#[test]
fn what_was_written_is_pulled_while_the_writer_waits() {
    within(|| {
        let (mut writer, mut chunks) = pipe(64);
        writer.write_all(b"hello").unwrap();
        let waiting = std::thread::spawn(move || writer.closed().wait());
        assert_eq!(chunks.next().unwrap().unwrap(), "hello");
        drop(chunks);
        waiting.join().unwrap();
    });
}

#[test]
fn a_pooled_program_that_waits_holds_no_thread() {
    within(|| {
        let pool = Pool::new(1);
        let (told, tell) = channel();
        let mut waiting: Vec<Chunks> = (0..100)
            .map(|_| {
                let told = told.clone();
                pool.pull(move |w| {
                    w.write_all(b"hello")?;
                    w.closed().wait();
                    told.send(w.is_closed()).unwrap();
                    Ok(())
                })
            })
            .collect();
        // All programs wait on the one worker, and the bytes of each can be pulled.
        for chunks in &mut waiting {
            assert_eq!(chunks.next().unwrap().unwrap(), "hello");
        }
        drop(waiting);
        drop(told);
        assert_eq!(tell.iter().filter(|closed| *closed).count(), 100);
    });
}

#[test]
fn a_program_on_a_thread_learns_that_its_reader_was_dropped() {
    within(|| {
        let mut chunks = Thread::new().pull(|w| {
            w.write_all(b"hello")?;
            w.closed().wait();
            Ok(())
        });
        assert_eq!(chunks.next().unwrap().unwrap(), "hello");
        chunks.join();
    });
}

#[test]
fn stats_are_the_same_at_both_ends() {
    within(|| {
        let (mut writer, mut chunks) = pipe(64);
        writer.write_all(b"hello").unwrap();
        chunks.next().unwrap().unwrap();
        assert_eq!((writer.stats().bytes, writer.stats().chunks), (5, 1));
        assert_eq!(writer.stats(), chunks.stats());

        let mut feed = Pool::new(1).push(|r| std::io::Read::read(r, &mut [0; 5]));
        feed.write_all(b"hello").unwrap();
        while !feed.is_closed() {
            std::thread::yield_now();
        }
        assert_eq!(feed.stats().bytes, 5);

        let mut feed = pushpull::Local::new().push(|r| std::io::Read::read(r, &mut [0; 5]));
        feed.write_all(b"hello").unwrap();
        feed.flush().unwrap();
        assert_eq!((feed.stats().bytes, feed.stats().chunks), (5, 1));
    });
}

#[test]
fn a_reader_counts_what_it_has_taken() {
    fn local(r: &mut pushpull::local::Reader) -> io::Result<(u64, u64)> {
        io::Read::read_exact(r, &mut [0; 5])?;
        Ok((r.stats().bytes, r.stats().chunks))
    }
    fn queued(r: &mut pushpull::Reader) -> io::Result<(u64, u64)> {
        io::Read::read_exact(r, &mut [0; 5])?;
        Ok((r.stats().bytes, r.stats().chunks))
    }
    let hello = || [Ok(bytes::Bytes::new()), Ok("hello".into()), Ok("world".into())];
    within(move || {
        let mut feed = pushpull::Local::new().push(local);
        feed.write_bytes("hello".into()).unwrap();
        assert_eq!(feed.finish().unwrap(), (5, 1));
        let mut feed = Pool::new(1).push(queued);
        feed.write_bytes("hello".into()).unwrap();
        assert_eq!(feed.finish().unwrap(), (5, 1));

        // The reader itself pulls a filter's source.
        let counts = |(bytes, chunks): (u64, u64), w: &mut dyn Write| w.write_all(&[bytes as u8, chunks as u8]);
        let chunks = pushpull::Local::new().filter(move |r, w| counts(local(r)?, w)).pull_from(hello());
        assert_eq!(chunks.collect::<io::Result<Vec<_>>>().unwrap().concat(), [5, 1]);
        let chunks = Thread::new().filter(move |r, w| counts(queued(r)?, w)).pull_from(hello());
        assert_eq!(chunks.collect::<io::Result<Vec<_>>>().unwrap().concat(), [5, 1]);

        let mut reader = Pool::new(1).pull(|w| w.write_all(b"hello")).into_reader();
        io::Read::read_exact(&mut reader, &mut [0; 3]).unwrap();
        assert_eq!((reader.stats().bytes, reader.stats().chunks), (5, 1), "a chunk is counted when it is taken");
        let mut reader = pushpull::Local::new().pull(|w| w.write_all(b"hello")).into_reader();
        io::Read::read_exact(&mut reader, &mut [0; 3]).unwrap();
        assert_eq!((reader.stats().bytes, reader.stats().chunks), (5, 1));
    });
}
