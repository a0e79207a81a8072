//! The end of a channel, from either side.

use std::io;
use std::task::{Context, Poll};

use super::{CLOSED, Channel, Locked};
use crate::runtime::contained::contained;
use crate::runtime::waker::{self, Watchers};
use crate::sync::MutexGuard;
use crate::sys::membarrier;

impl Channel {
    /// Ends the writing side with `result`. Only the first end counts.
    ///
    /// A writer moved out of its program may be writing into the open segment or the ring meanwhile. That writer sees
    /// the flag. What it published before it could see the flag is still queued.
    pub(crate) fn end(&self, result: io::Result<()>) {
        let mut locked = self.lock();
        if !self.close(&mut locked, result) {
            return;
        }
        if locked.is_lockless() {
            // A system call, during which no other thread should wait for the lock.
            drop(locked);
            membarrier::heavy();
            locked = self.lock();
        }
        self.settle_end(locked);
    }

    /// Ends the channel and stops its program, because the engine is shut down. The program's host sees `error`.
    pub(crate) fn shut_down(&self, error: io::Error) {
        self.end(Err(error));
        self.program.stop();
    }

    /// Ends the writing side as `end` does. Called by the writer of the open segment, which writes no more. Returns
    /// `false` if the channel had already ended.
    pub(in crate::channel) fn finish(&self, result: io::Result<()>) -> bool {
        let mut locked = self.lock();
        let first = self.close(&mut locked, result);
        self.settle_end(locked);
        first
    }

    fn close(&self, locked: &mut Locked, result: io::Result<()>) -> bool {
        let first = locked.state.end(result);
        if first {
            self.attend(CLOSED, 0);
        }
        first
    }

    /// Queues what was published before the end. Called when no writer is between its write and its look at the flag.
    fn settle_end(&self, mut locked: MutexGuard<'_, Locked>) {
        if !locked.state.ended() || locked.kept.is_some() {
            return;
        }
        locked.close_open();
        let ring = locked.ring.take();
        locked.kept = Some(locked.state.queued().bytes);
        let writer = locked.writer.take();
        let watchers = locked.watchers.take();
        let others = locked.complete();
        self.wake_puller(locked);
        waker::wake_all(others);
        waker::wake(writer);
        waker::wake_all(Watchers::all(watchers));
        drop(ring);
    }

    /// Returns how many of `len` bytes the reader gets, or got before it left. They were written into a closed channel,
    /// after `before` others.
    pub(in crate::channel) fn kept(&self, before: u64, len: usize) -> usize {
        // The caller is the writer itself, which has seen the flag.
        self.settle_end(self.lock());
        let kept = self.lock_bare().kept.unwrap_or(0);
        usize::try_from(kept.saturating_sub(before)).map_or(len, |kept| kept.min(len))
    }

    /// Returns `true` if the channel has ended, and its reader has not left.
    pub(in crate::channel) fn has_ended(&self) -> bool {
        let locked = self.lock_bare();
        locked.state.ended() && !locked.state.was_left()
    }

    /// Ends the reading side: wakes the writer, and drops what was not pulled. Returns the end of the bridge if it was
    /// not reported: an error, or `Ok` if all bytes were pulled.
    pub(crate) fn leave(&self) -> Option<io::Result<()>> {
        let mut locked = self.lock_settled();
        self.attend(CLOSED, 0);
        if locked.state.ended() && locked.kept.is_none() {
            locked.close_open();
        }
        let pulled = locked.state.pulled().bytes;
        locked.kept.get_or_insert(pulled);
        let (rest, untold) = locked.state.leave();
        let open = locked.open.take();
        let ring = locked.ring.take().filter(|_| locked.in_row);
        let puller = self.take_puller(&mut locked);
        let writer = locked.writer.take();
        let watchers = locked.watchers.take();
        let share = locked.share.take();
        drop(locked);
        waker::wake(writer);
        waker::wake_all(Watchers::all(watchers));
        // A reader moved out of its program may be waiting.
        waker::wake(puller);
        if let Some(mut ring) = ring {
            // The writer itself drops what it adds later, since it sees the flag.
            membarrier::heavy();
            while let Some(bytes) = ring.take() {
                contained(|| drop(bytes));
            }
        }
        contained(|| drop((rest, open, share)));
        untold
    }

    /// Polls for the end of the channel. A caller that gives up must forget its ticket.
    pub(in crate::channel) fn poll_closed(&self, ticket: &mut Option<u64>, context: &Context<'_>) -> Poll<()> {
        if self.is_closed() {
            return Poll::Ready(());
        }
        let mut locked = self.lock_bare();
        // The side that ends the channel holds this lock, and wakes all watchers registered by then.
        if locked.state.ended() {
            return Poll::Ready(());
        }
        let before = locked.watchers.get_or_insert_default().watch(ticket, context.waker());
        drop(locked);
        waker::discard(before);
        Poll::Pending
    }

    pub(in crate::channel) fn forget_closed(&self, ticket: u64) {
        let before = self.lock_bare().watchers.as_mut().and_then(|watchers| watchers.forget(ticket));
        waker::discard(before);
    }
}

/// `RUSTFLAGS="--cfg pushpull_loom" cargo test --release --lib model`
#[cfg(all(test, pushpull_loom))]
mod model {
    use std::io::{ErrorKind, Write};
    use std::sync::Arc;

    use crate::channel::{Channel, Chunks, Writer};
    use crate::options::Options;

    /// Checks a writer and a reader while another thread ends the channel.
    fn ended_while(write: impl Fn(&mut Writer) -> usize + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let options = Options::pipe(8);
            let channel = Arc::new(Channel::new(&options));
            let mut writer = Writer::bare(channel.clone(), &options);
            let mut chunks = Chunks::new(channel.clone());
            // Once this many bytes were in flight, chunks handed over in a row need no lock.
            writer.write_bytes("....".into()).unwrap();
            assert_eq!(chunks.next().unwrap().unwrap(), "....");
            let ender = loom::thread::spawn(move || channel.end(Err(ErrorKind::TimedOut.into())));
            let accepted = write(&mut writer);
            ender.join().unwrap();
            let (mut bytes, mut errors) = (0, 0);
            for item in chunks {
                match item {
                    Ok(chunk) => bytes += chunk.len(),
                    Err(_) => errors += 1,
                }
            }
            assert_eq!((bytes, errors), (accepted, 1), "all that was accepted, and then the error");
        });
    }

    #[test]
    fn law_2_what_small_writes_have_accepted_comes_before_an_end_by_another_side() {
        ended_while(|writer| (0..3).map(|_| writer.write(b"x").unwrap_or(0)).sum());
    }

    #[test]
    fn law_2_what_was_handed_over_comes_before_an_end_by_another_side() {
        ended_while(|writer| (0..3).filter(|_| writer.write_bytes("x".into()).is_ok()).count());
    }

    #[test]
    fn law_2_a_reader_that_meets_an_end_by_another_side_misses_nothing() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(|| {
            let options = Options::pipe(8);
            let channel = Arc::new(Channel::new(&options));
            let mut writer = Writer::bare(channel.clone(), &options);
            let mut chunks = Chunks::new(channel.clone());
            assert_eq!(writer.write(b"x").unwrap(), 1);
            assert_eq!(chunks.next().unwrap().unwrap(), "x");
            let ender = loom::thread::spawn(move || channel.end(Err(ErrorKind::TimedOut.into())));
            let reader =
                loom::thread::spawn(move || chunks.map(|item| item.map_or(0, |chunk| chunk.len())).sum::<usize>());
            let accepted = writer.write(b"y").unwrap_or(0);
            ender.join().unwrap();
            assert_eq!(reader.join().unwrap(), accepted);
        });
    }
}
