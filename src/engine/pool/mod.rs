//! Programs on coroutines of a few worker threads.

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

/// Runs programs on coroutines of a few worker threads, each behind a bounded channel.
///
/// A program that waits, for its puller or for another bridge, holds a stack and no thread: a million of them can wait
/// in one process, and bridges nested on one pool never deadlock it. The ends are `Send`; a program stays on the worker
/// that started it.
///
/// ```
/// use std::io::Write;
/// use pushpull::Pool;
///
/// let pool = Pool::new(2);
/// let mut waiting: Vec<_> = (0..1000).map(|n| pool.clone().capacity(16).pull(move |w| {
///     (0..100).try_for_each(|line| writeln!(w, "line {line} of {n}"))
/// })).collect();
/// // Each runs until its channel is full, and waits for us.
/// for chunks in &mut waiting {
///     assert!(chunks.next().unwrap()?.starts_with(b"line"));
/// }
/// # std::io::Result::Ok(())
/// ```
///
/// What a program captures is `Send`, for it is sent to its worker; what it makes there need not be, for there it stays.
///
/// ```compile_fail,E0277
/// let shared = std::rc::Rc::new(1);
/// pushpull::Pool::new(1).pull(move |_| Ok(drop(shared))); // `Rc<…>` cannot be sent between threads safely
/// ```
///
/// A handle is cheap to clone and carries its own options; all clones share the workers. When the last is dropped, those
/// programs that run go on to their end, and then the workers end too. [`shutdown`](Pool::shutdown) does not wait so long.
///
/// A new program goes to the worker on which the fewest can go on, and of these to the one on which the fewest live.
/// One that always can go on gives way to the others after a mebibyte.
///
/// # Errors
///
/// If the system refuses a worker's thread or a program's stack, or the pool was shut down, that is the first item of
/// the chunks, or the error of the first write into a feed.
///
/// # When to use something else
///
/// A program that blocks (a file on a slow disk, a lock, a socket) or computes for long without a write holds up
/// everybody on its worker: use [`Thread`](crate::Thread) for it. [`Stats::longest_run`](crate::Stats::longest_run) says
/// for how long a program has done so. Where puller and program can share a thread, [`Local`](crate::Local) needs neither
/// queue nor wake-up.
///
/// # Caveats
///
/// * A program must not hold across a write what others on the same worker will want: a lock, a `RefCell` borrow in a
///   thread-local.
/// * A wait that is not this crate's blocks the worker, with all its programs: an executor that the program runs itself
///   (`block_on`), a `rayon` job. If the program waits in such a way for another bridge of its own pool, that bridge may have
///   been placed on the blocked worker, and then neither goes on; in a pool of one it always is. Wait by the calls of the
///   bridge itself ([`next`](Chunks::next), [`head`](Chunks::head), [`finish`](Feed::finish)), which suspend the program, or
///   run one of the two on [`Thread`](crate::Thread) or on another pool.
/// * If a worker is itself a thread of `rayon` (`use_current_thread`), `rayon` runs other jobs on the stack of a program that
///   waits inside `rayon`. Set a [`stack_size`](Pool::stack_size) that is enough for every job.
/// * A program has the stack that [`stack_size`](Pool::stack_size) says. One that runs over it stops the process at the
///   guard page.
/// * Crates that ask `stacker` how much stack is left (pest, and so tera and handlebars; serde_stacker, sqlparser, polars) get
///   a true answer on Linux, with the default feature `stacker`. Without it, parsers by pest fail with "stack limit reached",
///   and crates that switch to a larger stack do so at once. Code that asks the system for the bounds of its thread's stack,
///   as some interpreters and garbage collectors do, gets those of the thread: use [`Thread`](crate::Thread) for it.
/// * Code that keeps per-thread state across a call, such as `scoped-tls`, sees the state of whoever ran last.
/// * With the feature `tracing`, the spans that a program has entered are its own: it leaves them when it is suspended, and
///   enters them again when it is resumed. Without the feature the programs of a worker log in each other's spans. The
///   subscriber has to say in which span a thread is, as the registry of `tracing-subscriber` does.
///
/// # Forked processes
///
/// In a child that was forked and goes on without `exec`, as under a pre-forking server, a pool starts workers of the child.
/// A bridge that was started before the fork stays with the parent: in the child its ends return `BrokenPipe`, and dropping
/// them does not wait. If a program itself forks, its child is not part of the bridge, and the other programs of its worker
/// go on in the parent alone. A pool that was shut down before the fork is shut down in the child.
#[derive(Debug, Clone)]
pub struct Pool {
    options: Options,
    workers: Arc<Workers>,
}

impl Pool {
    on_stacks! {
        /// A pool of so many workers, with the default options. A worker's thread starts with its first program.
        ///
        /// # Panics
        ///
        /// If `workers` is zero.
        #[track_caller]
        pub fn new(workers: usize) -> Pool {
            assert!(workers > 0, "`Pool::new(0)`: a pool without a worker runs nothing; 1 is the least");
            Pool::of(workers)
        }

        /// The pool of this process, with a worker for each processor.
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

    /// Push code: `program` writes, you pull.
    pub fn pull<P>(&self, program: P) -> Chunks
    where
        P: FnOnce(&mut Writer) -> io::Result<()> + Send + 'static,
    {
        launch::pull(self.launcher(), &self.options, program)
    }

    /// Pull code: `program` reads, you push.
    pub fn push<T, P>(&self, program: P) -> Feed<T>
    where
        T: Send + 'static,
        P: FnOnce(&mut Reader) -> io::Result<T> + Send + 'static,
    {
        launch::push(self.launcher(), &self.options, program)
    }

    /// Code that reads and writes: you choose where from and where to.
    pub fn filter<P>(&self, program: P) -> Filter
    where
        P: FnOnce(&mut Reader, &mut Writer) -> io::Result<()> + Send + 'static,
    {
        Filter::new(self.launcher(), &self.options, Box::new(program))
    }

    /// Ends the pool, for all its handles: starts no more programs, waits until those that run have ended, and after
    /// `timeout` ends the rest as if their readers had gone. Await it, or call [`wait`](Shutdown::wait).
    ///
    /// What a program wrote before still arrives, and then an error that
    /// [`is_shut_down`](crate::Error::is_shut_down); so does the first pull or write of a bridge that had not started.
    /// A program that is computing or blocked is not waited for: it learns at its next call, or by
    /// [`is_closed`](Writer::is_closed). Another call waits for it again.
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

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.workers.count()
    }

    fn launcher(&self) -> Launcher {
        Launcher::Pool(self.workers.clone())
    }
}
