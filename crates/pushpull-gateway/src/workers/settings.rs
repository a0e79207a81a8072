//! The settings of workers.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use super::running::RunningWorkers;
use crate::cgi::environ::InvalidVariable;
use crate::cgi::error_stream::ErrorStream;
use crate::script::{Settings, resolve};

/// A FastCGI program, and how many processes run it. On Unix only.
///
/// [`start`](Workers::start) starts the processes. All of them inherit one listening socket as descriptor 0, as the
/// FastCGI specification (2.2) has it. So does `spawn-fcgi`; the program needs no change. What a worker writes to its
/// standard output and standard error goes to the log, line by line.
///
/// A worker that ends is started again: at once the first time, then after a pause that doubles from one second up to
/// 30. While no worker runs, requests are answered with 502.
///
/// A worker leads a process group of its own. The group is killed when its worker has ended. On Linux and FreeBSD,
/// workers are also killed if this process is killed. Elsewhere they then continue to run.
///
/// ```no_run
/// use pushpull_gateway::Workers;
///
/// # async fn run() -> std::io::Result<()> {
/// let workers = Workers::new("php-cgi")?.count(4).max_requests(500).start()?;
/// let app = workers.upstream().root("/srv/www")?;
/// // Serve `app`, then:
/// workers.stop();
/// workers.stopped().await;
/// # let _ = app;
/// # Ok(())
/// # }
/// ```
///
/// # When to use something else
///
/// For an application that is already running, such as php-fpm, use [`Upstream`](crate::Upstream). For a program that
/// is started for each request use [`Script`](crate::Script).
#[derive(Clone)]
pub struct Workers {
    pub(super) program: Settings,
    pub(super) count: usize,
    pub(super) max_requests: Option<NonZero<u64>>,
    pub(super) kill_grace: Duration,
    pub(super) error_log: ErrorStream,
}

impl Workers {
    /// Creates the settings for a program. A name without a slash is searched in `PATH`.
    ///
    /// # Errors
    ///
    /// Returns an error if the program does not exist, or is not an executable regular file.
    pub fn new(program: impl AsRef<Path>) -> io::Result<Workers> {
        let program = Settings::new(resolve(program.as_ref())?);
        let kill_grace = program.common.limits.get_kill_grace();
        let count = available_parallelism().map_or(1, NonZero::get);
        Ok(Workers { program, count, max_requests: None, kill_grace, error_log: ErrorStream::default() })
    }

    /// Adds arguments for the program.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Workers {
        self.program.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the program's environment. Without it, the environment is that of a
    /// [`Script`](crate::Script).
    ///
    /// # Errors
    ///
    /// Returns an error if no process can have such a variable: see [`InvalidVariable`].
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Result<Workers, InvalidVariable> {
        self.program.variables.set(name.as_ref().as_encoded_bytes(), value.as_ref().as_encoded_bytes())?;
        Ok(self)
    }

    /// Passes on a variable of this process's environment with its current value, if it is set.
    #[must_use]
    pub fn pass_env(mut self, name: impl AsRef<OsStr>) -> Workers {
        self.program.inherit(name.as_ref());
        self
    }

    /// Sets the working directory (default: the directory of the program's file).
    ///
    /// # Errors
    ///
    /// Returns an error if it is not a directory.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> io::Result<Workers> {
        self.program.set_directory(directory.into())?;
        Ok(self)
    }

    /// Sets the number of workers (default: the number of processors).
    ///
    /// # Panics
    ///
    /// Panics if `number` is zero.
    #[must_use]
    pub fn count(mut self, number: usize) -> Workers {
        assert!(number > 0, "the number of workers must not be zero");
        self.count = number;
        self
    }

    /// Sets the number of requests of a worker, on average, after which it is replaced (default: no limit). One socket
    /// serves all workers, so it is not known which of them has answered: after `number` requests for each worker, all
    /// are replaced, one after the other.
    ///
    /// No request is lost. If a worker catches SIGUSR1 (Linux), it receives that signal: a program with libfcgi, and
    /// `php-cgi`, finish their request and end. A worker that does not catch it, or does not end within 30 seconds,
    /// receives SIGTERM at a moment when no request runs. New requests wait until it has ended. Under load without such
    /// a moment it is not replaced.
    ///
    /// # Panics
    ///
    /// Panics if `number` is zero.
    #[must_use]
    pub fn max_requests(mut self, number: u64) -> Workers {
        self.max_requests = Some(NonZero::new(number).expect("the number of requests must not be zero"));
        self
    }

    /// Sets the time between SIGTERM and SIGKILL when the workers are stopped (default: 3 s).
    #[must_use]
    pub fn kill_grace(mut self, time: Duration) -> Workers {
        self.kill_grace = time;
        self
    }

    /// Sets the log for what the workers write, and for their ends (default: `tracing`).
    #[must_use]
    pub fn error_log(mut self, error_log: ErrorStream) -> Workers {
        self.error_log = error_log;
        self
    }

    /// Returns the program's absolute path.
    pub fn program(&self) -> &Path {
        &self.program.program
    }

    /// Starts the workers. They run until they are [stopped](RunningWorkers::stop).
    ///
    /// # Errors
    ///
    /// Returns an error if the socket cannot be created, or a worker cannot be started.
    pub fn start(self) -> io::Result<RunningWorkers> {
        RunningWorkers::start(self)
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("program", &self.program.program)
            .field("arguments", &self.program.arguments)
            .field("count", &self.count)
            .field("max_requests", &self.max_requests)
            .finish_non_exhaustive()
    }
}
