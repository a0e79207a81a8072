//! The limits for clients.

use std::time::Duration;

use crate::bounds::positive;

/// The maximum that a semaphore of tokio supports.
const MAX_CONNECTIONS: usize = u32::MAX as usize >> 3;

/// Thirty years: a time that can be added to any `Instant`.
const MAX_TIME: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The limits that a [`Server`](super::Server) sets its clients. Each has the name of an option of `pushpull serve`.
///
/// Setters can be chained. Each getter is named after its setter, with the prefix `get_`. A time of `Duration::MAX`
/// means no limit.
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
    keep_alive: Duration,
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
            keep_alive: Duration::from_secs(10),
            timeout_idle: Duration::from_secs(60),
            timeout_client: Duration::from_secs(60),
            shutdown_notice: Duration::ZERO,
            shutdown_grace: Duration::from_secs(10),
        }
    }

    /// Sets the maximum number of connections (default: 10,000). A connection beyond it is closed; over HTTP it is
    /// answered with 503.
    ///
    /// # Panics
    ///
    /// Panics if `number` is zero.
    #[must_use]
    #[track_caller]
    pub fn max_connections(mut self, number: usize) -> ClientLimits {
        assert!(number > 0, "`max_connections` must not be zero; the default is 10,000");
        self.max_connections = number.min(MAX_CONNECTIONS);
        self
    }

    /// Sets how long a connection may take to send the whole head of a request (default: 10 s). After this time the
    /// connection is closed. If part of a head has arrived over HTTP/1, it is answered with 408.
    ///
    /// The time of the first head starts when the connection is accepted. The time of a later head starts with its
    /// first byte; until then, [`keep_alive`](ClientLimits::keep_alive) counts. Front servers (FastCGI, SCGI) keep
    /// connections for later, so for them every time starts with the first byte of a request.
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

    /// Sets how long a connection is kept without a request (default: 10 s). The time starts when the last response is
    /// complete. After this time the connection is closed.
    ///
    /// If a proxy keeps connections to this server, set a longer time than the proxy's own. Otherwise the server may
    /// close a connection while the proxy sends a request on it.
    ///
    /// An HTTP/2 `PING` does not count as a request. Connections of front servers (FastCGI, SCGI) are kept without a
    /// limit.
    ///
    /// # Panics
    ///
    /// Panics if `time` is zero.
    #[must_use]
    #[track_caller]
    pub fn keep_alive(mut self, time: Duration) -> ClientLimits {
        self.keep_alive = positive("keep_alive", time);
        self
    }

    /// Sets how long a client may pause while the server waits for a request body (default: 60 s). After this time the
    /// read of the body returns an error. Before the response starts, that error is answered with 408.
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

    /// Sets how long a client may read nothing while a response waits to be sent (default: 60 s). After this time the
    /// response is cut: the connection, or the HTTP/2 stream, is reset.
    ///
    /// Slow but steady reading counts as progress once the server can see it: after 16 KiB of an HTTP/2 stream, or a
    /// whole write on a Unix socket. Detection can take up to twice the time.
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

    /// Sets how long the server keeps accepting connections after a shutdown begins (default: zero). Meanwhile
    /// [`Health`](super::Health) answers with 503, so that a load balancer stops sending requests.
    #[must_use]
    pub fn shutdown_notice(mut self, time: Duration) -> ClientLimits {
        self.shutdown_notice = time;
        self
    }

    /// Sets how long running responses may take after the notice (default: 10 s). After this time they are cut.
    #[must_use]
    pub fn shutdown_grace(mut self, time: Duration) -> ClientLimits {
        self.shutdown_grace = time;
        self
    }

    /// Returns the maximum number of connections.
    pub fn get_max_connections(&self) -> usize {
        self.max_connections
    }

    /// Returns how long a connection may take to send the head of a request.
    pub fn get_timeout_head(&self) -> Duration {
        self.timeout_head
    }

    /// Returns how long a connection is kept without a request.
    pub fn get_keep_alive(&self) -> Duration {
        self.keep_alive
    }

    /// Returns how long a client may pause within a request body.
    pub fn get_timeout_idle(&self) -> Duration {
        self.timeout_idle
    }

    /// Returns how long a client may read nothing of a response.
    pub fn get_timeout_client(&self) -> Duration {
        self.timeout_client
    }

    /// Returns how long the server keeps accepting connections after a shutdown begins.
    pub fn get_shutdown_notice(&self) -> Duration {
        self.shutdown_notice
    }

    /// Returns how long running responses may take after the notice.
    pub fn get_shutdown_grace(&self) -> Duration {
        self.shutdown_grace
    }

    /// Returns the sum of notice and grace: how long a shutdown may take.
    pub fn total_grace(&self) -> Duration {
        self.shutdown_notice.saturating_add(self.shutdown_grace)
    }

    /// Returns the limits with times that can be added to any `Instant`.
    pub(super) fn bounded(mut self) -> ClientLimits {
        let ClientLimits { timeout_head, keep_alive, timeout_idle, timeout_client, .. } = &mut self;
        for time in [timeout_head, keep_alive, timeout_idle, timeout_client] {
            *time = MAX_TIME.min(*time);
        }
        for time in [&mut self.shutdown_notice, &mut self.shutdown_grace] {
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
