//! How many bytes are in flight, when a writer is blocked, and when it resumes.

use std::io::{self, Write};
use std::panic;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Waker};

use crate::support::engine::drain;
use bytes::Bytes;
use pushpull::{Local, Thread, Writer, pipe};
use pushpull_testing::watchdog::within;

fn would_block(result: io::Result<usize>) -> bool {
    result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[test]
fn law_4_a_full_pipe_takes_nothing() {
    for capacity in [1, 2, 3, 64, 100_000] {
        let (mut writer, mut chunks) = pipe(capacity);
        let mut accepted = 0;
        loop {
            match writer.try_write(&[7; 10]) {
                Ok(len) => accepted += len,
                full => {
                    assert!(would_block(full));
                    break;
                }
            }
        }
        assert_eq!(accepted, capacity);
        assert_eq!(chunks.stats().peak, capacity, "before anything was pulled");
        let first = chunks.next().unwrap().unwrap().len();
        assert_eq!(writer.try_write(&vec![7; capacity]).unwrap(), first, "pulled bytes do not free their room");
        assert_eq!(chunks.stats().peak, capacity);
    }
}

#[test]
fn law_4_after_a_large_write_small_ones_count_too() {
    // The open segment has room that was granted before the large write used the capacity.
    let (mut writer, mut chunks) = pipe(100_000);
    let mut accepted = writer.try_write(b"small").unwrap();
    accepted += writer.try_write(&[7; 99_000]).unwrap();
    while let Ok(len) = writer.try_write(b"x") {
        accepted += len;
    }
    assert_eq!(accepted, 100_000);
    chunks.next();
}

#[test]
fn law_4_after_a_chunk_handed_over_small_writes_count_too() {
    within(|| {
        let (mut writer, mut chunks) = pipe(100_000);
        let mut accepted = writer.try_write(b"small").unwrap() + 99_000;
        writer.write_bytes(vec![7; 99_000].into()).unwrap();
        while let Ok(len) = writer.try_write(b"x") {
            accepted += len;
        }
        assert_eq!(accepted, 100_000);
        chunks.next();
    });
}

#[test]
fn a_blocked_writer_that_wakes_early_stays_blocked() {
    within(|| {
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let (mut writer, mut chunks) = pipe(8);
        let mut program = Local::new().pull(move |_| {
            for _ in 0..20 {
                writer.write_all(b"x")?;
                writer.flush()?;
                count.fetch_add(1, SeqCst);
            }
            writer.finish()
        });
        let mut poll =
            || futures_util::Stream::poll_next(Pin::new(&mut program), &mut Context::from_waker(Waker::noop()));
        assert!(poll().is_pending());
        for pulled in 1..=4 {
            assert_eq!(accepted.load(SeqCst), 8, "the writer resumed before {pulled} were pulled");
            chunks.next().unwrap().unwrap();
            assert!(poll().is_pending());
        }
        assert_eq!(accepted.load(SeqCst), 12);
    });
}

#[test]
fn law_4_a_refused_write_is_not_counted() {
    // The destructor's large write would have to wait, and is refused; its small writes have room.
    struct Writes<'a>(&'a mut Writer, Sender<bool>, Receiver<()>);
    impl Drop for Writes<'_> {
        fn drop(&mut self) {
            let refused = self.0.write_all(&[8; 60]).is_err();
            let accepted = (0..23).all(|_| self.0.write_all(b"x").is_ok());
            self.1.send(refused && accepted).unwrap();
            // The bridge is still open when everything is pulled.
            self.2.recv().unwrap();
        }
    }
    within(|| {
        let (tell, told) = channel();
        let (go, wait) = channel();
        let mut chunks = Thread::new().capacity(64).pull(move |w| {
            w.write_all(b"x")?;
            wait.recv().unwrap();
            w.write_all(&[7; 40])?;
            let _writes = Writes(w, tell, wait);
            panic::resume_unwind(Box::new("quiet"))
        });
        chunks.next().unwrap().unwrap();
        go.send(()).unwrap();
        assert!(told.recv().unwrap());
        assert_eq!(chunks.next().unwrap().unwrap().len(), 63);
        go.send(()).unwrap();
        assert!(matches!(drain(chunks), (rest, Some(_)) if rest.is_empty()));
    });
}

#[test]
fn law_4_huge_sizes_allocate_only_what_is_used() {
    within(|| {
        let setup = || Thread::new().chunk_size(usize::MAX).capacity(usize::MAX);
        let (bytes, end) = drain(setup().pull(|w| w.write_all(b"abc")));
        assert!(end.is_none());
        assert_eq!(bytes, b"abc");
        let (bytes, _) = drain(Local::new().chunk_size(usize::MAX).pull(|w| w.write_all(b"abc")));
        assert_eq!(bytes, b"abc");
        let mut feed = setup().filter(|r, w| io::copy(r, w).map(drop)).push_into(Vec::new());
        feed.write_all(b"abc").unwrap();
        assert_eq!(feed.finish().unwrap(), b"abc");
        let (mut writer, mut chunks) = pipe(usize::MAX);
        writer.write_all(b"abc").unwrap();
        assert_eq!(chunks.next().unwrap().unwrap(), "abc");
        writer.write_bytes("def".into()).unwrap();
        writer.write_all(b"ghi").unwrap();
        writer.finish().unwrap();
        assert_eq!(drain(chunks).0, b"defghi");
    });
}

#[test]
fn law_4_one_huge_write_is_split() {
    within(|| {
        let (mut writer, mut chunks) = pipe(100);
        let puller = std::thread::spawn(move || {
            let lengths: Vec<usize> = chunks.by_ref().map(|chunk| chunk.unwrap().len()).collect();
            (lengths, chunks.stats())
        });
        writer.write_all(&[7; 10_000]).unwrap();
        writer.write_bytes(Bytes::from(vec![7; 10_000])).unwrap();
        writer.finish().unwrap();
        let (lengths, stats) = puller.join().unwrap();
        assert_eq!(lengths.iter().sum::<usize>(), 20_000);
        assert!(lengths.iter().all(|len| *len <= 100));
        assert!(stats.peak <= 100 && stats.bytes == 20_000 && stats.chunks == lengths.len() as u64);
    });
}

/// A loop that must not wait, such as `drive`, relies on the size hint.
#[test]
fn law_5_a_size_hint_promises_what_can_be_pulled_at_once() {
    let (mut writer, mut chunks) = pipe(1 << 20);
    assert_eq!(chunks.size_hint().0, 0);
    writer.write_all(b"a part of a chunk").unwrap();
    assert_eq!(chunks.size_hint().0, 1);
    chunks.next().unwrap().unwrap();
    assert_eq!(chunks.size_hint().0, 0);
    for _ in 0..20 {
        writer.write_bytes("a chunk".into()).unwrap();
    }
    for _ in 0..20 {
        assert!(chunks.size_hint().0 > 0);
        chunks.next().unwrap().unwrap();
    }
    assert_eq!(chunks.size_hint().0, 0);
}

#[test]
fn law_4_the_number_of_chunks_is_bounded() {
    let (mut writer, mut chunks) = pipe(1 << 20);
    let mut written = 0;
    while written < 1 << 20 && writer.try_write(b"x").is_ok() {
        writer.flush().unwrap();
        written += 1;
    }
    assert!(written <= 2048, "{written} chunks of one byte are queued");
    assert_eq!(chunks.size_hint().0, written);
    assert_eq!(chunks.next().unwrap().unwrap(), "x");
}

#[test]
fn law_4_the_number_of_chunks_handed_over_is_bounded_while_a_reader_peeks() {
    within(|| {
        let handed = Arc::new(AtomicUsize::new(0));
        let count = handed.clone();
        let (looked, look) = channel();
        let mut chunks = Thread::new().capacity(1 << 20).pull(move |w| {
            // Up to this peak of bytes in flight, later chunks take no lock.
            w.write_bytes(vec![7; 1 << 20].into())?;
            for chunk in 0..100_000 {
                if chunk % 32 == 0 {
                    look.recv().map_err(io::Error::other)?;
                }
                w.write_bytes(Bytes::from_static(b"x"))?;
                count.fetch_add(1, SeqCst);
            }
            Ok(())
        });
        chunks.next().unwrap().unwrap();
        let mut looks = 0;
        // Each call of `stats` moves what was handed over from the writer's ring to the queue.
        while chunks.stats().writer_waits == 0 {
            if handed.load(SeqCst) == 32 * looks {
                chunks.stats();
                looked.send(()).unwrap();
                looks += 1;
            }
            std::thread::yield_now();
        }
        let queued = handed.load(SeqCst);
        assert!(queued <= 2048, "{queued} chunks of one byte are queued");
    });
}

#[test]
fn a_blocked_writer_resumes_when_half_is_pulled() {
    within(|| {
        // Chunks of one byte, so that the queue can be emptied byte by byte.
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let mut chunks = Thread::new().unbuffered().capacity(8).pull(move |w| {
            for _ in 0..1000 {
                w.write_all(b"x")?;
                count.fetch_add(1, SeqCst);
            }
            Ok(())
        });
        chunks.next().unwrap().unwrap();
        while chunks.stats().writer_waits == 0 {
            std::thread::yield_now();
        }
        // The writer is blocked before or after the first pull.
        let held_at = accepted.load(SeqCst);
        assert!(held_at == 8 || held_at == 9, "blocked at {held_at}");
        let mut pulled = 1;
        while held_at - pulled > 5 {
            chunks.next().unwrap().unwrap();
            pulled += 1;
            assert_eq!(accepted.load(SeqCst), held_at, "the writer resumed after {pulled} were pulled");
        }
        // Half of the capacity of eight is left.
        chunks.next().unwrap().unwrap();
        pulled += 1;
        while accepted.load(SeqCst) == held_at {
            std::thread::yield_now();
        }
        assert_eq!(chunks.by_ref().map(|chunk| chunk.unwrap().len()).sum::<usize>(), 1000 - pulled);
        assert!(chunks.stats().peak <= 8);
    });
}

#[test]
fn a_stalled_reader_blocks_the_writer() {
    within(|| {
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let mut chunks = Thread::new().chunk_size(64).capacity(256).pull(move |w| {
            for _ in 0..1000 {
                w.write_all(&[7; 10])?;
                count.fetch_add(10, SeqCst);
            }
            Ok(())
        });
        let first = chunks.next().unwrap().unwrap().len();
        while chunks.stats().writer_waits == 0 {
            std::thread::yield_now();
        }
        let held_at = accepted.load(SeqCst);
        assert!(held_at <= first + 256, "{held_at} accepted");
        assert_eq!(chunks.map(|chunk| chunk.unwrap().len()).sum::<usize>() + first, 10_000);
    });
}

#[test]
#[should_panic(expected = "`capacity` must not be zero")]
fn a_zero_capacity_panics() {
    let _ = Thread::new().capacity(0);
}

#[test]
#[should_panic(expected = "`chunk_size` must not be zero")]
fn a_zero_chunk_size_panics() {
    let _ = pushpull::Local::new().chunk_size(0);
}

#[test]
#[should_panic(expected = "`stack_size` must not be zero")]
fn a_zero_stack_size_panics() {
    let _ = pushpull::Local::new().stack_size(0);
}

#[test]
#[should_panic(expected = "the capacity of `pipe` must not be zero")]
fn a_pipe_with_zero_capacity_panics() {
    let _ = pipe(0);
}
