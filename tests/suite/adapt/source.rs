//! A scripted stream that does everything that a stream may do.

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread;

use bytes::Bytes;
use futures_util::Stream;
use proptest::prelude::*;

/// What one poll does.
#[derive(Debug, Clone)]
pub enum Step {
    Chunk(usize),
    /// `Pending`, and the task is woken before the poll returns.
    WakesAtOnce,
    /// `Pending`, and another thread wakes the task.
    WakesLater,
    /// `Pending`, and the task is woken twice.
    WakesTwice,
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => Just(Step::Chunk(0)),
        3 => (1..40_usize).prop_map(Step::Chunk),
        2 => (40..400_usize).prop_map(Step::Chunk),
        1 => Just(Step::WakesAtOnce),
        2 => Just(Step::WakesLater),
        1 => Just(Step::WakesTwice),
    ];
    proptest::collection::vec(step, 0..40)
}

/// The bytes of a script, numbered, so that a lost, doubled or moved byte is found.
pub struct Numbers(pub u32);

impl Numbers {
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        (0..len)
            .map(|_| {
                self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (self.0 >> 24) as u8
            })
            .collect()
    }
}

pub fn bytes_of(steps: &[Step]) -> Vec<u8> {
    let mut numbers = Numbers(1);
    let len = |step: &Step| if let Step::Chunk(len) = step { *len } else { 0 };
    steps.iter().flat_map(|step| numbers.take(len(step))).collect()
}

/// Wakes a task from another thread.
fn wake_elsewhere(waker: Waker) {
    static ALARM: OnceLock<Sender<Waker>> = OnceLock::new();
    let alarm = ALARM.get_or_init(|| {
        let (alarm, wakers) = channel::<Waker>();
        thread::spawn(move || wakers.into_iter().for_each(Waker::wake));
        alarm
    });
    alarm.send(waker).unwrap();
}

pub struct Scripted {
    steps: std::vec::IntoIter<Step>,
    numbers: Numbers,
    fails: Option<io::ErrorKind>,
    over: bool,
}

impl Scripted {
    pub fn new(steps: Vec<Step>, fails: Option<io::ErrorKind>) -> Scripted {
        Scripted { steps: steps.into_iter(), numbers: Numbers(1), fails, over: false }
    }
}

impl Stream for Scripted {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        assert!(!self.over, "the stream was polled after its end");
        let waker = context.waker();
        match self.steps.next() {
            Some(Step::Chunk(len)) => return Poll::Ready(Some(Ok(self.numbers.take(len).into()))),
            Some(Step::WakesAtOnce) => waker.wake_by_ref(),
            Some(Step::WakesTwice) => (0..2).for_each(|_| waker.wake_by_ref()),
            Some(Step::WakesLater) => wake_elsewhere(waker.clone()),
            None => {
                self.over = true;
                return Poll::Ready(self.fails.map(|kind| Err(kind.into())));
            }
        }
        Poll::Pending
    }
}
