//! The engine that runs programs on coroutines of the calling thread.

use std::io;

use crate::local::{self, Chunks, Feed, Filter, Reader, Scoped, Writer};
use crate::options::{Options, engine_options};
use crate::runtime::stack::on_stacks;

/// An engine that runs programs on coroutines of the calling thread: no thread, no queue, a few nanoseconds a chunk.
///
/// A program runs only while the reader asks for a chunk or the feed is written to. Its stack is reused by later
/// programs.
///
/// # Examples
///
/// ```
/// use std::io::Write;
///
/// let engine = pushpull::Local::new().chunk_size(4);
/// let chunks = engine.pull(|w| {
///     for word in ["push", "pull"] {
///         w.write_all(word.as_bytes())?;
///     }
///     Ok(())
/// });
/// let words: Vec<_> = chunks.map(Result::unwrap).collect();
/// assert_eq!(words, ["push", "pull"]);
/// ```
///
/// # Caveats
///
/// * A program must not hold a lock or a `RefCell` borrow across a write if other code on the same thread needs it.
/// * On a `rayon` thread, a program may wait inside `rayon` (`join`, `scope`, a parallel iterator). Meanwhile `rayon`
///   runs other jobs on the program's stack. Set a [`stack_size`](Local::stack_size) that suffices for every job
///   (`rayon`'s own threads have 2 MiB), or use [`Thread`](crate::Thread).
/// * A program that exceeds its [`stack_size`](Local::stack_size) stops the process at the guard page.
/// * Some crates ask `stacker` how much stack is left: pest (used by tera and handlebars), serde_stacker, sqlparser,
///   polars. On Linux, with the default feature `stacker`, the answer is correct. Without the feature, parsers built on
///   pest fail with "stack limit reached", and crates that switch to a larger stack do so at once.
/// * Some interpreters and garbage collectors ask the system for the bounds of the thread's stack. The system returns
///   those of the thread, not of the program's stack: use [`Thread`](crate::Thread) for such code.
/// * Code that keeps per-thread state across a call, such as `scoped-tls`, sees the state of the program that ran last.
/// * With the feature `tracing`, a program leaves its spans when it is suspended and enters them again when it is
///   resumed. Without the feature, the caller logs in the program's spans.
///   * The subscriber must report the current span of a thread, as the registry of `tracing-subscriber` does.
///   * A program that enters the span its caller is in must do so before its first write.
///   * A subscriber that the program sets for the thread (`set_default`) stays set for the caller. Set it around the
///     bridge instead.
///
/// # When to use something else
///
/// The ends are not `Send`, and a program that blocks (a file, a lock, a socket) blocks the calling thread. Use
/// [`Thread`](crate::Thread) where either matters.
///
/// There is no `stall_timeout`: a program without a reader does not run, so it could not return an error. To end the
/// program and free its stack at once, drop the chunks.
#[derive(Debug, Clone)]
pub struct Local {
    options: Options,
}

impl Local {
    on_stacks! {
        /// Creates an engine with the default options.
        pub const fn new() -> Local {
            Local { options: Options::new() }
        }
    }

    engine_options!();

    /// Returns the output of `program`, which writes, as chunks. The program starts at the first pull.
    pub fn pull(&self, program: impl FnOnce(&mut Writer) -> io::Result<()> + 'static) -> Chunks {
        local::pull(&self.options, program)
    }

    /// Returns the feed that supplies the input of `program`, which reads. The program starts at the first write or at
    /// `finish`.
    pub fn push<T: 'static>(&self, program: impl FnOnce(&mut Reader) -> io::Result<T> + 'static) -> Feed<T> {
        local::push(&self.options, program)
    }

    /// Returns a filter of `program`, which reads and writes, to be given a source or a sink.
    pub fn filter(&self, program: impl FnOnce(&mut Reader, &mut Writer) -> io::Result<()> + 'static) -> Filter {
        Filter::new(&self.options, Box::new(program))
    }

    /// Runs a `program` that may borrow, and lends its output to `host` as chunks.
    ///
    /// The program has ended when this method returns. See [`pull`](Local::pull) for programs that own what they use.
    ///
    /// # Examples
    ///
    /// ```
    /// let doc = vec![1, 2, 3];
    /// let json = pushpull::Local::new().pull_scoped(
    ///     |w| Ok(serde_json::to_writer(w, &doc)?),
    ///     |chunks| chunks.collect::<Result<Vec<_>, _>>(),
    /// )?;
    /// assert_eq!(json.concat(), b"[1,2,3]");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pull_scoped<P, F, R>(&self, program: P, host: F) -> R
    where
        P: FnOnce(&mut Writer) -> io::Result<()>,
        F: FnOnce(Scoped<'_>) -> R,
    {
        local::pull_scoped(&self.options, program, host)
    }
}

impl Default for Local {
    fn default() -> Local {
        Local { options: Options::new() }
    }
}
