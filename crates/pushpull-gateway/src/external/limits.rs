//! What a program may take before it is stopped.

use std::time::Duration;

use crate::bounds::positive;
use crate::cgi::head::MAX_HEAD;
use crate::service::answer::MAX_DRAINED;

/// What a [`Script`](crate::Script) or an `Upstream` allows its programs and their clients. Each limit ends one request and
/// nothing else. Those that `pushpull serve` has an option for have its name.
///
/// Setters can be chained. As with `std::process::Command`, a getter is the name of its setter after `get_`. A time of
/// `Duration::MAX` is no limit.
///
/// ```
/// use std::time::Duration;
/// use pushpull_gateway::ProgramLimits;
///
/// let limits = ProgramLimits::new().timeout_first_byte(Duration::from_secs(5)).max_programs(16);
/// assert_eq!(limits.get_max_programs(), 16);
/// assert_eq!(limits.get_kill_grace(), Duration::from_secs(3));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramLimits {
    timeout_first_byte: Duration,
    timeout_idle: Duration,
    timeout_client: Duration,
    timeout_total: Duration,
    timeout_work: Duration,
    max_programs: usize,
    max_head: usize,
    max_body: u64,
    max_memory: usize,
    max_drained: u64,
    kill_grace: Duration,
}

impl ProgramLimits {
    /// Creates the default limits.
    pub fn new() -> ProgramLimits {
        ProgramLimits {
            timeout_first_byte: Duration::from_secs(60),
            timeout_idle: Duration::from_secs(60),
            timeout_client: Duration::from_secs(60),
            timeout_total: Duration::MAX,
            timeout_work: Duration::MAX,
            max_programs: 256,
            max_head: MAX_HEAD,
            max_body: 1 << 30,
            max_memory: 64 << 10,
            max_drained: MAX_DRAINED,
            kill_grace: Duration::from_secs(3),
        }
    }

    /// Sets how long a program may take until the head of its response is complete (default: 60 s), counted from when it last
    /// took a byte of the request. After this time it is stopped, and the request answered with 504.
    ///
    /// # Panics
    ///
    /// Panics if `time` is zero.
    #[must_use]
    #[track_caller]
    pub fn timeout_first_byte(mut self, time: Duration) -> ProgramLimits {
        self.timeout_first_byte = positive("timeout_first_byte", time);
        self
    }

    /// Sets how long a program may write nothing after its head, and how long a client may send nothing of a request's body
    /// (default: 60 s). After this time the response is cut; a client that has no response yet is answered with 408.
    ///
    /// # Panics
    ///
    /// Panics if `time` is zero.
    #[must_use]
    #[track_caller]
    pub fn timeout_idle(mut self, time: Duration) -> ProgramLimits {
        self.timeout_idle = positive("timeout_idle", time);
        self
    }

    /// Sets how long a client may take nothing of the response (default: 60 s). After this time the response is cut.
    ///
    /// The time is measured where the body is pulled: a host that has buffers of its own pulls again when they have run down.
    /// The servers of this crate see on the socket what their clients take. There `host::ClientLimits::timeout_client` counts
    /// in place of this limit.
    ///
    /// # Panics
    ///
    /// Panics if `time` is zero.
    #[must_use]
    #[track_caller]
    pub fn timeout_client(mut self, time: Duration) -> ProgramLimits {
        self.timeout_client = positive("timeout_client", time);
        self
    }

    /// Sets how long a program may run (default: no limit). After this time it is stopped: the request is answered with 504, or
    /// its response is cut.
    ///
    /// # Panics
    ///
    /// Panics if `time` is zero.
    #[must_use]
    #[track_caller]
    pub fn timeout_total(mut self, time: Duration) -> ProgramLimits {
        self.timeout_total = positive("timeout_total", time);
        self
    }

    /// Sets how long a program may work on after its response is complete (default: no limit). After this time it is stopped,
    /// which is logged.
    ///
    /// # Panics
    ///
    /// Panics if `time` is zero.
    #[must_use]
    #[track_caller]
    pub fn timeout_work(mut self, time: Duration) -> ProgramLimits {
        self.timeout_work = positive("timeout_work", time);
        self
    }

    /// Sets how many programs may run at the same time; for an `Upstream`, how many requests (default: 256). One more request
    /// is answered with 503 at once.
    ///
    /// # Panics
    ///
    /// Panics if `number` is zero.
    #[must_use]
    #[track_caller]
    pub fn max_programs(mut self, number: usize) -> ProgramLimits {
        assert!(number > 0, "`max_programs` must not be zero: no program could ever run");
        self.max_programs = number;
        self
    }

    /// Sets how long the head of a response may be, in bytes (default: 64 KiB). A program that writes a longer one is stopped,
    /// and the request answered with 502.
    ///
    /// # Panics
    ///
    /// Panics if `bytes` is zero.
    #[must_use]
    #[track_caller]
    pub fn max_head(mut self, bytes: usize) -> ProgramLimits {
        assert!(bytes > 0, "`max_head` must not be zero: a head has at least one field");
        self.max_head = bytes;
        self
    }

    /// Sets how long the body of a request may be, in bytes (default: 1 GiB). A longer one is answered with 413, or cuts a
    /// response that has begun.
    #[must_use]
    pub fn max_body(mut self, bytes: u64) -> ProgramLimits {
        self.max_body = bytes;
        self
    }

    /// Sets how much of a spooled body is kept in memory, in bytes (default: 64 KiB). A longer one goes to a temporary file.
    #[must_use]
    pub fn max_memory(mut self, bytes: usize) -> ProgramLimits {
        self.max_memory = bytes;
        self
    }

    /// Sets how much may be written after a response is complete, by its program or by those that the program has left its
    /// output to, in bytes (default: 16 MiB). A program that writes more is stopped; the output of others is no longer waited
    /// for. The output for a `HEAD` request, which may never end, is taken for 10 s at most.
    #[must_use]
    pub fn max_drained(mut self, bytes: u64) -> ProgramLimits {
        self.max_drained = bytes;
        self
    }

    /// Sets how long a program that is stopped has between SIGTERM and SIGKILL (default: 3 s). It means nothing to an
    /// `Upstream`.
    #[must_use]
    pub fn kill_grace(mut self, time: Duration) -> ProgramLimits {
        self.kill_grace = time;
        self
    }

    /// Returns how long a program may take until the head of its response is complete.
    pub fn get_timeout_first_byte(&self) -> Duration {
        self.timeout_first_byte
    }

    /// Returns how long a program may write nothing, and a client send nothing of a request's body.
    pub fn get_timeout_idle(&self) -> Duration {
        self.timeout_idle
    }

    /// Returns how long a client may take nothing of the response.
    pub fn get_timeout_client(&self) -> Duration {
        self.timeout_client
    }

    /// Returns how long a program may run.
    pub fn get_timeout_total(&self) -> Duration {
        self.timeout_total
    }

    /// Returns how long a program may work on after its response is complete.
    pub fn get_timeout_work(&self) -> Duration {
        self.timeout_work
    }

    /// Returns how many programs may run at the same time.
    pub fn get_max_programs(&self) -> usize {
        self.max_programs
    }

    /// Returns how long the head of a response may be, in bytes.
    pub fn get_max_head(&self) -> usize {
        self.max_head
    }

    /// Returns how long the body of a request may be, in bytes.
    pub fn get_max_body(&self) -> u64 {
        self.max_body
    }

    /// Returns how much of a spooled body is kept in memory, in bytes.
    pub fn get_max_memory(&self) -> usize {
        self.max_memory
    }

    /// Returns how much may be written after a response is complete, in bytes.
    pub fn get_max_drained(&self) -> u64 {
        self.max_drained
    }

    /// Returns how long a program that is stopped has between SIGTERM and SIGKILL.
    pub fn get_kill_grace(&self) -> Duration {
        self.kill_grace
    }
}

impl Default for ProgramLimits {
    fn default() -> ProgramLimits {
        ProgramLimits::new()
    }
}
