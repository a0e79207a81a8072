//! Wake-ups: which wait gets them if one wait is nested in another, and what happens if a waker panics.

use std::io::{self, Write};
use std::panic;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{AsyncWrite, Stream, StreamExt, stream};
use pushpull::{Chunks, Error, Local, Pool, Thread, pipe};
use pushpull_testing::watchdog::within;

/// A waker that counts its wake-ups.
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Pulls the next chunk as an iterator, because streams have a `next` too.
fn pull(chunks: &mut Chunks) -> Bytes {
    Iterator::next(chunks).unwrap().unwrap()
}

/// A stream whose single item is ready after `let_go`. It reports each poll.
#[derive(Clone)]
struct LetGo {
    shared: Arc<Mutex<(bool, Option<Waker>)>>,
    polls: Sender<()>,
    over: bool,
}

impl LetGo {
    fn new() -> (LetGo, Receiver<()>) {
        let (polls, polled) = channel();
        (LetGo { shared: Arc::default(), polls, over: false }, polled)
    }

    fn let_go(&self) {
        let mut shared = self.shared.lock().unwrap();
        shared.0 = true;
        let waker = shared.1.take();
        drop(shared);
        waker.unwrap().wake();
    }
}

impl Stream for LetGo {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let mut shared = self.shared.lock().unwrap();
        let gone = shared.0;
        shared.1 = Some(context.waker().clone());
        drop(shared);
        let _ = self.polls.send(());
        if gone {
            self.over = true;
            return Poll::Ready(Some(Ok(Bytes::from_static(b"x"))));
        }
        Poll::Pending
    }
}

/// Copies a stream on a thread of its own. Pulling the copy polls the stream.
fn copied(stream: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static) -> Chunks {
    Thread::new().filter(|r, w| io::copy(r, w).map(drop)).pull_from_stream(stream)
}

#[test]
fn law_11_a_wait_nested_in_a_poll_leaves_the_poll_around_it_its_wake_up() {
    fn wait_for_both() -> usize {
        let ((around, _), (nested, polled)) = (LetGo::new(), LetGo::new());
        let both = StreamExt::zip(around.clone(), stream::iter(copied(nested.clone())));
        let mut both = copied(both.map(|(around, nested)| Ok([around?, nested?].concat().into())));
        let let_go = thread::spawn(move || {
            // The nested stream is polled in a wait inside the first poll of the other stream.
            polled.recv().unwrap();
            around.let_go();
            // The nested stream is polled again, for a wake-up of the other one.
            polled.recv().unwrap();
            nested.let_go();
        });
        let len = pull(&mut both).len();
        let_go.join().unwrap();
        len
    }
    within(|| {
        assert_eq!(wait_for_both(), 2);
        let mut pooled = Pool::new(1).pull(|w| w.write_all(&vec![7; wait_for_both()]));
        assert_eq!(pull(&mut pooled), [7, 7][..]);
    });
}

/// A waker that panics when it is woken, or when it is dropped.
enum Panics {
    Woken,
    Dropped,
}

impl Panics {
    fn waker(self) -> Waker {
        Waker::from(Arc::new(self))
    }
}

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        if matches!(*self, Panics::Woken) {
            panic::resume_unwind(Box::new("in a waker"));
        }
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        if matches!(self, Panics::Dropped) {
            panic::resume_unwind(Box::new("in a waker's destructor"));
        }
    }
}

#[test]
fn law_11_a_waker_that_panics_costs_its_reader_no_chunk() {
    within(|| {
        // The writer's waker, which the reader wakes.
        let (mut writer, mut chunks) = pipe(2);
        writer.write_all(b"ab").unwrap();
        // The second waker replaces the first, which is dropped.
        for panics in [Panics::Dropped, Panics::Woken] {
            assert!(pin!(&mut writer).poll_write(&mut Context::from_waker(&panics.waker()), b"c").is_pending());
        }
        assert_eq!(pull(&mut chunks), "ab");
        // The reader's waker, which the writer wakes, or the reader itself drops.
        for panics in [Panics::Woken, Panics::Dropped] {
            assert!(Pin::new(&mut chunks).poll_next(&mut Context::from_waker(&panics.waker())).is_pending());
            writer.write_all(b"c").unwrap();
            assert_eq!(pull(&mut chunks), "c");
        }
        // The first of two wakers that wait for the end.
        let mut watching = (Box::pin(writer.closed()), Box::pin(writer.closed()));
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        let waker = wakes.clone().into();
        assert!(watching.0.as_mut().poll(&mut Context::from_waker(&Panics::Woken.waker())).is_pending());
        assert!(watching.1.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(chunks);
        assert_eq!(wakes.0.load(SeqCst), 1);
    });
}

#[test]
fn a_waker_that_panics_leaves_a_worker_at_work() {
    within(|| {
        let pool = Pool::new(1);
        let mut chunks = pool.pull(|w| {
            let mut local = Local::new().pull(|w| {
                let _ = wait_for_nothing(Duration::from_millis(1));
                w.write_all(b"never pulled")
            });
            let waker = Panics::Woken.waker();
            assert!(Pin::new(&mut local).poll_next(&mut Context::from_waker(&waker)).is_pending());
            // The worker's clock wakes both.
            let error = wait_for_nothing(Duration::from_millis(20));
            assert!(Error::of(&error).is_some_and(Error::is_timed_out));
            w.write_all(b"it goes on")
        });
        assert_eq!(pull(&mut chunks), "it goes on");
        assert_eq!(pull(&mut pool.pull(|w| w.write_all(b"so does the worker"))), "so does the worker");
    });

    fn wait_for_nothing(timeout: Duration) -> io::Error {
        let (_writer, mut never) = pipe(1);
        never.next_timeout(timeout).unwrap().unwrap_err()
    }
}
