//! What a client may cost.

use std::time::Duration;

/// No time is longer, so that every one can be added to any moment: thirty years.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// What a client may cost, each with a default. `Duration::MAX` is no limit.
///
/// ```
/// use std::time::Duration;
/// use pushpull_gateway::host::Limits;
///
/// let limits = Limits::new().connections(100).stall(Duration::from_secs(5));
/// # let _ = limits;
/// ```
#[derive(Debug, Clone)]
pub struct Limits {
    pub(super) connections: usize,
    pub(super) head_time: Duration,
    pub(super) body_idle: Duration,
    pub(super) stall: Duration,
    pub(super) notice: Duration,
    pub(super) grace: Duration,
}

impl Limits {
    /// The defaults.
    pub fn new() -> Limits {
        Limits {
            connections: 10_000,
            head_time: Duration::from_secs(10),
            body_idle: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            notice: Duration::ZERO,
            grace: Duration::from_secs(10),
        }
    }

    /// How many connections there may be at a time (10,000). One more is closed, and told so by HTTP (503).
    ///
    /// # Panics
    ///
    /// If `number` is zero.
    #[must_use]
    #[track_caller]
    pub fn connections(mut self, number: usize) -> Limits {
        assert!(number > 0, "`connections(0)`: nobody could be served");
        self.connections = number.min(u32::MAX as usize >> 3);
        self
    }

    /// How many connections there may be at a time.
    pub fn most_connections(&self) -> usize {
        self.connections
    }

    /// How long a connection may take to send the whole head of a request (10 s), from when it was accepted or its last
    /// answer was complete. A `PING` of HTTP/2 is no request. A front server, which keeps connections for later, has as long as it likes before the first byte.
    ///
    /// # Panics
    ///
    /// If `time` is zero.
    #[must_use]
    #[track_caller]
    pub fn head_time(mut self, time: Duration) -> Limits {
        self.head_time = positive("head_time", time);
        self
    }

    /// How long a client may send nothing of a body that is waited for (60 s).
    ///
    /// # Panics
    ///
    /// If `time` is zero.
    #[must_use]
    #[track_caller]
    pub fn body_idle(mut self, time: Duration) -> Limits {
        self.body_idle = positive("body_idle", time);
        self
    }

    /// How long a client may take nothing of a response that waits for it (60 s). A client that takes a little is not cut, as
    /// far as the system tells: on HTTP/2 that is 16 KiB of a stream, on a Unix socket what was written at once. To see that a
    /// client takes nothing may take twice the time.
    ///
    /// # Panics
    ///
    /// If `time` is zero.
    #[must_use]
    #[track_caller]
    pub fn stall(mut self, time: Duration) -> Limits {
        self.stall = positive("stall", time);
        self
    }

    /// How long the server goes on as before once it is to stop (zero), so that whoever sends it requests can learn of it
    /// first. [`Health`](crate::host::Health) tells them.
    #[must_use]
    pub fn notice(mut self, time: Duration) -> Limits {
        self.notice = time;
        self
    }

    /// Returns the notice and the grace together: how long the server may go on once it is to stop.
    pub fn total_grace(&self) -> Duration {
        self.notice.saturating_add(self.grace)
    }

    /// How long running responses may take to finish once the server is to stop (10 s); zero gives them no time.
    #[must_use]
    pub fn grace(mut self, time: Duration) -> Limits {
        self.grace = time;
        self
    }
}

#[track_caller]
fn positive(name: &str, time: Duration) -> Duration {
    assert!(!time.is_zero(), "`{name}(0)`: nobody is as fast as that");
    time.min(LONGEST)
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::new()
    }
}
