//! A cache, per thread, of the memory of chunks that have left local bridges. Later chunks use it once the earlier ones
//! are dropped.
//!
//! An HTTP server takes several chunks before it has written the first, so a bridge gets none of its memory back in
//! time. When the server then drops the chunks together, the allocator returns that memory to the system, and new
//! memory costs page faults. These page faults were more than half of the cost of a 256 KiB response.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Smaller memory is left to the allocator, which keeps it.
const MIN_KEPT: usize = 4 << 10;

/// The maximum number of bytes per thread that are kept, including those of chunks that are still in use.
const MAX_KEPT: usize = 2 << 20;

/// The maximum number of tails that are checked before fresh memory is taken.
const ASKED: usize = 4;

thread_local! {
    static SPARE: RefCell<SpareTails> = const { RefCell::new(SpareTails { tails: VecDeque::new(), bytes: 0 }) };
}

/// The rests of buffers whose chunks were split off. A rest is empty, and regains the whole buffer when its chunk is
/// dropped.
struct SpareTails {
    tails: VecDeque<(usize, BytesMut)>,
    bytes: usize,
}

/// Returns an empty buffer with room for `size` bytes.
pub(crate) fn take(size: usize) -> BytesMut {
    let spare = |spare: &RefCell<SpareTails>| spare.borrow_mut().take(size);
    let kept = if size < MIN_KEPT { None } else { SPARE.try_with(spare).ok().flatten() };
    kept.unwrap_or_else(|| BytesMut::with_capacity(size))
}

/// Keeps the rest of a buffer that [`take`] returned for this size.
pub(crate) fn keep(size: usize, tail: BytesMut) {
    if (MIN_KEPT..=MAX_KEPT).contains(&size) {
        // A thread that ends keeps nothing.
        let _ = SPARE.try_with(|spare| spare.borrow_mut().keep(size, tail));
    }
}

/// Returns a copy of `bytes` in cached memory.
pub(crate) fn copy(bytes: &[u8]) -> Bytes {
    let mut buffer = take(bytes.len());
    buffer.extend_from_slice(bytes);
    let copy = buffer.split().freeze();
    keep(bytes.len(), buffer);
    copy
}

impl SpareTails {
    fn take(&mut self, size: usize) -> Option<BytesMut> {
        // The oldest first: their chunks are most likely dropped.
        let is_free = |(of, tail): &mut (usize, BytesMut)| *of == size && tail.try_reclaim(size);
        let place = self.tails.iter_mut().take(ASKED).position(is_free)?;
        let (_, tail) = self.tails.remove(place)?;
        self.bytes -= size;
        Some(tail)
    }

    fn keep(&mut self, size: usize, tail: BytesMut) {
        self.tails.push_back((size, tail));
        self.bytes += size;
        while self.bytes > MAX_KEPT
            && let Some((size, _)) = self.tails.pop_front()
        {
            self.bytes -= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a chunk of this size, and keeps the rest of its buffer.
    fn chunk(size: usize) -> BytesMut {
        let mut buffer = take(size);
        buffer.resize(size, 1);
        let chunk = buffer.split();
        keep(size, buffer);
        chunk
    }

    #[test]
    fn memory_comes_back_when_its_chunk_is_dropped_and_not_before() {
        let [first, second] = [chunk(MIN_KEPT), chunk(MIN_KEPT)];
        let places = [first.as_ptr(), second.as_ptr()];
        assert!(!places.contains(&chunk(MIN_KEPT).as_ptr()), "memory was given away that is still read");
        drop(first);
        assert_eq!(take(MIN_KEPT).as_ptr(), places[0]);
        assert_eq!(second[..], [1; MIN_KEPT]);
    }

    #[test]
    fn little_is_kept() {
        let chunks: Vec<_> = (0..2 * MAX_KEPT / MIN_KEPT).map(|_| chunk(MIN_KEPT)).collect();
        let kept = || SPARE.with(|spare| (spare.borrow().bytes, spare.borrow().tails.len()));
        assert_eq!(kept(), (MAX_KEPT, MAX_KEPT / MIN_KEPT));
        drop(chunks);
        drop((chunk(MIN_KEPT - 1), chunk(2 * MAX_KEPT)));
        assert_eq!(kept(), (MAX_KEPT, MAX_KEPT / MIN_KEPT));
    }
}
