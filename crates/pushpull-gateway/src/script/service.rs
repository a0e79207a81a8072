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

/// An external CGI program (RFC 3875) as a `tower::Service<Request<B>, Response = Response<Body>>`: it is run once for each
/// request. Linux 5.4 or later.
///
/// The program is given the request's meta-variables as its whole environment, but for `PATH`, `TZ`, `LANG`, `LC_ALL` and
/// what is named here; the directory that it lies in to work in; the body as its standard input. What it writes is the
/// response, and is passed on as it comes, no faster than the client takes it. What it says to its standard error goes to
/// the log, line by line.
///
/// A program that fails before its head is complete is answered with 502. One that fails later (a signal, an exit status
/// other than zero, fewer bytes than its `Content-Length`) cuts the response, after every byte that it wrote. A response that
/// is complete by its `Content-Length`, or is an error page (a status of 400 or more), is not cut for the exit status, which
/// is logged. Bytes beyond the `Content-Length` are discarded, and logged.
///
/// The response ends when the output ends, or the program: a program that closes its output and works on is waited for a
/// second, for its exit status. When the program has ended and others hold its output open, such as a filter that it
/// started, they have a second for each next byte. If the end does not come, the response is cut, unless its
/// `Content-Length` is met.
///
/// When the client goes, in whatever state, or a [limit](ProgramLimits) is reached, the program's streams are closed and its
/// process group is sent SIGTERM; when the program has gone or the grace has passed, what is left of the group is sent
/// SIGKILL. A client that has the whole response has not gone: the program may work on, and what it still writes is taken.
/// After a clean exit the group is left alone, so that a program may leave others behind.
///
/// Programs start with default signals.
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
/// * It runs on tokio, with input, output and time enabled, and its programs are watched over by tasks of the runtime
///   that polled the request. When that runtime is shut down, they are killed.
/// * A local redirect (`Location: /path` without a status) is marked, and a 302 for the client: put
///   [`LocalRedirects`](crate::LocalRedirects) around it to have it answered here.
/// * A body that the program leaves unread is dropped. Draining it, so that the client gets its answer, is the host's
///   affair.
/// * There is no `SCRIPT_FILENAME` and there are no command-line arguments from the query (RFC 3875, 4.4), which have let
///   clients take over programs that did not expect them. Give a program that wants the former a
///   [variable](Script::env).
///
/// For code in this process use [`service`](fn@crate::service): it costs a thousandth.
#[derive(Clone)]
pub struct Script {
    pub(super) settings: Arc<Settings>,
    pub(super) programs: Arc<Programs>,
}

impl Script {
    /// A script that runs `program`: a path, or a name that is looked for in the `PATH` now. The path is made absolute;
    /// symbolic links are kept.
    ///
    /// # Errors
    ///
    /// When there is no such program, or it is no regular file, or this process may not execute it.
    pub fn new(program: impl Into<PathBuf>) -> io::Result<Script> {
        let settings = Settings::new(resolve(&program.into())?);
        let programs = Programs::new(settings.common.limits.get_max_programs());
        Ok(Script { settings: Arc::new(settings), programs })
    }

    /// More arguments for the program.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Script {
        self.change().arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the program's environment, whatever the request says.
    ///
    /// # Errors
    ///
    /// When no process could be given it: see [`InvalidVariable`].
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Result<Script, InvalidVariable> {
        let (name, value) = (name.as_ref().as_encoded_bytes(), value.as_ref().as_encoded_bytes());
        self.change().variables.set(name, value)?;
        Ok(self)
    }

    /// Passes a variable of this process's environment on, as it is now; nothing if it is not set.
    #[must_use]
    pub fn pass_env(mut self, name: impl AsRef<OsStr>) -> Script {
        self.change().inherit(name.as_ref());
        self
    }

    /// The directory that the program works in, in place of the one it lies in.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> io::Result<Script> {
        self.change().set_directory(directory.into())?;
        Ok(self)
    }

    /// Mounts it: `SCRIPT_NAME` is the mount's prefix, and requests for what is not below it are answered with 404. A
    /// router that takes the prefix off the URI itself leaves nothing to mount.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Script {
        self.change().common.mount = mount;
        self
    }

    /// How the bodies of requests are taken: whole, unless set.
    #[must_use]
    pub fn request_body(mut self, request_body: BodyPolicy) -> Script {
        self.change().common.request_body = request_body;
        self
    }

    /// Sets what its programs and their clients may take (default: [`ProgramLimits::new`]). Clones that were made before keep
    /// theirs, and count their programs by themselves.
    #[must_use]
    pub fn limits(mut self, limits: ProgramLimits) -> Script {
        self.programs = Programs::new(limits.get_max_programs());
        self.change().common.limits = limits;
        self
    }

    /// What the programs' exit status means: failure, unless set.
    #[must_use]
    pub fn exit_status(mut self, exit_status: ExitStatus) -> Script {
        self.change().common.exit_status = exit_status;
        self
    }

    /// Sets where the programs' messages and the reports of their failures go (default: the error log of the request's
    /// [`Environ`](crate::Environ), which is `tracing` unless set).
    #[must_use]
    pub fn error_log(mut self, error_log: ErrorStream) -> Script {
        self.change().common.error_log = Some(error_log);
        self
    }

    /// The program's absolute path.
    pub fn program(&self) -> &Path {
        &self.settings.program
    }

    /// Stops the programs of this script and its clones: no more are started (503), and those that run are sent SIGTERM,
    /// then SIGKILL; their responses are cut. Returns at once; [`stopped`](Script::stopped) waits until they are gone.
    pub fn stop(&self) {
        self.programs.stop();
    }

    /// Waits until no program of this script and its clones runs: all are reaped. It may be waited for on any runtime,
    /// as long as those go on that the programs are watched over on.
    pub async fn stopped(&self) {
        self.programs.idle().await;
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
