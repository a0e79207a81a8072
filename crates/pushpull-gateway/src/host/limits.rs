//! What a client may cost.

use std::time::Duration;

use crate::bounds::positive;

/// A number that a semaphore of tokio can count to.
const MAX_CONNECTIONS: usize = u32::MAX as usize >> 3;

/// A time that can be added to any moment: thirty years.
const MAX_TIME: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// What a [`Server`](super::Server) allows its clients. Each limit has the name of an option of `pushpull serve`.
///
/// Setters can be chained. As with `std::process::Command`, a getter is the name of its setter after `get_`. A time of
/// `Duration::MAX` is no limit.
///
/// ```
/// use std::time::Duration;
/// use pushpull_gateway::host::ClientLimits;
///
/// let limits = ClientLimits::new().max_connections(100).timeout_client(Duration::from_secs(5));
/// assert_eq!(limits.get_max_connections(), 100);
/// assert_eq!(limits.get_timeout_head(), Duration::from_secs(10));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLimits {
    max_connections: usize,
    timeout_head: Duration,
    timeout_idle: Duration,
    timeout_client: Duration,
    shutdown_notice: Duration,
    shutdown_grace: Duration,
}

impl ClientLimits {
    /// Creates the default limits.
    pub fn new() -> ClientLimits {
        ClientLimits {
            max_connections: 10_000,
            timeout_head: Duration::from_secs(10),
            timeout_idle: Duration::from_secs(60),
            timeout_client: Duration::from_secs(60),
            shutdown_notice: Duration::ZERO,
            shutdown_grace: Duration::from_secs(10),
        }
    }

    /// Sets how many connections there may be at a time (default: 10,000). One more is answered with 503 (HTTP) and closed.
    ///
    /// # Panics
    ///
    /// Panics if `number` is zero.
    #[must_use]
    #[track_caller]
    pub fn max_connections(mut self, number: usize) -> ClientLimits {
        assert!(number > 0, "`max_connections` must not be zero: no client could be served");
        self.max_connections = number.min(MAX_CONNECTIONS);
        self
    }

    /// Sets how long a connection may take to send the whole head of a request (default: 10 s), from when it was accepted or
    /// its last response was complete. After this time the connection is closed; if a part of a head has come over HTTP/1,
    /// it is answered with 408.
    ///
    /// A `PING` of HTTP/2 is no request. For a front server (FastCGI, SCGI), which keeps connections for later, the time
    /// begins with the first byte of a request.
    ///
    /// # Panics
    ///
    /// Panics if `time` is zero.
    #[must_use]
    #[track_caller]
    pub fn timeout_head(mut self, time: Duration) -> ClientLimits {
        self.timeout_head = positive("timeout_head", time);
        self
    }

    /// Sets how long a client may send nothing of a body that is waited for (default: 60 s). After this time the read of the
    /// body returns an error, which before the response begins is answered with 408.
    ///
    /// # Panics
    ///
    /// Panics if `time` is zero.
    #[must_use]
    #[track_caller]
    pub fn timeout_idle(mut self, time: Duration) -> ClientLimits {
        self.timeout_idle = positive("timeout_idle", time);
        self
    }

    /// Sets how long a client may take nothing of a response that waits for it (default: 60 s). After this time the response
    /// is cut: the connection is reset, or the stream of HTTP/2.
    ///
    /// A client that takes a little is not cut, as far as the system tells: on HTTP/2 that is 16 KiB of a stream, on a Unix
    /// socket what was written at once. Detection can take up to twice the time.
    ///
    /// # Panics
    ///
    /// Panics if `time` is zero.
    #[must_use]
    #[track_caller]
    pub fn timeout_client(mut self, time: Duration) -> ClientLimits {
        self.timeout_client = positive("timeout_client", time);
        self
    }

    /// Sets how long the server goes on as before once it is to stop (default: zero), so that a balancer can learn of it
    /// first: [`Health`](super::Health) tells it. After this time no connection is accepted.
    #[must_use]
    pub fn shutdown_notice(mut self, time: Duration) -> ClientLimits {
        self.shutdown_notice = time;
        self
    }

    /// Sets how long running responses may take to finish after the notice (default: 10 s). After this time they are cut.
    #[must_use]
    pub fn shutdown_grace(mut self, time: Duration) -> ClientLimits {
        self.shutdown_grace = time;
        self
    }

    /// Returns how many connections there may be at a time.
    pub fn get_max_connections(&self) -> usize {
        self.max_connections
    }

    /// Returns how long a connection may take to send the head of a request.
    pub fn get_timeout_head(&self) -> Duration {
        self.timeout_head
    }

    /// Returns how long a client may send nothing of a body.
    pub fn get_timeout_idle(&self) -> Duration {
        self.timeout_idle
    }

    /// Returns how long a client may take nothing of a response.
    pub fn get_timeout_client(&self) -> Duration {
        self.timeout_client
    }

    /// Returns how long the server goes on as before once it is to stop.
    pub fn get_shutdown_notice(&self) -> Duration {
        self.shutdown_notice
    }

    /// Returns how long running responses may take to finish after the notice.
    pub fn get_shutdown_grace(&self) -> Duration {
        self.shutdown_grace
    }

    /// Returns the notice and the grace together: how long the server may go on once it is to stop.
    pub fn total_grace(&self) -> Duration {
        self.shutdown_notice.saturating_add(self.shutdown_grace)
    }

    /// Returns the same with times that can be added to any moment.
    pub(super) fn bounded(mut self) -> ClientLimits {
        let ClientLimits { timeout_head, timeout_idle, timeout_client, shutdown_notice, shutdown_grace, .. } =
            &mut self;
        for time in [timeout_head, timeout_idle, timeout_client, shutdown_notice, shutdown_grace] {
            *time = MAX_TIME.min(*time);
        }
        self
    }
}

impl Default for ClientLimits {
    fn default() -> ClientLimits {
        ClientLimits::new()
    }
}
