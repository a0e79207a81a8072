//! The writing half of a channel: puts small writes into the open segment, chunks into the queue or the ring. Nothing
//! here waits.

use std::io;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::ring::Row;
use super::segment::Tail;
use super::shared::Channel;
use crate::buf::chunker::{Cut, cut};
use crate::error::Error;
use crate::options::Options;

#[derive(Debug)]
pub(super) struct Sender {
    /// The open segment.
    tail: Option<Tail>,
    /// The state of chunks handed over in a row.
    row: Row,
    /// The start of the pending chunk in the open segment.
    start: usize,
    /// The number of bytes accepted before the open segment.
    before: u64,
    /// The total number of bytes that may be accepted before the channel is asked again.
    allowed: u64,
    /// Whether a budget grants the room. Then each segment is asked for, and other bridges can get what is not used.
    budgeted: bool,
    /// The number of accepted bytes that were counted as part of a turn.
    counted: u64,
    chunk_size: usize,
    unbuffered: bool,
    channel: Arc<Channel>,
}

/// The result of a write that tries the short way.
pub(super) enum Short {
    Done,
    /// The write is accepted, and the reader sleeps or the channel is closed.
    Called,
    /// The write does not fit.
    No,
}

impl Sender {
    pub(super) fn new(channel: Arc<Channel>, options: &Options) -> Sender {
        Sender {
            tail: None,
            row: Row::default(),
            start: 0,
            before: 0,
            // The first write needs no look at an empty queue.
            allowed: options.capacity() as u64,
            budgeted: options.budget().is_some(),
            counted: 0,
            chunk_size: options.chunk_size(),
            unbuffered: options.unbuffered,
            channel,
        }
    }

    pub(super) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    fn filled(&self) -> usize {
        self.tail.as_ref().map_or(0, Tail::filled)
    }

    fn spare(&self) -> usize {
        self.tail.as_ref().map_or(0, Tail::spare)
    }

    /// Returns the number of bytes after the last boundary.
    fn pending(&self) -> usize {
        self.filled() - self.start
    }

    fn accepted(&self) -> u64 {
        self.before + self.filled() as u64
    }

    /// Returns how many more bytes may be written before the channel is asked.
    fn allowance(&self) -> usize {
        self.allowed.saturating_sub(self.accepted()) as usize
    }

    /// Allows `bytes` more bytes.
    fn allow(&mut self, bytes: usize) {
        self.allowed = self.accepted().saturating_add(bytes as u64);
    }

    /// Returns the number of bytes accepted since the last call.
    pub(super) fn count(&mut self) -> usize {
        let accepted = self.accepted();
        let counted = mem::replace(&mut self.counted, accepted);
        (accepted - counted) as usize
    }

    /// Writes into the open segment, with a copy and without the lock: the way of nearly every small write.
    #[inline]
    pub(super) fn write_short(&mut self, buf: &[u8]) -> Short {
        let Some(tail) = &mut self.tail else { return Short::No };
        if !tail.append(buf) {
            return Short::No;
        }
        if self.channel.calls() { Short::Called } else { Short::Done }
    }

    /// Writes if the channel need not be asked for room: the way of most writes that complete a chunk.
    pub(super) fn write_allowed(&mut self, buf: &[u8]) -> Option<io::Result<usize>> {
        let allowed = self.allowance() >= buf.len() && !buf.is_empty() && !self.budgeted && !self.channel.is_closed();
        allowed.then(|| self.accept(buf))
    }

    /// Writes as many bytes as there is room for, at least one. Without a context, it may write none.
    ///
    /// # Errors
    ///
    /// Returns `BrokenPipe` if the channel is closed.
    pub(super) fn poll_write(&mut self, buf: &[u8], context: Option<&Context<'_>>) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if let Some(written) = self.write_allowed(buf) {
            return Poll::Ready(written);
        }
        let filled = self.filled();
        let polled = self.channel.poll_room(buf.len(), self.tail.as_mut(), context);
        if self.filled() < filled {
            // The segment is empty again, whatever was returned.
            self.before += filled as u64;
            self.start = 0;
        }
        if !matches!(polled, Poll::Ready(Ok(1..))) {
            self.complete();
            // A caller that gives up waiting and writes less must ask too, since it is still blocked.
            self.allow(0);
        }
        match ready!(polled)? {
            0 => Poll::Ready(Ok(0)),
            room => {
                self.allow(room);
                Poll::Ready(self.accept(&buf[..buf.len().min(room)]))
            }
        }
    }

    /// Writes `part`, which is allowed.
    fn accept(&mut self, part: &[u8]) -> io::Result<usize> {
        let accepted = self.accepted();
        if part.len() >= self.chunk_size {
            self.write_whole(part);
        } else if self.unbuffered {
            self.write_message(part);
        } else {
            self.write_small(part);
        }
        // Needed after a large write too, which has used up the previous grant.
        let granted = if self.unbuffered { 0 } else { self.allowance() };
        if let Some(tail) = &mut self.tail {
            tail.grant(granted);
        }
        self.told(accepted, part.len())
    }

    /// Returns the result of a write of `len` bytes: all were accepted, unless another side closed the channel
    /// meanwhile.
    fn told(&self, before: u64, len: usize) -> io::Result<usize> {
        if !self.channel.is_closed() {
            return Ok(len);
        }
        match self.channel.kept(before, len) {
            0 => Err(Error::disconnected()),
            kept => Ok(kept),
        }
    }

    /// Returns `true` if the reader gets the last write, of `len` bytes, after which the channel was seen closed.
    pub(super) fn arrived(&mut self, len: usize) -> bool {
        // Otherwise the row would keep chunks that came too late into its ring.
        self.row = Row::default();
        self.channel.kept(self.accepted() - len as u64, len) == len
    }

    /// Writes bytes that join others, and may complete a chunk.
    fn write_small(&mut self, mut buf: &[u8]) {
        while !buf.is_empty() {
            let spare = self.spare();
            // Right after a boundary, a message should not be split only because the segment ends.
            if spare == 0 || (self.pending() == 0 && spare < buf.len()) {
                let part = buf.len().min(self.chunk_size);
                self.reopen(&buf[..part]);
                buf = &buf[part..];
                continue;
            }
            let part = match cut(self.pending(), buf.len(), self.chunk_size) {
                Cut::Join | Cut::Whole => buf.len().min(spare),
                Cut::Complete(part) => part.min(spare),
            };
            self.append(&buf[..part]);
            buf = &buf[part..];
            if self.pending() == self.chunk_size {
                self.boundary();
            }
        }
        if self.channel.calls() {
            self.rouse();
        }
    }

    /// Wakes a sleeping reader.
    pub(super) fn rouse(&mut self) {
        self.row.end();
        self.channel.rouse();
    }

    /// Writes a small chunk of its own. Many such chunks share a segment.
    fn write_message(&mut self, buf: &[u8]) {
        if self.spare() < buf.len() {
            self.reopen(buf);
        } else {
            self.append(buf);
        }
        self.boundary();
    }

    /// Writes a large chunk of its own.
    fn write_whole(&mut self, buf: &[u8]) {
        self.row.end();
        self.boundary();
        let mut tail = Tail::new(buf.len());
        tail.grant(buf.len());
        tail.append(buf);
        self.before += buf.len() as u64;
        self.allowed = self.channel.push_segment(tail);
    }

    fn append(&mut self, buf: &[u8]) {
        append(self.tail.as_mut().expect("a segment is open"), buf);
    }

    /// Queues all written bytes, and opens a fresh segment that begins with `buf` (maximum: one chunk).
    fn reopen(&mut self, buf: &[u8]) {
        self.row.end();
        let mut tail = Tail::new(self.chunk_size);
        append(&mut tail, buf);
        self.before += self.filled() as u64;
        self.start = 0;
        self.allowed = self.channel.open(&tail);
        self.tail = Some(tail);
    }

    /// Queues all written bytes, and closes the open segment.
    fn close(&mut self) {
        if let Some(tail) = self.tail.take() {
            self.before += tail.filled() as u64;
            self.start = 0;
            self.allowed = self.channel.boundary(false);
        }
    }

    /// Queues a complete chunk that fills its segment. An accepted write would queue it with the lock that it takes to
    /// open another segment, but a blocked writer does not get there.
    fn complete(&mut self) {
        if self.spare() == 0 && self.pending() > 0 {
            self.start = self.filled();
            self.channel.boundary(true);
        }
    }

    /// Ends the current chunk.
    pub(super) fn boundary(&mut self) {
        if self.pending() == 0 {
            return;
        }
        self.row.end();
        if self.spare() == 0 {
            self.close();
            return;
        }
        self.start = self.filled();
        self.allowed = self.channel.boundary(true);
        if self.allowance() == 0
            && let Some(tail) = &mut self.tail
        {
            // The queue may have no place for even one byte.
            tail.grant(0);
        }
    }

    /// Queues all written bytes, and ends the writing side with `result`. Returns `false` if the channel had already
    /// ended.
    pub(super) fn end(&mut self, result: io::Result<()>) -> bool {
        self.before = self.accepted();
        self.start = 0;
        self.tail = None;
        self.channel.finish(result)
    }

    /// Queues all written bytes, and leaves the channel open for its engine to end.
    pub(super) fn leave(&mut self) {
        if self.row.is_open() {
            self.rouse();
        }
        self.close();
    }
}

/// Handing over chunks that exist already, without a copy.
impl Sender {
    /// Queues `bytes` without a copy, if nothing must go before it and there is room: the way of nearly every
    /// handed-over chunk. Otherwise returns `bytes`.
    #[inline]
    pub(super) fn hand(&mut self, bytes: Bytes) -> Result<Short, Bytes> {
        let len = bytes.len();
        if self.pending() > 0 || len == 0 {
            return Err(bytes);
        }
        if len > self.allowance() {
            return self.hand_locked(bytes);
        }
        // Looked up first: bytes that were just made should be moved late, and once, or the processor waits for them.
        let Some(place) = self.row.place() else { return self.hand_locked(bytes) };
        place.fill(bytes);
        self.before += len as u64;
        Ok(if self.channel.calls() { Short::Called } else { Short::Done })
    }

    fn hand_locked(&mut self, bytes: Bytes) -> Result<Short, Bytes> {
        let len = bytes.len();
        let allowed = self.channel.push(bytes)?;
        self.handed(len, allowed);
        if self.row.count() {
            self.close();
            let ring = self.row.begin();
            self.allowed = self.channel.begin_row(ring);
        }
        Ok(Short::Done)
    }

    /// Records that `len` handed-over bytes were queued, and that chunks up to `allowed` may go into the ring.
    fn handed(&mut self, len: usize, allowed: u64) {
        self.before += len as u64;
        self.allowed = allowed;
        if let Some(tail) = &mut self.tail {
            tail.grant(0);
        }
    }

    /// Queues the parts of `bytes` for which there is room, without a copy. Ready when all of it is queued.
    pub(super) fn poll_hand(&mut self, bytes: &mut Bytes, context: &Context<'_>) -> Poll<io::Result<()>> {
        self.boundary();
        while !bytes.is_empty() {
            let polled = self.channel.poll_push(bytes, context);
            if polled.is_pending() {
                // A caller that gives up waiting must ask too, since it is still blocked.
                self.allow(0);
            }
            self.handed(ready!(polled)?, 0);
        }
        Poll::Ready(Ok(()))
    }
}

fn append(tail: &mut Tail, buf: &[u8]) {
    tail.grant(buf.len());
    let appended = tail.append(buf);
    assert!(appended, "the open segment is too small");
    // The next write must ask.
    tail.grant(0);
}

#[cfg(all(test, not(pushpull_loom)))]
mod tests {
    use std::iter;
    use std::task::Waker;

    use super::*;
    use crate::channel::Taken;
    use crate::channel::ahead::Ahead;

    /// Creates both ends, for two chunks of four bytes.
    fn ends() -> (Sender, Arc<Channel>) {
        let (sender, channel, _) = ends_of(8, 4);
        (sender, channel)
    }

    /// Writes single bytes until the writer is blocked.
    fn fill(sender: &mut Sender) {
        while sender.poll_write(b"a", Some(&Context::from_waker(Waker::noop()))).is_ready() {
            while let Short::Done = sender.write_short(b"b") {}
        }
    }

    /// Creates both ends, and the reader's chunks taken ahead.
    fn ends_of(capacity: usize, chunk_size: usize) -> (Sender, Arc<Channel>, Ahead) {
        let mut options = Options::pipe(capacity);
        options.set_chunk_size(chunk_size);
        let channel = Arc::new(Channel::new(&options));
        (Sender::new(channel.clone(), &options), channel, Ahead::new())
    }

    /// Hands over up to `chunks` chunks of one byte, and returns for how many there was room.
    fn hand_over(sender: &mut Sender, chunks: usize) -> usize {
        (0..chunks).take_while(|_| sender.hand("x".into()).is_ok()).count()
    }

    #[test]
    fn law_4_the_peak_counts_what_is_handed_over_after_large_writes() {
        let (mut sender, channel, mut ahead) = ends_of(1000, 10);
        assert_eq!(hand_over(&mut sender, 9), 9);
        let mut pull = |chunks| (0..chunks).for_each(|_| assert!(channel.take_queued(&mut ahead).is_some()));
        pull(9);
        (0..3).for_each(|_| assert!(sender.poll_write(&[1; 10], None).is_ready()));
        pull(1);
        assert!(sender.hand(vec![2; 500].into()).is_ok());
        pull(3);
        assert_eq!(channel.stats().peak, 520);
    }

    #[test]
    fn law_4_the_number_of_chunks_handed_over_after_large_writes_is_bounded() {
        let (mut sender, channel, mut ahead) = ends_of(1 << 20, 1);
        assert!(sender.hand(vec![1; 1 << 20].into()).is_ok());
        assert!(channel.take_queued(&mut ahead).is_some());
        let mut queued = hand_over(&mut sender, 20);
        (0..1002).for_each(|_| assert!(matches!(sender.poll_write(b"x", None), Poll::Ready(Ok(1)))));
        queued += 1002 + hand_over(&mut sender, 1000);
        assert_eq!(queued, 1024);
    }

    #[test]
    fn law_4_the_number_of_chunks_handed_over_in_a_row_is_bounded() {
        let (mut sender, channel, mut ahead) = ends_of(1 << 20, 1);
        assert!(sender.hand(vec![1; 1 << 20].into()).is_ok());
        assert!(channel.take_queued(&mut ahead).is_some());
        assert_eq!(hand_over(&mut sender, 2000), 1024);
    }

    #[test]
    fn small_writes_in_between_restart_the_row() {
        let (mut sender, ..) = ends_of(1000, 100);
        for _ in 0..20 {
            assert!(sender.poll_write(b"small", None).is_ready());
            sender.boundary();
            assert_eq!(hand_over(&mut sender, 1), 1);
        }
        assert!(!sender.row.is_open());
        assert_eq!(hand_over(&mut sender, 20), 20);
        assert!(sender.row.is_open());
        assert!(sender.poll_write(b"small", None).is_ready());
        assert!(!sender.row.is_open());
        // The channel agrees: it checks that no row stays beside an open segment.
        sender.boundary();
    }

    #[test]
    fn law_7_a_write_that_meets_the_reader_leaving_is_refused_on_each_way() {
        // One write of each kind, as if the reader had left after the writer had looked.
        for len in [2, 4, 6] {
            let (mut sender, channel) = ends();
            channel.leave();
            assert_eq!(sender.accept(&[7; 6][..len]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        }
        let (mut sender, channel) = ends();
        fill_some(&mut sender);
        channel.leave();
        assert!(matches!(sender.write_short(b"c"), Short::Called) && !sender.arrived(1));
    }

    #[test]
    fn law_7_a_write_that_the_reader_has_pulled_before_it_left_is_accepted() {
        let (mut sender, channel) = ends();
        fill_some(&mut sender);
        assert!(channel.take_written(&mut Ahead::new()).is_some());
        channel.leave();
        assert!(sender.arrived(1));
    }

    /// Writes one byte into a segment that has room for more.
    fn fill_some(sender: &mut Sender) {
        assert!(matches!(sender.poll_write(b"a", None), Poll::Ready(Ok(1))));
    }

    #[test]
    fn a_blocked_writer_has_queued_its_last_chunk() {
        let (mut sender, channel) = ends();
        fill(&mut sender);
        assert_eq!(channel.queued(), 2);
    }

    #[test]
    fn a_writer_that_gave_up_waiting_is_blocked_for_a_smaller_write_too() {
        let (mut sender, channel) = ends();
        let context = Context::from_waker(Waker::noop());
        assert!(sender.poll_write(b"abcde", Some(&context)).is_ready());
        sender.boundary();
        assert!(sender.poll_write(b"fghi", Some(&context)).is_pending());
        assert!(sender.poll_write(b"f", Some(&context)).is_pending(), "there is room, but not half of the capacity");
        assert!(channel.take_queued(&mut Ahead::new()).is_some());
        assert!(sender.poll_write(b"f", Some(&context)).is_ready());
    }

    #[test]
    fn a_full_segment_starts_over_too_when_its_chunk_is_gone() {
        let (mut sender, channel) = ends();
        fill(&mut sender);
        let mut ahead = Ahead::new();
        let mut last = || match channel.take_written(&mut ahead) {
            Some(Taken::Chunk(chunk)) => Some(chunk.as_ptr()),
            _ => None,
        };
        let place = iter::from_fn(&mut last).last();
        assert!(sender.poll_write(b"c", Some(&Context::from_waker(Waker::noop()))).is_ready());
        assert_eq!(last(), place);
    }
}
