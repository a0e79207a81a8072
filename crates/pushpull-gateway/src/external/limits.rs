//! The limits of programs and their clients.

use std::time::Duration;

use crate::bounds::positive;
use crate::cgi::head::MAX_HEAD;
use crate::service::answer::MAX_DRAINED;

/// The limits of the programs of a [`Script`](crate::Script) or an `Upstream`, and of their clients.
///
/// Each limit ends one request and no other. Limits with an option of `pushpull serve` have the name of the option.
///
/// Setters can be chained. As in `std::process::Command`, the getter of `name` is `get_name`. `Duration::MAX` sets no
/// limit.
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
    queue: usize,
    queue_timeout: Duration,
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
            queue: 0,
            queue_timeout: Duration::from_secs(10),
            max_head: MAX_HEAD,
            max_body: 1 << 30,
            max_memory: 64 << 10,
            max_drained: MAX_DRAINED,
            kill_grace: Duration::from_secs(3),
        }
    }

    /// Sets how long a program may take until its head is complete (default: 60 s). The time counts from the last byte
    /// that the program read of the request. After this time the program is stopped, and the request is answered with
    /// 504.
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

    /// Sets how long a program may write nothing after its head, and how long a client may send nothing of its body
    /// (default: 60 s). After this time the response is aborted. If it has not started, a stalled client is answered
    /// with 408.
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

    /// Sets how long a client may read nothing of the response (default: 60 s). After this time the response is
    /// aborted.
    ///
    /// The time counts between pulls of the body. A host with buffers pulls again when they are drained. The servers of
    /// this crate see on the socket what their clients read: there, `host::ClientLimits::timeout_client` replaces this
    /// limit.
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

    /// Sets how long a program may run (default: no limit). After this time the program is stopped. The request is
    /// answered with 504, or its response is aborted.
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

    /// Sets how long a program may run after its response is complete (default: no limit). After this time the program
    /// is stopped, which is logged.
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

    /// Sets how many programs may run at the same time, or requests for an `Upstream` (default: 256). A further request
    /// waits in the [queue](ProgramLimits::queue), or is answered with 503 at once.
    ///
    /// # Panics
    ///
    /// Panics if `number` is zero.
    #[must_use]
    #[track_caller]
    pub fn max_programs(mut self, number: usize) -> ProgramLimits {
        assert!(number > 0, "`max_programs` must not be zero; the default is 256");
        self.max_programs = number;
        self
    }

    /// Sets how many requests may wait for another to end when the maximum number of programs is running (default: 0).
    /// They are served in the order of their arrival. A further request is answered with 503 and `Retry-After`. A
    /// client that disconnects loses its place.
    ///
    /// When the server of a waiting request stops accepting connections, the request is answered with 503.
    #[must_use]
    pub fn queue(mut self, number: usize) -> ProgramLimits {
        self.queue = number;
        self
    }

    /// Sets how long a request may wait in the queue (default: 10 s). After this time it is answered with 503.
    ///
    /// # Panics
    ///
    /// Panics if `time` is zero.
    #[must_use]
    #[track_caller]
    pub fn queue_timeout(mut self, time: Duration) -> ProgramLimits {
        self.queue_timeout = positive("queue_timeout", time);
        self
    }

    /// Sets the maximum length of a response's head in bytes (default: 64 KiB). If the head is longer, the program is
    /// stopped, and the request is answered with 502.
    ///
    /// # Panics
    ///
    /// Panics if `bytes` is zero.
    #[must_use]
    #[track_caller]
    pub fn max_head(mut self, bytes: usize) -> ProgramLimits {
        assert!(bytes > 0, "`max_head` must not be zero; the default is 64 KiB");
        self.max_head = bytes;
        self
    }

    /// Sets the maximum length of a request's body in bytes (default: 1 GiB). A longer body is answered with 413, or
    /// aborts a response that has started.
    #[must_use]
    pub fn max_body(mut self, bytes: u64) -> ProgramLimits {
        self.max_body = bytes;
        self
    }

    /// Sets how much of a spooled body is kept in memory, in bytes (default: 64 KiB). A longer body is stored in a
    /// temporary file.
    #[must_use]
    pub fn max_memory(mut self, bytes: usize) -> ProgramLimits {
        self.max_memory = bytes;
        self
    }

    /// Sets how many bytes may be written after a response is complete (default: 16 MiB). They come from its program,
    /// or from processes that inherited the program's output. A program that writes more is stopped; the output of
    /// other processes is closed. The output for a `HEAD` request, which may never end, is drained for up to 10 s.
    #[must_use]
    pub fn max_drained(mut self, bytes: u64) -> ProgramLimits {
        self.max_drained = bytes;
        self
    }

    /// Sets how long a program that is stopped has between SIGTERM and SIGKILL (default: 3 s). An `Upstream` ignores
    /// it.
    #[must_use]
    pub fn kill_grace(mut self, time: Duration) -> ProgramLimits {
        self.kill_grace = time;
        self
    }

    /// Returns how long a program may take until its head is complete.
    pub fn get_timeout_first_byte(&self) -> Duration {
        self.timeout_first_byte
    }

    /// Returns how long a program may write nothing, and a client send nothing of its body.
    pub fn get_timeout_idle(&self) -> Duration {
        self.timeout_idle
    }

    /// Returns how long a client may read nothing of the response.
    pub fn get_timeout_client(&self) -> Duration {
        self.timeout_client
    }

    /// Returns how long a program may run.
    pub fn get_timeout_total(&self) -> Duration {
        self.timeout_total
    }

    /// Returns how long a program may run after its response is complete.
    pub fn get_timeout_work(&self) -> Duration {
        self.timeout_work
    }

    /// Returns how many programs may run at the same time.
    pub fn get_max_programs(&self) -> usize {
        self.max_programs
    }

    /// Returns how many requests may wait for another to end.
    pub fn get_queue(&self) -> usize {
        self.queue
    }

    /// Returns how long a request may wait in the queue.
    pub fn get_queue_timeout(&self) -> Duration {
        self.queue_timeout
    }

    /// Returns the maximum length of a response's head in bytes.
    pub fn get_max_head(&self) -> usize {
        self.max_head
    }

    /// Returns the maximum length of a request's body in bytes.
    pub fn get_max_body(&self) -> u64 {
        self.max_body
    }

    /// Returns how much of a spooled body is kept in memory, in bytes.
    pub fn get_max_memory(&self) -> usize {
        self.max_memory
    }

    /// Returns how many bytes may be written after a response is complete.
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
