//! The writing half of a channel: small writes into the open segment, chunks into the queue or the ring. Nothing here waits.

mod handing;

use std::io;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::row::Row;
use super::segment::Tail;
use super::shared::Channel;
use crate::buf::chunker::{Cut, cut};
use crate::error::Error;
use crate::options::Options;

#[derive(Debug)]
pub(super) struct Sender {
    /// The open segment.
    tail: Option<Tail>,
    /// What is handed over.
    row: Row,
    /// Where the pending chunk begins in the open segment.
    start: usize,
    /// How many bytes were accepted before the open segment.
    before: u64,
    /// How many may have been accepted before the channel is asked again.
    allowed: u64,
    /// Whether a budget allows it: then what is not used is others', and every segment is asked for.
    budgeted: bool,
    /// How many of them were counted as part of a turn.
    counted: u64,
    chunk_size: usize,
    unbuffered: bool,
    channel: Arc<Channel>,
}

/// How a write went that goes the short way.
pub(super) enum Short {
    Done,
    /// It is in, and the puller sleeps or is gone.
    Called,
    /// It does not fit.
    No,
}

impl Sender {
    pub(super) fn new(channel: Arc<Channel>, options: &Options) -> Sender {
        Sender {
            tail: None,
            row: Row::default(),
            start: 0,
            before: 0,
            // The first that is written needs no look at an empty queue.
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

    /// How many bytes came after the last boundary.
    fn pending(&self) -> usize {
        self.filled() - self.start
    }

    fn accepted(&self) -> u64 {
        self.before + self.filled() as u64
    }

    /// How much more may be written before the channel is asked.
    fn allowance(&self) -> usize {
        self.allowed.saturating_sub(self.accepted()) as usize
    }

    fn allow(&mut self, bytes: usize) {
        self.allowed = self.accepted().saturating_add(bytes as u64);
    }

    /// How many bytes were accepted since the last call.
    pub(super) fn count(&mut self) -> usize {
        let accepted = self.accepted();
        let counted = mem::replace(&mut self.counted, accepted);
        (accepted - counted) as usize
    }

    /// A write into the open segment: the way of nearly every small write. Copies, and takes no lock.
    #[inline]
    pub(super) fn write_short(&mut self, buf: &[u8]) -> Short {
        let Some(tail) = &mut self.tail else { return Short::No };
        if !tail.append(buf) {
            return Short::No;
        }
        if self.channel.calls() { Short::Called } else { Short::Done }
    }

    /// A write for which nobody has to be asked: the way of most that complete a chunk.
    pub(super) fn write_allowed(&mut self, buf: &[u8]) -> Option<io::Result<usize>> {
        let room = self.allowance();
        let allowed = room >= buf.len() && !buf.is_empty() && !self.budgeted && !self.channel.is_closed();
        allowed.then(|| self.accept(buf, room))
    }

    /// Writes as many bytes as there is room for, at least one. Without a context, perhaps none.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the channel is closed.
    pub(super) fn poll_write(&mut self, buf: &[u8], context: Option<&Context<'_>>) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if let Some(written) = self.write_allowed(buf) {
            return Poll::Ready(written);
        }
        let filled = self.filled();
        let polled = self.channel.poll_room(self.accepted(), buf.len(), self.tail.as_mut(), context);
        if self.filled() < filled {
            // The segment is empty again, whatever came of it.
            self.before += filled as u64;
            self.start = 0;
        }
        if !matches!(polled, Poll::Ready(Ok(1..))) {
            self.complete();
            // Whoever gives up waiting and writes less is to ask too: it is still held.
            self.allow(0);
        }
        match ready!(polled)? {
            0 => Poll::Ready(Ok(0)),
            room => Poll::Ready(self.accept(&buf[..buf.len().min(room)], room)),
        }
    }

    /// Writes `part`, with which at the most `room` bytes may be written now.
    fn accept(&mut self, part: &[u8], room: usize) -> io::Result<usize> {
        let accepted = self.accepted();
        self.allow(room);
        if part.len() >= self.chunk_size {
            self.write_whole(part);
        } else if self.unbuffered {
            self.write_message(part);
        } else {
            self.write_small(part);
        }
        // Also after a large write, which has used up what was granted before.
        let granted = if self.unbuffered { 0 } else { self.allowance() };
        if let Some(tail) = &mut self.tail {
            tail.grant(granted);
        }
        self.told(accepted, part.len())
    }

    /// What a write of `len` bytes returns: all were accepted, unless the channel was closed meanwhile by another side.
    fn told(&self, before: u64, len: usize) -> io::Result<usize> {
        if !self.channel.is_closed() {
            return Ok(len);
        }
        match self.channel.kept(before, len) {
            0 => Err(Error::disconnected()),
            kept => Ok(kept),
        }
    }

    /// Whether the puller gets the last write, of `len` bytes, of which it was seen afterwards that the channel is closed.
    pub(super) fn arrived(&mut self, len: usize) -> bool {
        // Else it would keep what came too late into its ring.
        self.row = Row::default();
        self.channel.kept(self.accepted() - len as u64, len) == len
    }

    /// A write that joins others, and may complete a chunk.
    fn write_small(&mut self, mut buf: &[u8]) {
        while !buf.is_empty() {
            let spare = self.spare();
            // Beside a boundary a message should not be torn only because the segment ends.
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

    /// What comes next is not handed over.
    fn end_row(&mut self) {
        let lent = if self.row.is_lent() { self.channel.rouse() } else { None };
        self.row.end(lent);
    }

    /// Wakes a puller that sleeps.
    pub(super) fn rouse(&mut self) {
        self.row.end(self.channel.rouse());
    }

    /// A small write that is a chunk of its own. Many of them share a segment.
    fn write_message(&mut self, buf: &[u8]) {
        if self.spare() < buf.len() {
            self.reopen(buf);
        } else {
            self.append(buf);
        }
        self.boundary();
    }

    /// A large write, which is a chunk of its own.
    fn write_whole(&mut self, buf: &[u8]) {
        self.end_row();
        self.boundary();
        let mut tail = Tail::new(buf.len());
        tail.grant(buf.len());
        tail.append(buf);
        self.before += buf.len() as u64;
        let room = self.channel.push_segment(tail, self.accepted());
        self.allow(room);
    }

    fn append(&mut self, buf: &[u8]) {
        append(self.tail.as_mut().expect("a segment is open"), buf);
    }

    /// Queues everything that was written, and opens a fresh segment that begins with `buf`, which is a chunk at the most.
    fn reopen(&mut self, buf: &[u8]) {
        self.end_row();
        let mut tail = Tail::new(self.chunk_size);
        append(&mut tail, buf);
        self.before += self.filled() as u64;
        self.start = 0;
        let room = self.channel.open(&tail, self.before + tail.filled() as u64);
        self.tail = Some(tail);
        self.allow(room);
    }

    /// Queues everything that was written.
    fn close(&mut self) {
        if let Some(tail) = self.tail.take() {
            self.before += tail.filled() as u64;
            self.start = 0;
            let room = self.channel.boundary(false, self.accepted());
            self.allow(room);
        }
    }

    /// Queues a chunk that fills its segment, and is complete. Else the next write does, with the lock that it takes to
    /// open another; but one that is held does not get there.
    fn complete(&mut self) {
        if self.spare() == 0 && self.pending() > 0 {
            self.start = self.filled();
            self.channel.boundary(true, self.accepted());
        }
    }

    /// Ends the chunk here.
    pub(super) fn boundary(&mut self) {
        if self.pending() == 0 {
            return;
        }
        self.end_row();
        if self.spare() == 0 {
            self.close();
            return;
        }
        self.start = self.filled();
        let room = self.channel.boundary(true, self.accepted());
        self.allow(room);
        if let Some(tail) = &mut self.tail
            && room == 0
        {
            // Perhaps not even one byte more would find a place in the queue.
            tail.grant(0);
        }
    }

    /// The writing side ends: what was written is queued, and this is what comes after it.
    /// Returns `false` if the channel had ended already.
    pub(super) fn end(&mut self, result: io::Result<()>) -> bool {
        self.before = self.accepted();
        self.start = 0;
        self.tail = None;
        self.channel.finish(result)
    }

    /// Queues what was written and leaves the end to somebody else.
    pub(super) fn leave(&mut self) {
        self.end_row();
        self.close();
    }
}

fn append(tail: &mut Tail, buf: &[u8]) {
    tail.grant(buf.len());
    let appended = tail.append(buf);
    assert!(appended, "the open segment is too small");
    // Nothing more without asking.
    tail.grant(0);
}

#[cfg(all(test, not(pushpull_loom)))]
mod tests {
    use std::iter;
    use std::task::Waker;

    use super::*;
    use crate::channel::Taken;
    use crate::channel::ahead::Ahead;

    /// The two ends, for chunks of four bytes and two of them.
    fn ends() -> (Sender, Arc<Channel>) {
        let (sender, channel, _) = ends_of(8, 4);
        (sender, channel)
    }

    /// Writes byte after byte until it is held.
    fn fill(sender: &mut Sender) {
        while sender.poll_write(b"a", Some(&Context::from_waker(Waker::noop()))).is_ready() {
            while let Short::Done = sender.write_short(b"b") {}
        }
    }

    /// The two ends, and what the puller has taken ahead.
    fn ends_of(capacity: usize, chunk_size: usize) -> (Sender, Arc<Channel>, Ahead) {
        let mut options = Options::pipe(capacity);
        options.set_chunk_size(chunk_size);
        let channel = Arc::new(Channel::new(&options));
        (Sender::new(channel.clone(), &options), channel, Ahead::new())
    }

    /// Hands over so many chunks of a byte, as far as there is room for them.
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
    fn small_writes_in_between_begin_the_row_anew() {
        let (mut sender, ..) = ends_of(1000, 100);
        for _ in 0..20 {
            assert!(sender.poll_write(b"small", None).is_ready());
            sender.boundary();
            assert_eq!(hand_over(&mut sender, 1), 1);
        }
        assert!(!sender.row.is_lent());
        assert_eq!(hand_over(&mut sender, 20), 20);
        assert!(sender.row.is_lent());
        assert!(sender.poll_write(b"small", None).is_ready());
        assert!(!sender.row.is_lent());
    }

    #[test]
    fn law_7_a_write_that_meets_the_reader_leaving_is_refused_on_each_way() {
        // Of each kind, as if the reader had left after the writer had looked.
        for len in [2, 4, 6] {
            let (mut sender, channel) = ends();
            channel.leave();
            assert_eq!(sender.accept(&[7; 6][..len], 8).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
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

    /// Writes a byte of a segment in which there is room for more.
    fn fill_some(sender: &mut Sender) {
        assert!(matches!(sender.poll_write(b"a", None), Poll::Ready(Ok(1))));
    }

    #[test]
    fn a_writer_that_is_held_has_queued_its_last_chunk() {
        let (mut sender, channel) = ends();
        fill(&mut sender);
        assert_eq!(channel.queued(), 2);
    }

    #[test]
    fn a_writer_that_gave_up_waiting_is_held_for_less_too() {
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
    fn a_segment_whose_chunk_is_gone_is_begun_anew_also_when_it_was_full() {
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
