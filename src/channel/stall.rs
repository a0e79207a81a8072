//! A writer's patience with a puller that does not pull.

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
    /// That of the writer of a program with these options.
    pub(super) fn of(options: &Options, channel: &Arc<Channel>) -> Option<Patience> {
        options.stall_timeout().map(|time| Patience { time, channel: channel.clone() })
    }
}

/// Waits until `poll` is ready; no longer than until the puller has pulled nothing for all of that time, while there was
/// something to pull. Then the channel has ended with that.
///
/// # Errors
///
/// `TimedOut`, when the puller has stalled; `BrokenPipe` for a wait that is refused.
pub(super) fn until<T>(
    patience: Option<&Patience>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> io::Result<T> {
    let Some(Patience { time, channel }) = patience else {
        return wait::until(poll).map_err(|_| Error::disconnected());
    };
    // A look at the clock costs more than what is ready at once.
    if let Poll::Ready(value) = poll(&mut Context::from_waker(Waker::noop())) {
        return Ok(value);
    }
    loop {
        let pulled = channel.stats().chunks;
        // A time too long to name is no limit.
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
