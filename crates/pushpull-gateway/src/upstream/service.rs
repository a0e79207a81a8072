//! A FastCGI application in other processes as a service.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::idle::Idle;
use super::settings::Settings;
use super::site::Site;
use crate::address::{Address, BadAddress};
use crate::cgi::environ::InvalidVariable;
use crate::cgi::error_stream::ErrorStream;
use crate::cgi::path::Mount;
use crate::external::programs::Programs;
use crate::external::service::external_service;
use crate::external::{BodyPolicy, ExitStatus, ProgramLimits};

/// A FastCGI application that other processes are, such as php-fpm, as a
/// `tower::Service<Request<B>, Response = Response<Body>>`. Linux only.
///
/// It is given the request's meta-variables as parameters and the body as `STDIN`; what it writes is the response, and is
/// passed on as it comes, no faster than the client takes it. Both flow at the same time. What it says as `STDERR` goes to
/// the log, line by line. Each request has a connection of its own, unless [some are kept](Upstream::max_idle).
///
/// An application that fails before its head is complete is answered with 502 (503 if it says that it is overloaded); one
/// that fails later (the connection is gone, a status other than zero, fewer bytes than its `Content-Length`) cuts the
/// response, after every byte that came. Of more bytes than its `Content-Length` the log is told, and nobody gets them. An
/// error page (a status of 400 or more) is not cut for the application's status, and an application that ends its output and
/// not the request is waited for a second.
///
/// When the client goes, in whatever state, or a [limit](ProgramLimits) is reached, the connection is closed.
///
/// ```no_run
/// use pushpull_gateway::Upstream;
///
/// // All requests to one application:
/// let app = Upstream::fastcgi("127.0.0.1:9000")?;
/// // Those for a script beneath a directory to php-fpm, and 404 for all others:
/// let site = Upstream::fastcgi("unix:/run/php/php8.2-fpm.sock")?.root("/srv/www")?;
/// # let _ = (app, site);
/// # std::io::Result::Ok(())
/// ```
///
/// # Caveats
///
/// * It runs on tokio, with input, output and time enabled, and its connections are read by tasks of the runtime that polled
///   the request. When that runtime is shut down, the responses are cut.
/// * A local redirect (`Location: /path` without a status) is marked, and a 302 for the client: put
///   [`LocalRedirects`](crate::LocalRedirects) around it to have it answered here.
/// * A body that the application leaves unread is dropped. Draining it, so that the client gets its answer, is the host's
///   affair.
/// * PHP ends a request with status 0 even when a script died in its middle. Before the head that is a 500 of PHP's own;
///   after it nothing tells, and the response seems whole.
///
/// For a program that is started for each request use [`Script`](crate::Script); for code in this process,
/// [`service`](fn@crate::service).
#[derive(Clone)]
pub struct Upstream {
    pub(super) settings: Arc<Settings>,
    pub(super) programs: Arc<Programs>,
    pub(super) idle: Arc<Idle>,
}

impl Upstream {
    /// The application at an address: `host:port` or `unix:PATH`. Nothing is asked of it yet.
    ///
    /// # Errors
    ///
    /// When the text is no address.
    pub fn fastcgi(address: &str) -> Result<Upstream, BadAddress> {
        Ok(Upstream::at(address.parse()?))
    }

    /// The application at an address.
    pub fn at(address: Address) -> Upstream {
        let settings = Settings::new(address);
        let programs = Programs::new(settings.common.limits.get_max_programs());
        Upstream { settings: Arc::new(settings), programs, idle: Arc::default() }
    }

    /// Asks for scripts beneath this directory: what of a request's path follows the mount is looked for there. The first
    /// `*.php` of it that is a regular file is the script (`SCRIPT_FILENAME`), and what follows is `PATH_INFO`. For a
    /// directory it is the `index.php` in it, and without a slash at its end the client is sent to the one with it (301).
    /// Everything else is a 404, and never sent, so that no source is told: no link is followed beneath the root, names
    /// differ in case, and empty segments name nothing.
    ///
    /// The application has to see the same files. It opens the script by its path, later: do not let those whom you do not
    /// trust write there.
    ///
    /// # Errors
    ///
    /// When it is no directory.
    pub fn root(mut self, directory: impl AsRef<Path>) -> io::Result<Upstream> {
        self.change().site = Some(Site::new(directory.as_ref())?);
        Ok(self)
    }

    /// Sets a parameter, whatever the request says.
    ///
    /// # Errors
    ///
    /// When it could be no variable: see [`InvalidVariable`].
    pub fn param(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Upstream, InvalidVariable> {
        self.change().parameters.set(name, value)?;
        Ok(self)
    }

    /// Mounts it: `SCRIPT_NAME` begins with the mount's prefix, and requests for what is not below it are answered with 404.
    /// A router that takes the prefix off the URI itself leaves nothing to mount.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Upstream {
        self.change().common.mount = mount;
        self
    }

    /// How the bodies of requests are taken: whole, unless set. (PHP sees no body without `CONTENT_LENGTH`.)
    #[must_use]
    pub fn request_body(mut self, request_body: BodyPolicy) -> Upstream {
        self.change().common.request_body = request_body;
        self
    }

    /// Sets what the application and its clients may take (default: [`ProgramLimits::new`]): `max_programs` is the number of
    /// requests, and `kill_grace` means nothing. Clones that were made before keep theirs, and count their requests by
    /// themselves.
    #[must_use]
    pub fn limits(mut self, limits: ProgramLimits) -> Upstream {
        self.programs = Programs::new(limits.get_max_programs());
        self.change().common.limits = limits;
        self
    }

    /// Sets how many connections are kept while nothing is asked (default: none). If one more becomes idle, it is closed.
    /// Without kept connections each request has its own, and the application is told to close it.
    ///
    /// Keep some for an application whose connections are served independently, such as one on
    /// `host::fastcgi::Server`. A process of php-fpm or of a pre-forking application serves one connection alone:
    ///
    /// * While the connection is kept, the process serves no other. Debian allows php-fpm five (`pm.max_children`).
    /// * A script that calls `fastcgi_finish_request` works on after its answer. A request that is given its connection
    ///   waits for that work, although other processes are free. If the script asks its own site, both wait for each other.
    ///
    /// A request that finds its connection closed by the application is asked again on a new one,
    /// once, if its body has not begun or is spooled. One whose method is not idempotent (`POST`) must not be asked twice, and
    /// so never gets a kept connection: one is closed for it.
    #[must_use]
    pub fn max_idle(mut self, connections: usize) -> Upstream {
        self.change().max_idle = connections;
        // Those of clones may have another bound.
        self.idle = Arc::default();
        self
    }

    /// Sets how long a connection is kept while nothing is asked (default: 10 s). After this time it is closed.
    #[must_use]
    pub fn idle_timeout(mut self, time: Duration) -> Upstream {
        self.change().idle_timeout = time;
        self.idle = Arc::default();
        self
    }

    /// What an application status other than zero means: failure, unless set.
    #[must_use]
    pub fn exit_status(mut self, exit_status: ExitStatus) -> Upstream {
        self.change().common.exit_status = exit_status;
        self
    }

    /// Sets where the application's messages and the reports of its failures go (default: the error log of the request's
    /// [`Environ`](crate::Environ), which is `tracing` unless set).
    #[must_use]
    pub fn error_log(mut self, error_log: ErrorStream) -> Upstream {
        self.change().common.error_log = Some(error_log);
        self
    }

    /// Where the application is.
    pub fn address(&self) -> &Address {
        &self.settings.address
    }

    /// Stops what goes on with this upstream and its clones: nothing more is asked (503), and all connections are closed,
    /// which cuts the responses. Returns at once; [`stopped`](Upstream::stopped) waits until they are closed.
    pub fn stop(&self) {
        self.programs.stop();
        self.idle.clear();
    }

    /// Waits until nothing is asked by this upstream and its clones.
    pub async fn stopped(&self) {
        self.programs.idle().await;
        if self.programs.is_stopping() {
            self.idle.clear();
        }
    }

    fn change(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }
}

external_service!(Upstream);

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("address", &self.settings.address)
            .field("site", &self.settings.site)
            .field("mount", &self.settings.common.mount)
            .field("limits", &self.settings.common.limits)
            .finish_non_exhaustive()
    }
}
