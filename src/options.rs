//! What can be set on an engine, checked here and nowhere else.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::budget::Budget;
use crate::ended::Hook;

/// Where small writes are cut. See `docs/design/channel.md`, "Why these defaults?".
const CHUNK_SIZE: usize = 32 * 1024;

/// How many bytes may be accepted and not yet pulled.
const CAPACITY: usize = 256 * 1024;

/// A gzip encoder needs 74 KiB of stack in release builds and 297 KiB in debug builds.
const STACK_SIZE: usize = 1024 * 1024;

/// The memory of a chunk is taken before it is filled.
const MAX_GATHERED: usize = 16 * 1024 * 1024;

/// More than any address space has, and little enough to be rounded up: the system refuses it with an error.
const MAX_STACK: usize = usize::MAX / 4;

/// The smallest stack on which a panic can still be formatted and unwound.
const MIN_STACK: usize = 16 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct Options {
    chunk_size: usize,
    capacity: usize,
    pub(crate) unbuffered: bool,
    pub(crate) stack_size: usize,
    /// Of `Thread`: none is kept for another program.
    pub(crate) fresh_threads: bool,
    /// Whether a program that ignores that its bridge is closed is unwound.
    pub(crate) unwind: bool,
    pub(crate) name: Option<Arc<str>>,
    /// Nothing, unless it was asked for.
    pub(crate) account: Option<Arc<Account>>,
}

/// What an engine keeps account of, if it is asked to: one for all its bridges. It is apart from the other options so that one that was not asked for anything
/// carries a null.
#[derive(Clone, Default)]
pub(crate) struct Account {
    /// How long a program waits for a puller that does not pull.
    pub(crate) stall: Option<Duration>,
    /// Of what they take their share.
    pub(crate) budget: Option<Budget>,
    /// Who is told how each bridge ended.
    pub(crate) hook: Option<Hook>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account { stall, budget, hook } = self;
        f.debug_struct("Account").field("stall", stall).field("budget", budget).field("hook", &hook.is_some()).finish()
    }
}

impl Options {
    pub(crate) const fn new() -> Options {
        Options {
            chunk_size: CHUNK_SIZE,
            capacity: CAPACITY,
            unbuffered: false,
            stack_size: STACK_SIZE,
            fresh_threads: false,
            unwind: true,
            name: None,
            account: None,
        }
    }

    /// The options of a bare [`pipe`](crate::pipe).
    pub(crate) fn pipe(capacity: usize) -> Options {
        let mut options = Options::new();
        options.set_capacity("pipe", capacity);
        options
    }

    /// A chunk is never larger than the capacity: the smaller of the two wins.
    pub(crate) fn chunk_size(&self) -> usize {
        self.chunk_size.min(self.capacity)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// For the engine that has no queue, where a chunk may have any size.
    pub(crate) fn unqueued_chunk_size(&self) -> usize {
        self.chunk_size
    }

    #[track_caller]
    pub(crate) fn set_chunk_size(&mut self, bytes: usize) {
        assert!(
            bytes > 0,
            "`chunk_size(0)`: a chunk holds at least one byte; for a chunk per write use `unbuffered()`"
        );
        self.chunk_size = bytes.min(MAX_GATHERED);
    }

    #[track_caller]
    pub(crate) fn set_capacity(&mut self, of: &str, bytes: usize) {
        assert!(bytes > 0, "`{of}(0)`: a bridge that may hold no byte can move none; 1 is the least");
        self.capacity = bytes;
    }

    /// How long a program waits for a puller that does not pull.
    pub(crate) fn stall_timeout(&self) -> Option<Duration> {
        self.account.as_ref()?.stall
    }

    #[track_caller]
    pub(crate) fn set_stall_timeout(&mut self, time: Duration) {
        assert!(
            !time.is_zero(),
            "`stall_timeout(0)`: no puller is so fast; leave it out for programs that may wait for ever"
        );
        self.account_mut().stall = Some(time);
    }

    pub(crate) fn budget(&self) -> Option<&Budget> {
        self.account.as_ref()?.budget.as_ref()
    }

    /// Who is told how each bridge ended.
    pub(crate) fn hook(&self) -> Option<&Hook> {
        self.account.as_ref()?.hook.as_ref()
    }

    pub(crate) fn set_budget(&mut self, budget: &Budget) {
        self.account_mut().budget = Some(budget.clone());
    }

    pub(crate) fn set_hook(&mut self, hook: Hook) {
        self.account_mut().hook = Some(hook);
    }

    fn account_mut(&mut self) -> &mut Account {
        Arc::make_mut(self.account.get_or_insert_default())
    }

    #[track_caller]
    pub(crate) fn set_stack_size(&mut self, bytes: usize) {
        assert!(
            bytes > 0,
            "`stack_size(0)`: a program needs a stack; the default is 1 MiB, of which only what is used costs memory"
        );
        self.stack_size = bytes.clamp(MIN_STACK, MAX_STACK);
    }
}

/// The setters that every engine has.
macro_rules! engine_options {
    () => {
        /// Where small writes are cut into chunks, in bytes (32 KiB unless set, 16 MiB at the most). A write of this size or
        /// more joins no others: it is a larger chunk, or several.
        ///
        /// # Panics
        ///
        /// If `bytes` is zero.
        #[must_use]
        #[track_caller]
        pub fn chunk_size(mut self, bytes: usize) -> Self {
            self.options.set_chunk_size(bytes);
            self
        }

        /// Makes every write a chunk of its own, as if it were followed by a flush; one that is larger than the `capacity`,
        /// where there is one, is several.
        #[must_use]
        pub fn unbuffered(mut self) -> Self {
            self.options.unbuffered = true;
            self
        }

        /// How much stack a program has, in bytes (1 MiB unless set, 16 KiB at least). It is reserved, not committed:
        /// only what a program has touched costs memory.
        ///
        /// # Panics
        ///
        /// If `bytes` is zero.
        #[must_use]
        #[track_caller]
        pub fn stack_size(mut self, bytes: usize) -> Self {
            self.options.set_stack_size(bytes);
            self
        }

        /// Sets whether a program that ignores that its bridge is closed is unwound (default: `true`).
        ///
        /// When the other end of its bridge is gone, every read or write of a program returns an error. Most programs
        /// return then. One that ignores 64 such errors is unwound at the next, as by a panic that no hook hears of; its
        /// destructors run. With `false`, and in a build with `panic = "abort"`, it is not: each read or write goes on
        /// returning an error, until the program ends by itself.
        ///
        /// Set it to `false` where frames of C or C++ lie between the program and the write, as in a library that calls back
        /// for output. Unwinding skips what those would have cleaned up. An `extern "C"` callback lets no panic through: on
        /// Linux (but for 32-bit ARM) that is seen beforehand and the program is not unwound; elsewhere the process would be aborted.
        ///
        /// A program that never ends by itself keeps its thread or stack then. Dropping the end of a bridge on
        /// [`Local`]($crate::Local) runs the program to its end, however long that takes.
        ///
        /// ```
        /// use std::io::Write;
        ///
        /// let (tell, told) = std::sync::mpsc::channel();
        /// let mut chunks = pushpull::Local::new().unbuffered().unwind(false).pull(move |w| {
        ///     let refused = (0..1000).filter(|_| w.write_all(b"goes on").is_err()).count();
        ///     tell.send(refused).map_err(std::io::Error::other)
        /// });
        /// chunks.next();
        /// drop(chunks);
        /// assert_eq!(told.recv(), Ok(1000));
        /// ```
        #[must_use]
        pub fn unwind(mut self, unwind: bool) -> Self {
            self.options.unwind = unwind;
            self
        }

        /// What the program is called: in `Debug` output; on `Thread`, in the operating system's list of threads; on
        /// `Local` and `Pool`, in the message when it runs over its stack.
        #[must_use]
        pub fn name(mut self, name: impl Into<std::sync::Arc<str>>) -> Self {
            self.options.name = Some(name.into());
            self
        }

        /// Calls `hook` with how each bridge ended, for logs and metrics: once for each whose program was started.
        ///
        /// A bridge from which one pulls has ended when the puller has been given its end, or goes before that; one that
        /// is fed, when its program has ended. `hook` is called there and then, and so should be quick. A panic in it is
        /// dropped.
        ///
        /// ```
        /// use std::sync::mpsc;
        /// use pushpull::{Outcome, Thread};
        ///
        /// let (tell, told) = mpsc::channel();
        /// let engine = Thread::new().name("hello").on_end(move |ended| {
        ///     let _ = tell.send((ended.name.map(String::from), ended.outcome, ended.stats.bytes));
        /// });
        /// engine.pull(|w| std::io::Write::write_all(w, b"hello")).for_each(drop);
        /// assert_eq!(told.recv().unwrap(), (Some("hello".into()), Outcome::Finished, 5));
        /// ```
        #[must_use]
        pub fn on_end(mut self, hook: impl Fn(&$crate::Ended<'_>) + Send + Sync + 'static) -> Self {
            self.options.set_hook(std::sync::Arc::new(hook));
            self
        }
    };
}

/// The setter that only engines with a queue have.
macro_rules! queue_options {
    () => {
        /// How many bytes may be accepted and not yet pulled (256 KiB unless set). A writer that has filled it is
        /// held, and goes on when about half of it has been pulled.
        ///
        /// # Panics
        ///
        /// If `bytes` is zero.
        #[must_use]
        #[track_caller]
        pub fn capacity(mut self, bytes: usize) -> Self {
            self.options.set_capacity("capacity", bytes);
            self
        }

        /// Lets the bridges take what they hold beyond a chunk from a budget that they share with others: see
        /// [`Budget`]($crate::Budget).
        #[must_use]
        pub fn budget(mut self, budget: &$crate::Budget) -> Self {
            self.options.set_budget(budget);
            self
        }

        /// How long a program that waits for its puller may be kept from its stack or thread by one that does not pull
        /// (for ever unless set). Then its write gives `TimedOut`; and its puller, should it come back, is given what was
        /// written before, and an error that [`is_stalled`](crate::Error::is_stalled).
        ///
        /// It is noticed when nothing was pulled in that time from when the program began to wait; or else, each time
        /// that it has passed, in the same time once more. It says nothing of a program that is fed: there it is the
        /// program who pulls.
        ///
        /// ```
        /// use std::io::Write;
        /// use std::time::Duration;
        /// use pushpull::{Error, Thread};
        ///
        /// let impatient = Thread::new().capacity(4).stall_timeout(Duration::from_millis(1));
        /// let (tell, told) = std::sync::mpsc::channel();
        /// let mut chunks = impatient.pull(move |w| {
        ///     let result = w.write_all(&[7; 100]);
        ///     let _ = tell.send(result.as_ref().map_err(|error| error.kind()).err());
        ///     result
        /// });
        /// assert_eq!(chunks.next().unwrap()?.len(), 4);
        /// // The program is told while nobody pulls, and then the puller.
        /// assert_eq!(told.recv().unwrap(), Some(std::io::ErrorKind::TimedOut));
        /// assert!(Error::of(&chunks.find_map(Result::err).unwrap()).unwrap().is_stalled());
        /// # std::io::Result::Ok(())
        /// ```
        ///
        /// # Panics
        ///
        /// If `time` is zero.
        #[must_use]
        #[track_caller]
        pub fn stall_timeout(mut self, time: std::time::Duration) -> Self {
            self.options.set_stall_timeout(time);
            self
        }
    };
}

pub(crate) use {engine_options, queue_options};
