//! The options of an engine, validated in this file only.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::budget::Budget;
use crate::ended::Hook;

/// The default chunk size. See `docs/design/channel-reasons.md`, "Why these defaults?".
const CHUNK_SIZE: usize = 32 * 1024;

/// The default capacity: the maximum number of bytes accepted and not yet pulled.
const CAPACITY: usize = 256 * 1024;

/// The default stack size. A gzip encoder needs 74 KiB of stack in release builds and 297 KiB in debug builds.
const STACK_SIZE: usize = 1024 * 1024;

/// The maximum chunk size, since a chunk's memory is allocated before it is filled.
const MAX_GATHERED: usize = 16 * 1024 * 1024;

/// The maximum stack size: larger than any address space, so that the system refuses it with an error, but small enough
/// to be rounded up.
const MAX_STACK: usize = usize::MAX / 4;

/// The minimum stack size, on which a panic can still be formatted and unwound.
const MIN_STACK: usize = 16 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct Options {
    chunk_size: usize,
    capacity: usize,
    pub(crate) unbuffered: bool,
    pub(crate) stack_size: usize,
    /// Whether `Thread` starts a new thread for each program, and keeps none for another.
    pub(crate) fresh_threads: bool,
    /// Whether a program that ignores errors of its closed bridge is unwound.
    pub(crate) unwind: bool,
    pub(crate) name: Option<Arc<str>>,
    /// `None` unless one of its options is set.
    pub(crate) account: Option<Arc<Account>>,
}

/// Options that all bridges of an engine share. They are apart from the other options, so that an engine without them
/// carries a null.
#[derive(Clone, Default)]
pub(crate) struct Account {
    /// How long a blocked program waits for its reader.
    pub(crate) stall: Option<Duration>,
    /// The budget of which the bridges take their shares.
    pub(crate) budget: Option<Budget>,
    /// Called with how each bridge ended.
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

    /// Creates the options of a bare [`pipe`](crate::pipe).
    pub(crate) fn pipe(capacity: usize) -> Options {
        let mut options = Options::new();
        options.set_capacity("the capacity of `pipe`", capacity);
        options
    }

    /// Returns the chunk size. A chunk is never larger than the capacity: the smaller of the two wins.
    pub(crate) fn chunk_size(&self) -> usize {
        self.chunk_size.min(self.capacity)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the chunk size for the engine without a queue, whose chunks have no maximum.
    pub(crate) fn unqueued_chunk_size(&self) -> usize {
        self.chunk_size
    }

    #[track_caller]
    pub(crate) fn set_chunk_size(&mut self, bytes: usize) {
        assert!(bytes > 0, "`chunk_size` must not be zero; for one chunk per write, call `unbuffered()`");
        self.chunk_size = bytes.min(MAX_GATHERED);
    }

    #[track_caller]
    pub(crate) fn set_capacity(&mut self, of: &str, bytes: usize) {
        assert!(bytes > 0, "{of} must not be zero; the minimum is 1 byte");
        self.capacity = bytes;
    }

    /// Returns how long a blocked program waits for its reader, if that is limited.
    pub(crate) fn stall_timeout(&self) -> Option<Duration> {
        self.account.as_ref()?.stall
    }

    #[track_caller]
    pub(crate) fn set_stall_timeout(&mut self, time: Duration) {
        assert!(!time.is_zero(), "`stall_timeout` must not be zero; omit it to wait forever");
        self.account_mut().stall = Some(time);
    }

    pub(crate) fn budget(&self) -> Option<&Budget> {
        self.account.as_ref()?.budget.as_ref()
    }

    /// Returns the hook that is called with how each bridge ended.
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
            "`stack_size` must not be zero; the default is 1 MiB, of which only what is used costs memory"
        );
        self.stack_size = bytes.clamp(MIN_STACK, MAX_STACK);
    }
}

/// Defines the setters that every engine has.
macro_rules! engine_options {
    () => {
        /// Sets the size in bytes at which small writes are cut into chunks (default: 32 KiB, maximum: 16 MiB). A write
        /// of this size or more joins no other write: it becomes one larger chunk, or several.
        ///
        /// # Panics
        ///
        /// Panics if `bytes` is zero.
        #[must_use]
        #[track_caller]
        pub fn chunk_size(mut self, bytes: usize) -> Self {
            self.options.set_chunk_size(bytes);
            self
        }

        /// Makes every write its own chunk, as if a flush followed it. On engines with a `capacity`, a write larger
        /// than the capacity becomes several chunks.
        #[must_use]
        pub fn unbuffered(mut self) -> Self {
            self.options.unbuffered = true;
            self
        }

        /// Sets the stack size of a program in bytes (default: 1 MiB, minimum: 16 KiB). The stack is reserved, not
        /// committed: only what a program has touched costs memory.
        ///
        /// # Panics
        ///
        /// Panics if `bytes` is zero.
        #[must_use]
        #[track_caller]
        pub fn stack_size(mut self, bytes: usize) -> Self {
            self.options.set_stack_size(bytes);
            self
        }

        /// Sets whether a program that ignores errors of its closed bridge is unwound (default: `true`).
        ///
        /// After the other end of its bridge is gone, each of a program's reads and writes returns an error. Most
        /// programs then return. If a program ignores 64 such errors, its next read or write unwinds it, as a panic
        /// does, but without calling the panic hook. Destructors run.
        ///
        /// With `false`, or in a build with `panic = "abort"`, the program is not unwound. Each read or write keeps
        /// returning an error until the program ends by itself. A program that never ends keeps its thread or stack.
        /// Dropping the caller's end of a bridge on [`Local`](crate::Local) runs the program to its end, however long
        /// that takes.
        ///
        /// Set this to `false` if C or C++ frames lie between the program and the write, as in a library with output
        /// callbacks. Unwinding skips the cleanup of those frames.
        ///
        /// An `extern "C"` callback lets no panic through. Linux, except on 32-bit ARM, lets the bridge detect such a
        /// callback and not unwind the program. Elsewhere, unwinding would abort the process.
        ///
        /// ```
        /// use std::io::Write;
        ///
        /// let (sender, receiver) = std::sync::mpsc::channel();
        /// let mut chunks = pushpull::Local::new().unbuffered().unwind(false).pull(move |w| {
        ///     let refused = (0..1000).filter(|_| w.write_all(b"ignored").is_err()).count();
        ///     sender.send(refused).map_err(std::io::Error::other)
        /// });
        /// chunks.next();
        /// drop(chunks);
        /// assert_eq!(receiver.recv(), Ok(1000));
        /// ```
        #[must_use]
        pub fn unwind(mut self, unwind: bool) -> Self {
            self.options.unwind = unwind;
            self
        }

        /// Sets the name of the programs (default: none). `Debug` output shows the name. On `Thread`, the operating
        /// system's list of threads shows it too. On `Local` and `Pool`, the message about a stack overflow shows it
        /// too.
        #[must_use]
        pub fn name(mut self, name: impl Into<std::sync::Arc<str>>) -> Self {
            self.options.name = Some(name.into());
            self
        }

        /// Sets a hook that is called when a bridge ends, for logs and metrics (default: none). The hook is called once
        /// for each bridge whose program was started.
        ///
        /// A bridge that is pulled ends when its reader has received the end, or is dropped before that. A bridge that
        /// is fed ends when its program ends. The hook runs right there, and should be quick. A panic in the hook is
        /// discarded.
        ///
        /// ```
        /// use std::sync::mpsc;
        /// use pushpull::{Outcome, Thread};
        ///
        /// let (sender, receiver) = mpsc::channel();
        /// let engine = Thread::new().name("hello").on_end(move |ended| {
        ///     let _ = sender.send((ended.name.map(String::from), ended.outcome, ended.stats.bytes));
        /// });
        /// engine.pull(|w| std::io::Write::write_all(w, b"hello")).for_each(drop);
        /// assert_eq!(receiver.recv().unwrap(), (Some("hello".into()), Outcome::Finished, 5));
        /// ```
        #[must_use]
        pub fn on_end(mut self, hook: impl Fn(&$crate::Ended<'_>) + Send + Sync + 'static) -> Self {
            self.options.set_hook(std::sync::Arc::new(hook));
            self
        }
    };
}

/// Defines the setters that only engines with a queue have.
macro_rules! queue_options {
    () => {
        /// Sets the maximum number of bytes accepted and not yet pulled (default: 256 KiB). If the bridge is full, its
        /// writer blocks, and resumes when about half of the capacity has been pulled.
        ///
        /// # Panics
        ///
        /// Panics if `bytes` is zero.
        #[must_use]
        #[track_caller]
        pub fn capacity(mut self, bytes: usize) -> Self {
            self.options.set_capacity("`capacity`", bytes);
            self
        }

        /// Sets a budget that the bridges share with others (default: none). Each bridge takes from it what the bridge
        /// holds beyond one chunk: see [`Budget`](crate::Budget).
        #[must_use]
        pub fn budget(mut self, budget: &$crate::Budget) -> Self {
            self.options.set_budget(budget);
            self
        }

        /// Sets how long a blocked program waits for its reader (default: forever).
        ///
        /// When the reader has pulled nothing for this long, the program's write returns `TimedOut`, so that the
        /// program can free its stack or thread. The reader still receives what was written, then an error for which
        /// [`is_stalled`](crate::Error::is_stalled) is true.
        ///
        /// If the reader pulls nothing after the program is blocked, the stall is detected after this time. Otherwise,
        /// detection can take up to twice as long. The timeout does not apply to a program that is fed, since that
        /// program is the reader.
        ///
        /// ```
        /// use std::io::Write;
        /// use std::time::Duration;
        /// use pushpull::{Error, Thread};
        ///
        /// let impatient = Thread::new().capacity(4).stall_timeout(Duration::from_millis(1));
        /// let (sender, receiver) = std::sync::mpsc::channel();
        /// let mut chunks = impatient.pull(move |w| {
        ///     let result = w.write_all(&[7; 100]);
        ///     let _ = sender.send(result.as_ref().map_err(|error| error.kind()).err());
        ///     result
        /// });
        /// assert_eq!(chunks.next().unwrap()?.len(), 4);
        /// // The program's write fails while the reader does not pull. The reader sees the error later.
        /// assert_eq!(receiver.recv().unwrap(), Some(std::io::ErrorKind::TimedOut));
        /// assert!(Error::of(&chunks.find_map(Result::err).unwrap()).unwrap().is_stalled());
        /// # std::io::Result::Ok(())
        /// ```
        ///
        /// # Panics
        ///
        /// Panics if `time` is zero.
        #[must_use]
        #[track_caller]
        pub fn stall_timeout(mut self, time: std::time::Duration) -> Self {
            self.options.set_stall_timeout(time);
            self
        }
    };
}

pub(crate) use {engine_options, queue_options};
