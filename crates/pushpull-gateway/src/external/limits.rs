//! What a program may take before it is stopped.

use std::time::Duration;

use crate::MAX_HEAD;
use crate::answer::MAX_DRAINED;

/// What a [`Script`](crate::Script) or an `Upstream` allows its programs and their
/// clients. Each limit ends one request and nothing else.
///
/// ```
/// use std::time::Duration;
/// use pushpull_gateway::Limits;
///
/// let mut limits = Limits::default();
/// limits.first_byte = Duration::from_secs(5);
/// limits.programs = 16;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How long a program may take until the head of its response is complete, counted from when it last took a byte of
    /// the request: 60 s, else 504.
    pub first_byte: Duration,
    /// How long a program may write nothing after that, and how long a client may send nothing of a request's body: 60 s,
    /// else the response is cut; 408 for a client that has no response yet.
    pub idle: Duration,
    /// How long a client may take nothing of the response: 60 s, else it is cut. It is measured where the body is pulled:
    /// a host that has buffers of its own pulls again when they have run down. The servers of this crate see on the socket
    /// what their clients take: there their own limit, `host::Limits::stall`, counts in place of this one.
    pub client: Duration,
    /// How long a program may run at all: unlimited.
    pub total: Option<Duration>,
    /// How long the head of a response may be, in bytes: 64 KiB, else 502.
    pub head: usize,
    /// How many programs may run at the same time: 256, else 503 at once.
    pub programs: usize,
    /// How long the body of a request may be, in bytes: 1 GiB, else 413.
    pub body: u64,
    /// How much of a spooled body is kept in memory, in bytes, before it goes to a temporary file: 64 KiB.
    pub memory: usize,
    /// How long a program that is to stop has between SIGTERM and SIGKILL: 3 s.
    pub grace: Duration,
    /// How much a program may write after its response is complete, and how much those may write that it has left its output
    /// to, in bytes: 16 MiB. Beyond that it is stopped, or their output is not waited for. The output for a `HEAD` request,
    /// which may never end, is taken for 10 s at most.
    pub drained: u64,
    /// How long a program may run after its response is complete: unlimited (`Duration::MAX`), else it is stopped, which
    /// is logged.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            first_byte: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            client: Duration::from_secs(60),
            total: None,
            head: MAX_HEAD,
            programs: 256,
            body: 1 << 30,
            memory: 64 << 10,
            grace: Duration::from_secs(3),
            drained: MAX_DRAINED,
            drain_time: Duration::MAX,
        }
    }
}

impl Limits {
    /// # Panics
    ///
    /// If they allow no program, or no byte of a head.
    #[track_caller]
    pub(crate) fn check(&self) {
        assert!(self.programs > 0, "`programs: 0`: no program could ever run");
        assert!(self.head > 0, "`head: 0`: a head has at least one field");
    }
}
