//! Programs on coroutines of the calling thread.

use std::io;

use crate::local::{self, Chunks, Feed, Filter, Reader, Scoped, Writer};
use crate::options::{Options, engine_options};
use crate::runtime::stack::on_stacks;

/// Runs programs on coroutines of the calling thread: no thread, no queue, a few nanoseconds a chunk.
///
/// A program runs only while its host asks for something, on a stack of its own that is kept for the next program.
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
/// # When to use something else
///
/// The ends are not `Send`, and a program that blocks (a file, a lock, a socket) blocks the thread that pulls. Use
/// [`Thread`](crate::Thread) where either matters.
///
/// There is no `stall_timeout`, for a program that is not pulled does not run and could not be told. Drop the chunks when
/// they have waited long enough: that ends the program and frees its stack at once.
///
/// # Caveats
///
/// * A program must not hold across a write what others on the same thread will want: a lock, a `RefCell` borrow.
/// * If the host runs on a `rayon` thread and the program waits inside `rayon` (`join`, `scope`, a parallel iterator),
///   `rayon` runs other jobs meanwhile, on the program's stack. Set a [`stack_size`](Local::stack_size) that is enough for
///   every job (`rayon`'s own threads have 2 MiB), or use [`Thread`](crate::Thread), where a program only waits.
/// * A program has the stack that [`stack_size`](Local::stack_size) says. One that runs over it stops the process at the
///   guard page.
/// * Crates that ask `stacker` how much stack is left (pest, and so tera and handlebars; serde_stacker, sqlparser, polars) get
///   a true answer on Linux, with the default feature `stacker`. Without it, parsers by pest fail with "stack limit reached",
///   and crates that switch to a larger stack do so at once. Code that asks the system for the bounds of its thread's stack,
///   as some interpreters and garbage collectors do, gets those of the thread: use [`Thread`](crate::Thread) for it.
/// * Code that keeps per-thread state across a call, such as `scoped-tls`, sees the state of whoever ran last.
/// * With the feature `tracing`, the spans that a program has entered are its own: it leaves them when it is suspended, and
///   enters them again when it is resumed. Without the feature its host logs in them. The subscriber has to say in which span
///   a thread is, as the registry of `tracing-subscriber` does. If a program enters the very span that its host is in, it
///   must do so before its first write. A subscriber that the program sets for the thread (`set_default`) stays set for the
///   host; set it around the bridge instead.
#[derive(Debug, Clone)]
pub struct Local {
    options: Options,
}

impl Local {
    on_stacks! {
        /// An engine with the default options.
        pub const fn new() -> Local {
            Local { options: Options::new() }
        }
    }

    engine_options!();

    /// Push code: `program` writes, you pull.
    pub fn pull(&self, program: impl FnOnce(&mut Writer) -> io::Result<()> + 'static) -> Chunks {
        local::pull(&self.options, program)
    }

    /// Pull code: `program` reads, you push.
    pub fn push<T: 'static>(&self, program: impl FnOnce(&mut Reader) -> io::Result<T> + 'static) -> Feed<T> {
        local::push(&self.options, program)
    }

    /// Code that reads and writes: you choose where from and where to.
    pub fn filter(&self, program: impl FnOnce(&mut Reader, &mut Writer) -> io::Result<()> + 'static) -> Filter {
        Filter::new(&self.options, Box::new(program))
    }

    /// As [`pull`](Local::pull), for a program that borrows. The chunks are lent to `host`, and the program has ended
    /// when this call returns.
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
