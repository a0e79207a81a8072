//! The engine that runs programs on coroutines of a few worker threads.
//!
//! The files, in the order in which a program passes through them:
//!
//! 1. `workers`: the workers of one pool, and which of them gets a new program.
//! 2. `inbox`: the part of a worker that other threads see: its load, its running programs, its mailbox.
//! 3. `mailbox`: jobs and wake-ups from other threads, and the worker's sleep until one arrives.
//! 4. `worker`: the thread that starts programs and gives them turns; `slots` holds its programs.
//! 5. `task`: the worker's run queue, and the waker of a program; `ready` keeps a program from being queued twice.
//! 6. `shutdown`: the end of a pool.

mod inbox;
mod mailbox;
mod ready;
mod shutdown;
mod slots;
mod task;
mod worker;
mod workers;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Filter;
use super::launch::{self, Launcher};
use crate::channel::{Chunks, Feed, Reader, Writer};
use crate::options::{Options, engine_options, queue_options};
use crate::runtime::stack::on_stacks;
use crate::sys::fork::PerProcess;

pub use shutdown::{Shutdown, ShutdownOutcome};

pub(crate) use workers::Workers;

/// The maximum number of workers: more threads than a process can usually have. Memory is reserved for each at once.
const MAX_WORKERS: usize = 1 << 16;

/// An engine that runs programs on coroutines of a few worker threads, each behind a bounded channel.
///
/// A program that waits, for its reader or for another bridge, holds a stack and no thread. A million programs can wait
/// in one process, and bridges nested on one pool never deadlock it. The ends are `Send`; a program stays on the worker
/// that started it.
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// use pushpull::Pool;
///
/// let pool = Pool::new(2);
/// let mut waiting: Vec<_> = (0..1000).map(|n| pool.clone().capacity(16).pull(move |w| {
///     (0..100).try_for_each(|line| writeln!(w, "line {line} of {n}"))
/// })).collect();
/// // Each program runs until its channel is full, then waits for its reader.
/// for chunks in &mut waiting {
///     assert!(chunks.next().unwrap()?.starts_with(b"line"));
/// }
/// # std::io::Result::Ok(())
/// ```
///
/// What a program captures must be `Send`, because it is sent to a worker. What a program creates need not be.
///
/// ```compile_fail,E0277
/// let shared = std::rc::Rc::new(1);
/// pushpull::Pool::new(1).pull(move |_| Ok(drop(shared))); // `Rc<…>` cannot be sent between threads safely
/// ```
///
/// A handle is cheap to clone and carries its own options; all clones share the workers. After the last handle is
/// dropped, running programs continue to their end, and then the workers end. [`shutdown`](Pool::shutdown) sets a time
/// limit instead.
///
/// A new program is placed on the worker with the fewest runnable programs; ties go to the one with the fewest live
/// programs. A program that never has to wait yields to the others after 1 MiB.
///
/// # Errors
///
/// If the system refuses a worker's thread or a program's stack, the first pull or write of the bridge returns the
/// error. The same holds after the pool was shut down.
///
/// # Caveats
///
/// * A program must not hold a lock or a thread-local `RefCell` borrow across a write if other programs on the same
///   worker need it.
/// * A wait outside this crate blocks the worker with all its programs: an executor that the program itself runs
///   (`block_on`), a `rayon` job. If the program waits like this for another bridge of its own pool, both can deadlock.
///   The other bridge may have been placed on the blocked worker. In a pool of one worker they always do. Wait by calls
///   of the bridge itself ([`next`](Chunks::next), [`head`](Chunks::head), [`finish`](Feed::finish)), which suspend the
///   program, or run one of the two on [`Thread`](crate::Thread) or another pool.
/// * If a worker is itself a thread of `rayon` (`use_current_thread`), `rayon` runs other jobs on the stack of a
///   program that waits inside `rayon`. Set a [`stack_size`](Pool::stack_size) that suffices for every job.
/// * A program that exceeds its [`stack_size`](Pool::stack_size) stops the process at the guard page.
/// * Some crates ask `stacker` how much stack is left: pest (used by tera and handlebars), serde_stacker, sqlparser,
///   polars. On Linux, with the default feature `stacker`, the answer is correct. Without the feature, parsers built on
///   pest fail with "stack limit reached", and crates that switch to a larger stack do so at once.
/// * Some interpreters and garbage collectors ask the system for the bounds of the thread's stack. The system returns
///   those of the thread, not of the program's stack: use [`Thread`](crate::Thread) for such code.
/// * Code that keeps per-thread state across a call, such as `scoped-tls`, sees the state of the program that ran last.
/// * With the feature `tracing`, a program leaves its spans when it is suspended and enters them again when it is
///   resumed. Without the feature, the programs of a worker log in each other's spans. The subscriber must report the
///   current span of a thread, as the registry of `tracing-subscriber` does.
///
/// # Forked processes
///
/// In a child that was forked and continues without `exec`, as under a pre-forking server, a pool starts workers of the
/// child. A bridge that was started before the fork stays with the parent: in the child its ends return `BrokenPipe`,
/// and dropping them does not wait. If a program itself forks, the bridge ignores the child, and the other programs of
/// its worker continue in the parent only. A pool that was shut down before the fork is shut down in the child.
///
/// # When to use something else
///
/// A program that blocks (a slow disk, a lock, a socket), or computes for long without a write, delays its worker's
/// other programs. Use [`Thread`](crate::Thread) for it. [`Stats::longest_run`](crate::Stats::longest_run) is the
/// longest time that a program has done so. If the reader and the program can share a thread, [`Local`](crate::Local)
/// needs neither a queue nor a wake-up.
#[derive(Debug, Clone)]
pub struct Pool {
    options: Options,
    workers: Arc<Workers>,
}

impl Pool {
    on_stacks! {
        /// Creates a pool of `workers` workers, with the default options.
        ///
        /// A worker's thread starts with its first program.
        ///
        /// # Panics
        ///
        /// Panics if `workers` is zero, or more than 65,536.
        #[track_caller]
        pub fn new(workers: usize) -> Pool {
            assert!(workers > 0, "`workers` must not be zero; for one worker per processor, use `Pool::global()`");
            assert!(workers <= MAX_WORKERS, "`workers` must be at most {MAX_WORKERS}: each is a thread");
            Pool::of(workers)
        }

        /// Returns the pool of this process, with one worker for each processor.
        ///
        /// # Examples
        ///
        /// ```
        /// use std::io::Write;
        /// use pushpull::Pool;
        ///
        /// let chunks = Pool::global().pull(|w| w.write_all(b"hello"));
        /// let small = Pool::global().clone().chunk_size(2).pull(|w| w.write_all(b"hello"));
        /// assert_eq!(chunks.count() + small.count(), 2);
        /// ```
        pub fn global() -> &'static Pool {
            static GLOBAL: PerProcess<Pool> = PerProcess::new();
            GLOBAL.get(|| Pool::of(thread::available_parallelism().map_or(1, usize::from)))
        }
    }

    fn of(workers: usize) -> Pool {
        Pool { options: Options::new(), workers: Arc::new(Workers::new(workers)) }
    }

    engine_options!();
    queue_options!();

    /// Returns the output of `program`, which writes, as chunks. The program starts at the first pull.
    pub fn pull<P>(&self, program: P) -> Chunks
    where
        P: FnOnce(&mut Writer) -> io::Result<()> + Send + 'static,
    {
        launch::pull(self.launcher(), &self.options, program)
    }

    /// Returns the feed that supplies the input of `program`, which reads. The program starts at the first write or at
    /// `finish`.
    pub fn push<T, P>(&self, program: P) -> Feed<T>
    where
        T: Send + 'static,
        P: FnOnce(&mut Reader) -> io::Result<T> + Send + 'static,
    {
        launch::push(self.launcher(), &self.options, program)
    }

    /// Returns a filter of `program`, which reads and writes, to be given a source or a sink.
    pub fn filter<P>(&self, program: P) -> Filter
    where
        P: FnOnce(&mut Reader, &mut Writer) -> io::Result<()> + Send + 'static,
    {
        Filter::new(self.launcher(), &self.options, Box::new(program))
    }

    /// Shuts the pool down for all its handles, when the returned future is awaited or [`wait`](Shutdown::wait) is
    /// called.
    ///
    /// The pool starts no more programs, and waits for those that run. After `timeout`, it stops the remaining programs
    /// as if their readers had been dropped. The reader of a stopped program receives everything written before, then
    /// an error for which [`is_shut_down`](crate::Error::is_shut_down) is true. The first pull or write of a bridge
    /// that had not started returns the same error.
    ///
    /// The future does not wait for a program that computes or blocks beyond `timeout`. Such a program stops at its
    /// next call, or when it checks [`is_closed`](Writer::is_closed). To wait for it again, call `shutdown` again.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use std::time::Duration;
    /// use pushpull::{Error, Pool, ShutdownOutcome};
    ///
    /// let pool = Pool::new(1);
    /// let mut endless = pool.pull(|w| loop { w.write_all(b"again and again")? });
    /// endless.next();
    /// assert_eq!(pool.shutdown(Duration::ZERO).wait(), ShutdownOutcome::TimedOut);
    /// let end = endless.find_map(Result::err).unwrap();
    /// assert!(Error::of(&end).unwrap().is_shut_down());
    /// assert!(pool.pull(|_| Ok(())).next().unwrap().is_err());
    /// assert!(pool.shutdown(Duration::MAX).wait().is_complete());
    /// ```
    pub fn shutdown(&self, timeout: Duration) -> Shutdown {
        Shutdown::new(self.workers.clone(), timeout)
    }

    /// Returns the number of workers.
    pub fn workers(&self) -> usize {
        self.workers.count()
    }

    fn launcher(&self) -> Launcher {
        Launcher::Pool(self.workers.clone())
    }
}
