//! A body of a program on [`Local`](crate::Local) for servers that ask for `Send`, though they poll it where it was made.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;

use bytes::Bytes;
use http_body::SizeHint;
use parking_lot::Mutex;

use super::body::{LocalBody, PolledFrame};
use crate::local;

/// An HTTP body that can be sent, of a program that stays on its thread, from
/// [`local::Body::into_send`](crate::local::Body::into_send).
///
/// The program itself is kept by the thread on which it was made. There, the body is that of the program. On another
/// thread, a poll is an error, and a drop hands the program back: it is dropped when its thread next uses such a body, or
/// ends.
pub struct SendBody {
    /// The number of the body at its thread.
    number: usize,
    thread: Arc<Returned>,
    /// Whether it was polled on another thread, which ends it.
    is_lost: bool,
}

/// The numbers of bodies that were dropped on other threads.
#[derive(Default)]
struct Returned(Mutex<Vec<usize>>);

/// The bodies that were made on a thread.
#[derive(Default)]
struct Kept {
    returned: Arc<Returned>,
    bodies: Vec<Option<LocalBody>>,
    /// The numbers that are free.
    free: Vec<usize>,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

impl Kept {
    /// Takes the bodies that were dropped elsewhere. Drop them without a borrow: their programs may use other bodies.
    fn take_returned(&mut self) -> Vec<Option<LocalBody>> {
        let numbers = mem::take(&mut *self.returned.0.lock());
        numbers.into_iter().map(|number| self.remove(number)).collect()
    }

    fn remove(&mut self, number: usize) -> Option<LocalBody> {
        self.free.push(number);
        self.bodies[number].take()
    }

    fn add(&mut self, body: LocalBody) -> usize {
        if let Some(number) = self.free.pop() {
            self.bodies[number] = Some(body);
            return number;
        }
        self.bodies.push(Some(body));
        self.bodies.len() - 1
    }
}

impl local::Body {
    /// Converts the body into one that can be sent, for servers that ask for it and yet poll each response on one thread.
    /// Such a server has a runtime for each core, like [`Server`], or `tokio::runtime::Builder::new_current_thread`.
    ///
    /// There, a short response costs no wake-up of another thread, as it does on [`Pool`](crate::Pool).
    ///
    /// # Examples
    ///
    /// A handler of axum:
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// async fn hello() -> axum_core::body::Body {
    ///     let chunks = pushpull::Local::new().pull(|w| w.write_all(b"hello"));
    ///     axum_core::body::Body::new(chunks.into_body().into_send())
    /// }
    /// # use http_body_util::BodyExt;
    /// # let bytes = pollster::block_on(async { hello().await.collect().await.unwrap().to_bytes() });
    /// # assert_eq!(bytes, "hello");
    /// ```
    ///
    /// # Caveats
    ///
    /// On a runtime whose threads share their tasks, such as tokio's default, another thread than the handler's may poll
    /// the response. It fails then, and its client sees it cut. Use [`Pool`](crate::Pool) there.
    ///
    /// [`Server`]: https://docs.rs/pushpull-gateway/latest/pushpull_gateway/host/http/type.Server.html
    pub fn into_send(self) -> SendBody {
        let (number, thread, returned) = KEPT.with_borrow_mut(|kept| {
            let returned = kept.take_returned();
            (kept.add(self), kept.returned.clone(), returned)
        });
        drop(returned);
        SendBody { number, thread, is_lost: false }
    }
}

impl SendBody {
    /// Calls `use_kept` with the bodies of this thread, if this one is among them. At the end of a thread, none are.
    fn at_home<R>(&self, use_kept: impl FnOnce(&mut Kept) -> R) -> Option<R> {
        let use_kept = |kept: &mut Kept| Arc::ptr_eq(&kept.returned, &self.thread).then(|| use_kept(kept));
        KEPT.try_with(|kept| use_kept(&mut kept.borrow_mut())).ok().flatten()
    }

    /// Calls `ask` with the body, if this is its thread.
    fn with<R>(&self, ask: impl FnOnce(&LocalBody) -> R) -> Option<R> {
        self.at_home(|kept| kept.bodies[self.number].as_ref().map(ask)).flatten()
    }
}

impl http_body::Body for SendBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> PolledFrame {
        let this = self.get_mut();
        if this.is_lost {
            return PolledFrame::Ready(None);
        }
        // Without a borrow, since the program may use other bodies.
        let Some(mut body) = this.at_home(|kept| kept.bodies[this.number].take()).flatten() else {
            this.is_lost = true;
            let why =
                "a body of `Local` was polled on another thread than its own: use `Pool`, or a runtime for each thread";
            return PolledFrame::Ready(Some(Err(io::Error::other(why))));
        };
        let polled = Pin::new(&mut body).poll_frame(context);
        this.at_home(|kept| kept.bodies[this.number] = Some(body));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.is_lost || self.with(LocalBody::is_end_stream).unwrap_or(false)
    }

    fn size_hint(&self) -> SizeHint {
        self.with(LocalBody::size_hint).unwrap_or_default()
    }
}

impl Drop for SendBody {
    fn drop(&mut self) {
        // Dropped without a borrow, as everything that is taken.
        let dropped = self.at_home(|kept| (kept.remove(self.number), kept.take_returned()));
        if dropped.is_none() {
            // The thread that made it has it.
            self.thread.0.lock().push(self.number);
        }
    }
}

impl fmt::Debug for SendBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendBody").field("number", &self.number).finish_non_exhaustive()
    }
}
