//! The channel and its segment in every interleaving of two threads, checked with `loom`.
//!
//! `RUSTFLAGS="--cfg pushpull_loom" cargo test --release --features stream --test model`
#![cfg(pushpull_loom)]

mod narrow;

use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::{AsyncWrite, Stream};
use loom::future::block_on;
use loom::thread;
use pushpull::{Chunks, Error, Writer, pipe};

/// Runs `test` in every interleaving with a bounded number of preemptions, which finds every known bug of two threads.
fn model(test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

fn collect(chunks: Chunks) -> (Vec<u8>, Option<io::Error>) {
    let mut bytes = Vec::new();
    let mut end = None;
    for item in chunks {
        match item {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(error) => end = Some(error),
        }
    }
    (bytes, end)
}

/// A waker that counts its wake-ups.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll_next(chunks: &mut Chunks, context: &mut Context<'_>) -> Poll<Option<io::Result<bytes::Bytes>>> {
    pin!(chunks).poll_next(context)
}

#[test]
fn laws_1_and_11_small_writes_arrive_and_wake() {
    model(|| {
        let (mut writer, chunks) = pipe(4);
        let puller = thread::spawn(move || collect(chunks));
        writer.write_all(b"a").unwrap();
        writer.write_all(b"b").unwrap();
        writer.finish().unwrap();
        let (bytes, end) = puller.join().unwrap();
        assert_eq!(bytes, b"ab");
        assert!(end.is_none());
    });
}

#[test]
fn law_5_a_waiting_reader_gets_what_was_not_flushed() {
    model(|| {
        let (mut writer, mut chunks) = pipe(4);
        writer.write_all(b"a").unwrap();
        let puller = thread::spawn(move || {
            let first = chunks.next().unwrap().unwrap();
            let second = if first.len() < 2 { chunks.next().unwrap().unwrap().len() } else { 0 };
            (first.len() + second, chunks)
        });
        writer.write_all(b"b").unwrap();
        // The writer is alive, and writes nothing more.
        let (len, chunks) = puller.join().unwrap();
        assert_eq!(len, 2);
        drop((writer, chunks));
    });
}

#[test]
fn law_4_a_blocked_writer_is_woken() {
    model(|| {
        let (mut writer, chunks) = pipe(2);
        let puller = thread::spawn(move || collect(chunks));
        writer.write_all(b"abc").unwrap();
        writer.finish().unwrap();
        assert_eq!(puller.join().unwrap().0, b"abc");
    });
}

#[test]
fn law_1_a_blocked_writer_reuses_its_memory_when_all_of_it_was_pulled() {
    model(|| {
        let (mut writer, chunks) = pipe(4);
        let puller = thread::spawn(move || collect(chunks));
        // Each write but the first has too little room after the previous one, in a segment that fits both.
        for write in [b"abc", b"def", b"ghi"] {
            writer.write_all(write).unwrap();
        }
        writer.finish().unwrap();
        let (bytes, error) = puller.join().unwrap();
        assert!(error.is_none());
        assert_eq!(bytes, b"abcdefghi");
    });
}

#[test]
fn law_2_a_flush_and_a_dropped_writer() {
    model(|| {
        let (mut writer, chunks) = pipe(4);
        let puller = thread::spawn(move || collect(chunks));
        writer.write_all(b"a").unwrap();
        writer.flush().unwrap();
        drop(writer);
        let (bytes, end) = puller.join().unwrap();
        assert_eq!(bytes, b"a");
        assert!(Error::of(&end.unwrap()).unwrap().is_truncated());
    });
}

#[test]
fn law_7_a_blocked_writer_learns_that_the_reader_was_dropped() {
    model(|| {
        let (mut writer, chunks) = pipe(1);
        let puller = thread::spawn(move || drop(chunks));
        let mut refused = false;
        for _ in 0..3 {
            refused |= writer.write_all(b"a").is_err();
        }
        puller.join().unwrap();
        assert!(refused && writer.is_closed());
    });
}

#[test]
fn law_11_a_cancelled_poll_loses_nothing() {
    model(|| {
        let (mut writer, mut chunks) = pipe(4);
        let producer = thread::spawn(move || {
            writer.write_all(b"a").unwrap();
            writer.write_all(b"b").unwrap();
            writer.finish().unwrap();
        });
        let mut bytes = Vec::new();
        // One poll with a waker that does nothing, then a task that waits.
        if let Poll::Ready(Some(chunk)) = poll_next(&mut chunks, &mut Context::from_waker(Waker::noop())) {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        block_on(async {
            while let Some(chunk) = poll_fn(|context| poll_next(&mut chunks, context)).await {
                bytes.extend_from_slice(&chunk.unwrap());
            }
        });
        producer.join().unwrap();
        assert_eq!(bytes, b"ab");
    });
}

#[test]
fn law_1_a_chunk_handed_over_keeps_its_place() {
    model(|| {
        let (mut writer, chunks) = pipe(4);
        let puller = thread::spawn(move || collect(chunks));
        writer.write_all(b"a").unwrap();
        writer.write_bytes(bytes::Bytes::from_static(b"b")).unwrap();
        writer.write_all(b"c").unwrap();
        writer.finish().unwrap();
        assert_eq!(puller.join().unwrap().0, b"abc");
    });
}

#[test]
fn law_11_a_chunk_taken_ahead_wakes_a_blocked_writer() {
    model(|| {
        let (mut writer, mut chunks) = pipe(4);
        "abcd".bytes().for_each(|byte| writer.write_bytes(vec![byte].into()).unwrap());
        // The first pull takes the other chunks ahead; at the second, half of the capacity is free.
        let puller = thread::spawn(move || {
            (0..2).for_each(|_| drop(chunks.next().unwrap().unwrap()));
            chunks
        });
        // One of the two fits once the first chunk is pulled. A task tries once before it waits.
        block_on(poll_fn(|context| pin!(&mut writer).poll_write(context, b"ef"))).unwrap();
        let chunks = puller.join().unwrap();
        assert_eq!(chunks.stats().bytes, 2);
        writer.finish().unwrap();
        let (bytes, end) = collect(chunks);
        assert_eq!(bytes, b"cdef");
        assert!(end.is_none());
    });
}

#[test]
fn law_3_an_abort_races_with_a_dropped_reader() {
    model(|| {
        let (writer, mut chunks): (Writer, Chunks) = pipe(1);
        let puller = thread::spawn(move || {
            let first = chunks.next();
            drop(chunks);
            first
        });
        writer.abort(io::ErrorKind::StorageFull.into());
        assert_eq!(puller.join().unwrap().unwrap().unwrap_err().kind(), io::ErrorKind::StorageFull);
    });
}

#[test]
fn law_11_an_idle_writer_learns_that_the_reader_was_dropped() {
    model(|| {
        let (writer, chunks) = pipe(1);
        let puller = thread::spawn(move || drop(chunks));
        // One wait is cancelled, the other waits.
        let mut given_up = writer.closed();
        let _ = pin!(&mut given_up).poll(&mut Context::from_waker(Waker::noop()));
        drop(given_up);
        writer.closed().wait();
        assert!(writer.is_closed());
        puller.join().unwrap();
    });
}

#[test]
fn law_11_a_flush_and_the_end_wake_a_wait_for_the_head() {
    model(|| {
        let (mut writer, mut chunks) = pipe(4);
        let puller = thread::spawn(move || {
            chunks.head().wait().unwrap();
            collect(chunks).0
        });
        writer.write_all(b"a").unwrap();
        writer.write_all(b"b").unwrap();
        writer.finish().unwrap();
        assert_eq!(puller.join().unwrap(), b"ab");
    });
}

#[test]
fn law_11_a_cancelled_head_leaves_the_pull_its_wake_up() {
    model(|| {
        let (mut writer, mut chunks) = pipe(4);
        let puller = thread::spawn(move || {
            let _ = pin!(chunks.head()).poll(&mut Context::from_waker(Waker::noop()));
            let first = chunks.next().unwrap().unwrap();
            (first, chunks)
        });
        // Neither flushed nor ended: a pull takes the bytes, a head does not.
        writer.write_all(b"a").unwrap();
        let (first, chunks) = puller.join().unwrap();
        assert_eq!(first, "a");
        drop((writer, chunks));
    });
}

/// Hands over each byte as a chunk of its own.
fn hand_over(writer: &mut Writer, bytes: &'static [u8]) {
    for byte in bytes.chunks(1) {
        writer.write_bytes(bytes::Bytes::from_static(byte)).unwrap();
    }
}

/// Creates a pipe through which chunks have been handed over in a row, so that the next few need no lock. A third chunk
/// waits for a slot in the ring; a fourth byte would exceed the peak of bytes in flight.
fn in_a_row() -> (Writer, Chunks) {
    let (mut writer, mut chunks) = pipe(8);
    for chunk in ["....", "."] {
        writer.write_bytes(chunk.into()).unwrap();
        assert_eq!(chunks.next().unwrap().unwrap(), chunk);
    }
    (writer, chunks)
}

#[test]
fn laws_1_and_11_a_row_of_chunks_arrives() {
    model(|| {
        let (mut writer, chunks) = in_a_row();
        let puller = thread::spawn(move || collect(chunks));
        hand_over(&mut writer, b"abcd");
        writer.finish().unwrap();
        let (bytes, end) = puller.join().unwrap();
        assert_eq!(bytes, b"abcd");
        assert!(end.is_none());
    });
}

#[test]
fn law_5_a_waiting_reader_gets_what_is_handed_over_in_a_row() {
    model(|| {
        let (mut writer, mut chunks) = in_a_row();
        let puller = thread::spawn(move || {
            let pulled: Vec<_> = chunks.by_ref().take(2).map(Result::unwrap).collect();
            (pulled.concat(), chunks)
        });
        hand_over(&mut writer, b"ab");
        // The writer is alive, and writes nothing more.
        let (pulled, chunks) = puller.join().unwrap();
        assert_eq!(pulled, b"ab");
        drop((writer, chunks));
    });
}

#[test]
fn law_4_a_row_of_chunks_is_bounded() {
    model(|| {
        let (mut writer, chunks) = pipe(2);
        let puller = thread::spawn(move || collect(chunks));
        hand_over(&mut writer, b"abcde");
        assert!(writer.stats().peak <= 2);
        writer.finish().unwrap();
        assert_eq!(puller.join().unwrap().0, b"abcde");
    });
}

#[test]
fn law_1_small_writes_between_chunks_in_a_row_keep_their_place() {
    model(|| {
        let (mut writer, chunks) = in_a_row();
        let puller = thread::spawn(move || collect(chunks));
        hand_over(&mut writer, b"a");
        writer.write_all(b"b").unwrap();
        writer.flush().unwrap();
        hand_over(&mut writer, b"c");
        writer.write_all(b"d").unwrap();
        writer.finish().unwrap();
        assert_eq!(puller.join().unwrap().0, b"abcd");
    });
}

#[test]
fn law_7_a_dropped_reader_keeps_nothing_of_a_row_of_chunks() {
    model(|| {
        let (mut writer, chunks) = in_a_row();
        let byte = bytes::Bytes::from(vec![7; 1]);
        let puller = thread::spawn(move || drop(chunks));
        let told = (0..3).any(|_| writer.write_bytes(byte.clone()).is_err());
        puller.join().unwrap();
        // A writer that has learned of the drop keeps nothing either.
        assert!(told || writer.write_bytes(byte.clone()).is_err());
        assert!(byte.is_unique());
    });
}

#[test]
fn law_11_a_row_of_chunks_wakes_a_wait_for_the_head() {
    model(|| {
        let (mut writer, mut chunks) = in_a_row();
        let puller = thread::spawn(move || {
            chunks.head().wait().unwrap();
            chunks
        });
        hand_over(&mut writer, b"a");
        let mut chunks = puller.join().unwrap();
        assert_eq!(chunks.next().unwrap().unwrap(), "a");
        drop(writer);
    });
}

#[test]
fn a_head_found_beside_a_row_of_chunks_leaves_no_waker() {
    model(|| {
        let (mut writer, mut chunks) = in_a_row();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let puller = thread::spawn(move || {
            while pin!(chunks.head()).poll(&mut Context::from_waker(&waker)).is_pending() {
                thread::yield_now();
            }
            chunks
        });
        hand_over(&mut writer, b"a");
        let chunks = puller.join().unwrap();
        let before = woken.0.load(SeqCst);
        hand_over(&mut writer, b"b");
        assert_eq!(woken.0.load(SeqCst), before);
        drop((writer, chunks));
    });
}

#[test]
fn law_11_the_start_of_a_row_wakes_a_wait_for_the_head() {
    model(|| {
        let (mut writer, mut chunks) = pipe(8);
        let puller = thread::spawn(move || {
            chunks.next().unwrap().unwrap();
            chunks.head().wait().unwrap();
            chunks
        });
        writer.write_bytes("....".into()).unwrap();
        hand_over(&mut writer, b"a");
        let mut chunks = puller.join().unwrap();
        assert_eq!(chunks.next().unwrap().unwrap(), "a");
        drop(writer);
    });
}
