//! An external CGI program as a service.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::program::resolve;
use super::settings::Settings;
use crate::cgi::environ::InvalidVariable;
use crate::cgi::error_stream::ErrorStream;
use crate::cgi::path::Mount;
use crate::external::programs::Programs;
use crate::external::service::external_service;
use crate::external::{BodyPolicy, ExitStatus, ProgramLimits};
use crate::site::Site;

/// An external CGI program (RFC 3875) as a `tower::Service<Request<B>, Response = Response<Body>>`.
///
/// The program is started once for each request. On Unix only; on Linux, version 5.4 or later. On Windows, creating a
/// `Script` is a compile error.
///
/// The program's environment holds the request's meta-variables, the variables `PATH`, `TZ`, `LANG` and `LC_ALL` of
/// this process, and those that are set here. The program's working directory is that of its file. Its standard input
/// is the request's body. Its standard output is the response, which is passed on as it arrives, no faster than the
/// client reads it. Its standard error goes to the log, line by line.
///
/// If the program fails before its head is complete, the request is answered with 502. If it fails later, the response
/// is aborted after every byte that the program wrote. A program fails if a signal ends it, if its exit status is not
/// zero, or if it writes fewer bytes than its `Content-Length`. If the response has its full `Content-Length`, or is an
/// error page (a status of 400 or more), the exit status is only logged. Bytes beyond the `Content-Length` are
/// discarded and logged.
///
/// The response ends when the output or the program ends. If the program closes its output and continues to run, the
/// response waits up to one second for the exit status. If the program has ended, other processes may hold its output
/// open, such as a filter that it started. They have one second for each next byte. If the output still does not end,
/// the response is aborted, unless its `Content-Length` is reached.
///
/// If the client disconnects, or a [limit](ProgramLimits) is reached, the program's streams are closed and its process
/// group receives SIGTERM. When the program has ended or the grace has passed, the rest of the group receives SIGKILL.
/// A client that has received the whole response does not count as disconnected: the program may continue to run, and
/// its output is drained. After a clean exit the group is left alone, so a program may leave other processes behind.
///
/// Programs start with default signal actions.
///
/// ```
/// use http::Request;
/// use http_body_util::{BodyExt, Empty};
/// use pushpull_gateway::Script;
/// use tower_service::Service;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let mut script = Script::new("sh")?.args(["-c", r#"printf 'Content-Type: text/plain\n\nthis is %s' "$PATH_INFO""#]);
/// let request = Request::get("http://localhost/here").body(Empty::<bytes::Bytes>::new()).unwrap();
/// let response = script.call(request).await.unwrap();
/// assert_eq!(response.headers()["content-type"], "text/plain");
/// assert_eq!(response.into_body().collect().await?.to_bytes(), "this is /here");
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Caveats
///
/// * It needs a tokio runtime with input, output and time enabled. Tasks of the runtime that polls the request watch
///   the programs. If that runtime is shut down, the programs are killed.
/// * A local redirect (`Location: /path` without a status) is marked, and the client receives a 302. To follow it on
///   this server, wrap the script in [`LocalRedirects`](crate::LocalRedirects).
/// * A body that the program leaves unread is dropped. The host must drain it, so that the client receives its
///   response.
/// * Without a site, `SCRIPT_FILENAME` is not set. The query does not become command-line arguments (RFC 3875, 4.4). Both have let
///   clients take over programs that did not expect them. If a program needs `SCRIPT_FILENAME`, set it with
///   [`env`](Script::env).
///
/// # When to use something else
///
/// For code in this process use [`service`](fn@crate::service), which costs a thousandth.
#[derive(Clone)]
pub struct Script {
    pub(super) settings: Arc<Settings>,
    pub(super) programs: Arc<Programs>,
}

impl Script {
    /// Creates a script that runs `program`: a path, or a name that is searched in `PATH` now. The path is made
    /// absolute; symbolic links are kept.
    ///
    /// # Errors
    ///
    /// Returns an error if the program does not exist, is not a regular file, or is not executable by this process.
    pub fn new(program: impl Into<PathBuf>) -> io::Result<Script> {
        let settings = Settings::new(resolve(&program.into())?);
        let programs = Programs::new(&settings.common.limits);
        Ok(Script { settings: Arc::new(settings), programs })
    }

    /// Creates a script that runs the programs of a site: the part of a request's path after the mount names the
    /// program. The files of the site are not sent; `Files` sends them.
    ///
    /// `SCRIPT_NAME` is the path up to the program, and `PATH_INFO` the rest. `SCRIPT_FILENAME` is the program's file,
    /// `DOCUMENT_ROOT` the root of the site, and `PATH_TRANSLATED` the path of the rest below the root. A path that
    /// names no program is answered with 404. A program that is not executable is answered with 500 and logged.
    ///
    /// ```
    /// use pushpull_gateway::{Script, Site};
    ///
    /// # let directory = std::env::temp_dir();
    /// let script = Script::of_site(Site::new(directory)?.programs("/cgi-bin/,*.cgi".parse()?));
    /// # let _ = script;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_site(site: Site) -> Script {
        let mut settings = Settings::new(site.root().to_owned());
        settings.site = Some(site);
        let programs = Programs::new(&settings.common.limits);
        Script { settings: Arc::new(settings), programs }
    }

    /// Adds arguments for the program.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Script {
        self.change().arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the program's environment. It takes precedence over the request's.
    ///
    /// # Errors
    ///
    /// Returns an error if no process can have such a variable: see [`InvalidVariable`].
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Result<Script, InvalidVariable> {
        let (name, value) = (name.as_ref().as_encoded_bytes(), value.as_ref().as_encoded_bytes());
        self.change().variables.set(name, value)?;
        Ok(self)
    }

    /// Passes on a variable of this process's environment with its current value, if it is set.
    #[must_use]
    pub fn pass_env(mut self, name: impl AsRef<OsStr>) -> Script {
        self.change().inherit(name.as_ref());
        self
    }

    /// Sets the program's working directory (default: the directory of its file).
    ///
    /// # Errors
    ///
    /// Returns an error if it is not a directory.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> io::Result<Script> {
        self.change().set_directory(directory.into())?;
        Ok(self)
    }

    /// Sets where the script is mounted (default: the root). `SCRIPT_NAME` is the mount's prefix; paths elsewhere are
    /// answered with 404. If a router removes the prefix from the URI, no mount is needed.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Script {
        self.change().common.mount = mount;
        self
    }

    /// Sets how the bodies of requests are taken (default: [`BodyPolicy::Spool`]).
    #[must_use]
    pub fn request_body(mut self, request_body: BodyPolicy) -> Script {
        self.change().common.request_body = request_body;
        self
    }

    /// Sets the limits of programs and their clients (default: [`ProgramLimits::new`]). Existing clones keep theirs,
    /// and count their programs separately.
    #[must_use]
    pub fn limits(mut self, limits: ProgramLimits) -> Script {
        self.programs = Programs::new(&limits);
        self.change().common.limits = limits;
        self
    }

    /// Sets how the exit status of a program affects its response (default: [`ExitStatus::Cut`]).
    #[must_use]
    pub fn exit_status(mut self, exit_status: ExitStatus) -> Script {
        self.change().common.exit_status = exit_status;
        self
    }

    /// Sets the log for the programs' messages and their failures (default: the error log of the request's
    /// [`Environ`](crate::Environ), which is `tracing` unless set).
    #[must_use]
    pub fn error_log(mut self, error_log: ErrorStream) -> Script {
        self.change().common.error_log = Some(error_log);
        self
    }

    /// Returns the program's absolute path, or that of the site's root.
    pub fn program(&self) -> &Path {
        &self.settings.program
    }

    /// Stops the programs of this script and its clones. Further requests are answered with 503. Running programs
    /// receive SIGTERM, then SIGKILL, and their responses are aborted. Returns at once; [`stopped`](Script::stopped)
    /// waits until the programs have ended.
    pub fn stop(&self) {
        self.programs.stop();
    }

    /// Waits until all programs of this script and its clones are reaped. May be polled on any runtime, while the
    /// runtimes that watch the programs run.
    pub async fn stopped(&self) {
        self.programs.idle().await;
    }

    /// Returns the number of programs of this script and its clones that run.
    pub fn running(&self) -> usize {
        self.programs.running()
    }

    /// Returns the number of requests of this script and its clones that wait in the [queue](ProgramLimits::queue).
    pub fn waiting(&self) -> usize {
        self.programs.waiting()
    }

    fn change(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }
}

external_service!(Script);

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("program", &self.settings.program)
            .field("arguments", &self.settings.arguments)
            .field("mount", &self.settings.common.mount)
            .field("limits", &self.settings.common.limits)
            .finish_non_exhaustive()
    }
}
