//! Bridges with a capacity of a byte or two: each side waits for the other at nearly every step, where wake-ups get
//! lost.

use super::*;

/// Writes through a bridge of `capacity` bytes, and pulls from it.
fn through(
    capacity: usize,
    write: impl Fn(&mut Writer) + Sync + Send + Copy + 'static,
    pull: impl Fn(Chunks) -> Vec<u8> + Sync + Send + Copy + 'static,
    all: &'static [u8],
) {
    model(move || {
        let (mut writer, chunks) = pipe(capacity);
        let reader = thread::spawn(move || pull(chunks));
        write(&mut writer);
        writer.finish().unwrap();
        assert_eq!(reader.join().unwrap(), all);
    });
}

fn everything(chunks: Chunks) -> Vec<u8> {
    collect(chunks).0
}

/// Waits for the head, and pulls the next chunk.
fn next_after_head(chunks: &mut Chunks) -> Vec<u8> {
    chunks.head().wait().unwrap();
    chunks.next().unwrap().unwrap().to_vec()
}

/// Cancels a wait for the head.
fn cancel_head(chunks: &mut Chunks) {
    let _ = pin!(chunks.head()).poll(&mut Context::from_waker(Waker::noop()));
}

/// Writes a part of `bytes` as a task, which tries once before it waits.
fn write_as_task(writer: &mut Writer, bytes: &[u8]) -> usize {
    block_on(poll_fn(|context| pin!(&mut *writer).poll_write(context, bytes))).unwrap()
}

/// Creates a bridge of `capacity` bytes through which chunks were handed over in a row.
fn in_a_row_of(capacity: usize, before: &[&'static str]) -> (Writer, Chunks) {
    let (mut writer, mut chunks) = pipe(capacity);
    for chunk in before {
        writer.write_bytes((*chunk).into()).unwrap();
        assert_eq!(chunks.next().unwrap().unwrap(), chunk);
    }
    (writer, chunks)
}

#[test]
fn law_11_small_writes_through_a_byte() {
    through(1, |w| w.write_all(b"abc").unwrap(), everything, b"abc");
}

#[test]
fn law_11_chunks_through_a_byte() {
    through(1, |w| hand_over(w, b"abc"), everything, b"abc");
}

#[test]
fn law_11_small_writes_between_chunks_through_a_byte() {
    let write = |w: &mut Writer| {
        hand_over(w, b"a");
        w.write_all(b"b").unwrap();
        w.flush().unwrap();
        hand_over(w, b"c");
    };
    through(1, write, everything, b"abc");
}

#[test]
fn law_11_a_head_before_each_pull_through_a_byte() {
    let pull = |mut chunks: Chunks| {
        let mut all = next_after_head(&mut chunks);
        chunks.head().wait().unwrap();
        all.extend(everything(chunks));
        all
    };
    through(1, |w| w.write_all(b"ab").unwrap(), pull, b"ab");
}

#[test]
fn law_11_a_head_cancelled_before_each_pull_through_a_byte() {
    let write = |w: &mut Writer| {
        hand_over(w, b"a");
        w.write_all(b"b").unwrap();
    };
    let pull = |mut chunks: Chunks| {
        cancel_head(&mut chunks);
        let mut all = chunks.next().unwrap().unwrap().to_vec();
        cancel_head(&mut chunks);
        all.extend(everything(chunks));
        all
    };
    through(1, write, pull, b"ab");
}

#[test]
fn law_11_a_write_after_two_cancelled_writes() {
    model(|| {
        let (mut writer, chunks) = pipe(1);
        let reader = thread::spawn(move || everything(chunks));
        let mut accepted = 0;
        for _ in 0..2 {
            if let Poll::Ready(written) = pin!(&mut writer).poll_write(&mut Context::from_waker(Waker::noop()), b"xy") {
                accepted += written.unwrap();
            }
        }
        accepted += write_as_task(&mut writer, b"z");
        writer.finish().unwrap();
        assert_eq!(reader.join().unwrap().len(), accepted);
    });
}

/// Checks a writer that is blocked when the reader has taken all chunks ahead, so that each pull checks for the writer.
fn blocked_beside_a_batch(capacity: usize) {
    model(move || {
        let (mut writer, mut chunks) = pipe(capacity);
        (0..capacity).for_each(|_| writer.write_bytes("x".into()).unwrap());
        let reader = thread::spawn(move || {
            let first = chunks.next().unwrap().unwrap();
            first.len() + everything(chunks).len()
        });
        (0..2).for_each(|_| assert_eq!(write_as_task(&mut writer, b"e"), 1));
        writer.finish().unwrap();
        assert_eq!(reader.join().unwrap(), capacity + 2);
    });
}

#[test]
fn law_11_a_writer_blocked_beside_two_chunks_taken_ahead() {
    blocked_beside_a_batch(2);
}

#[test]
fn law_11_a_writer_blocked_beside_three_chunks_taken_ahead() {
    blocked_beside_a_batch(3);
}

#[test]
fn law_11_a_writer_blocked_in_a_row_of_chunks() {
    model(|| {
        let (mut writer, chunks) = in_a_row_of(2, &["..", "."]);
        let reader = thread::spawn(move || everything(chunks));
        hand_over(&mut writer, b"abc");
        writer.finish().unwrap();
        assert_eq!(reader.join().unwrap(), b"abc");
    });
}

#[test]
fn law_11_a_head_before_each_pull_of_a_row_of_chunks() {
    model(|| {
        let (mut writer, mut chunks) = in_a_row_of(2, &["..", "."]);
        let reader = thread::spawn(move || {
            let mut all = next_after_head(&mut chunks);
            chunks.head().wait().unwrap();
            all.extend(everything(chunks));
            all
        });
        hand_over(&mut writer, b"ab");
        writer.write_all(b"c").unwrap();
        writer.finish().unwrap();
        assert_eq!(reader.join().unwrap(), b"abc");
    });
}

#[test]
fn law_11_a_row_of_chunks_through_a_byte() {
    model(|| {
        let (mut writer, chunks) = in_a_row_of(1, &["."]);
        let reader = thread::spawn(move || everything(chunks));
        hand_over(&mut writer, b"ab");
        writer.finish().unwrap();
        assert_eq!(reader.join().unwrap(), b"ab");
    });
}

#[test]
fn law_11_a_poll_and_a_head_cancelled_beside_a_row_of_chunks_through_a_byte() {
    model(|| {
        let (mut writer, mut chunks) = in_a_row_of(1, &["."]);
        let reader = thread::spawn(move || {
            let mut all = Vec::new();
            if let Poll::Ready(Some(chunk)) = poll_next(&mut chunks, &mut Context::from_waker(Waker::noop())) {
                all.extend(chunk.unwrap());
            }
            cancel_head(&mut chunks);
            all.extend(everything(chunks));
            all
        });
        hand_over(&mut writer, b"ab");
        writer.finish().unwrap();
        assert_eq!(reader.join().unwrap(), b"ab");
    });
}
