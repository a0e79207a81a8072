//! The time that a writer waits for a reader that does not pull.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::Channel;
use crate::error::Error;
use crate::options::Options;
use crate::runtime::wait;

pub(super) struct Patience {
    time: Duration,
    channel: Arc<Channel>,
}

impl Patience {
    /// Returns the patience of a program's writer, if `stall_timeout` is set.
    pub(super) fn of(options: &Options, channel: &Arc<Channel>) -> Option<Patience> {
        options.stall_timeout().map(|time| Patience { time, channel: channel.clone() })
    }
}

/// Waits until `poll` is ready, or the reader stalls: for the whole time there was something to pull, and the reader
/// pulled nothing. If the reader stalls, the channel has ended with that error.
///
/// # Errors
///
/// Returns `TimedOut` if the reader has stalled, and `BrokenPipe` if the wait is refused.
pub(super) fn until<T>(
    patience: Option<&Patience>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> io::Result<T> {
    let Some(Patience { time, channel }) = patience else {
        return wait::until(poll).map_err(|_| Error::disconnected());
    };
    // If `poll` is ready at once, reading the clock would cost more than the poll.
    if let Poll::Ready(value) = poll(&mut Context::from_waker(Waker::noop())) {
        return Ok(value);
    }
    loop {
        let pulled = channel.stats().chunks;
        // A time too long for `Instant` is no limit.
        let Some(deadline) = Instant::now().checked_add(*time) else {
            return wait::until(poll).map_err(|_| Error::disconnected());
        };
        match wait::until_deadline(Some(deadline), &mut poll) {
            Ok(Some(value)) => return Ok(value),
            Ok(None) if channel.stall(pulled) => return Err(Error::stalled()),
            Ok(None) => {}
            Err(_) => return Err(Error::disconnected()),
        }
    }
}
