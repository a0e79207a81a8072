//! Refuses requests while no worker runs: they would wait on the socket for the next start.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::Poll;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// Closes each connection that waits on the socket while the number of working slots is zero.
pub(super) async fn refuse(listener: OwnedFd, mut working: watch::Receiver<usize>) -> io::Result<()> {
    #[allow(deprecated, reason = "unsound only for a type that closes its descriptor early: an `OwnedFd` does not")]
    let listener = AsyncFd::with_interest(listener, Interest::READABLE)?;
    while working.wait_for(|count| *count == 0).await.is_ok() {
        let mut changed = pin!(working.changed());
        let mut waiting = pin!(listener.readable());
        let waiting = poll_fn(|context| match changed.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => waiting.as_mut().poll(context).map(Some),
        });
        let Some(waiting) = waiting.await else { continue };
        // The socket blocks, as the workers need it. On this thread no worker is started before it is accepted.
        match is_waiting(&listener) {
            true => drop(rustix::net::accept(&listener)),
            false => waiting?.clear_ready(),
        }
    }
    Ok(())
}

fn is_waiting(listener: &AsyncFd<OwnedFd>) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&now)), Ok(1))
}
