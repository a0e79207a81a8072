//! A FastCGI application in other processes as a service.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::idle::Idle;
use super::settings::Settings;
use crate::address::{Address, BadAddress};
use crate::cgi::environ::InvalidVariable;
use crate::cgi::error_stream::ErrorStream;
use crate::cgi::path::Mount;
use crate::external::programs::Programs;
use crate::external::service::external_service;
use crate::external::{BodyPolicy, ExitStatus, ProgramLimits};
use crate::site::{PathSet, Site};
use crate::workers::RunningWorkers;

/// A FastCGI application in other processes, such as php-fpm, as a
/// `tower::Service<Request<B>, Response = Response<Body>>`. On Unix only.
///
/// The application receives the request's meta-variables as parameters, and the body as `STDIN`. Its `STDOUT` is the
/// response, which is passed on as it arrives, no faster than the client reads it. Both flow at the same time. Its
/// `STDERR` goes to the log, line by line. Each request has its own connection, unless [some are
/// kept](Upstream::max_idle).
///
/// If the application fails before its head is complete, the request is answered with 502, or with 503 if the
/// application is overloaded. If it fails later, the response is aborted after every byte that arrived. An application
/// fails if its connection is lost, if its status is not zero, or if it sends fewer bytes than its `Content-Length`.
/// The status does not abort an error page (a status of 400 or more). Bytes beyond the `Content-Length` are discarded
/// and logged. If the application ends its output and not the request, the response waits up to one second for the
/// status.
///
/// If the client disconnects, or a [limit](ProgramLimits) is reached, the connection is closed.
///
/// ```no_run
/// use pushpull_gateway::Upstream;
///
/// // Sends all requests to one application:
/// let app = Upstream::fastcgi("127.0.0.1:9000")?;
/// // Sends requests for scripts below a directory to php-fpm, and answers all others with 404:
/// let site = Upstream::fastcgi("unix:/run/php/php8.2-fpm.sock")?.root("/srv/www")?;
/// # let _ = (app, site);
/// # std::io::Result::Ok(())
/// ```
///
/// # Caveats
///
/// * It needs a tokio runtime with input, output and time enabled. Tasks of the runtime that polls the request read its
///   connection. If that runtime is shut down, the responses are aborted.
/// * A local redirect (`Location: /path` without a status) is marked, and the client receives a 302. To follow it on
///   this server, wrap the service in [`LocalRedirects`](crate::LocalRedirects).
/// * A body that the application leaves unread is dropped. The host must drain it, so that the client receives its
///   response.
/// * PHP ends a request with status 0 even if the script died halfway. Before the head, PHP itself answers with 500.
///   After the head nothing shows the failure, and the response seems complete.
///
/// # When to use something else
///
/// For an application whose processes are started here use [`Workers`](crate::Workers). For a program that is started
/// for each request use [`Script`](crate::Script). For code in this process use [`service`](fn@crate::service).
#[derive(Clone)]
pub struct Upstream {
    pub(super) settings: Arc<Settings>,
    pub(super) programs: Arc<Programs>,
    pub(super) idle: Arc<Idle>,
}

impl Upstream {
    /// Creates a service for the application at `address`: `host:port` or `unix:PATH`. Does not connect yet.
    ///
    /// # Errors
    ///
    /// Returns an error if `address` is not an address.
    pub fn fastcgi(address: &str) -> Result<Upstream, BadAddress> {
        Ok(Upstream::at(address.parse()?))
    }

    /// Creates a service for the application at `address`.
    pub fn at(address: Address) -> Upstream {
        let settings = Settings::new(address);
        let programs = Programs::new(&settings.common.limits);
        Upstream { settings: Arc::new(settings), programs, idle: Arc::default() }
    }

    /// Sends the requests to workers of this process, in the place of its address. The other settings stay.
    #[must_use]
    pub fn on(mut self, workers: &RunningWorkers) -> Upstream {
        let settings = self.change();
        (settings.address, settings.requests) = (workers.address(), Some(workers.requests()));
        self
    }

    /// Serves the scripts below a directory. The part of a request's path after the mount is looked up there:
    ///
    /// * The first `*.php` on the path that is a regular file is the script (`SCRIPT_FILENAME`). The rest of the path
    ///   is `PATH_INFO`.
    /// * For a directory, the script is the `index.php` in it. If the path lacks the final slash, the client is
    ///   redirected to the path with the slash (301).
    /// * Everything else is answered with 404 and never sent, so that no source code is disclosed. Links below the root
    ///   are not followed, names are case-sensitive, and an empty segment names nothing.
    ///
    /// The application must see the same files. It opens the script later, by its path: do not let untrusted users
    /// write there.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not a directory.
    pub fn root(self, directory: impl AsRef<Path>) -> io::Result<Upstream> {
        let scripts = PathSet::new().named("*.php").expect("the pattern is valid");
        Ok(self.site(Site::new(directory)?.programs(scripts).index(["index.php"])))
    }

    /// Serves the programs of a site: [`root`](Upstream::root) with rules of your own. The files of the site are not
    /// sent; `Files` sends them.
    #[must_use]
    pub fn site(mut self, site: Site) -> Upstream {
        self.change().site = Some(site);
        self
    }

    /// Sets a parameter. It takes precedence over the request's.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not a valid variable: see [`InvalidVariable`].
    pub fn param(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Upstream, InvalidVariable> {
        self.change().parameters.set(name, value)?;
        Ok(self)
    }

    /// Sets where the application is mounted (default: the root). `SCRIPT_NAME` begins with the mount's prefix; paths
    /// elsewhere are answered with 404. If a router removes the prefix from the URI, no mount is needed.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Upstream {
        self.change().common.mount = mount;
        self
    }

    /// Sets how the bodies of requests are taken (default: [`BodyPolicy::Spool`]). PHP sees no body without
    /// `CONTENT_LENGTH`.
    #[must_use]
    pub fn request_body(mut self, request_body: BodyPolicy) -> Upstream {
        self.change().common.request_body = request_body;
        self
    }

    /// Sets the limits of requests and clients (default: [`ProgramLimits::new`]). `max_programs` limits the number of
    /// requests; `kill_grace` is ignored. Existing clones keep theirs, and count their requests separately.
    #[must_use]
    pub fn limits(mut self, limits: ProgramLimits) -> Upstream {
        self.programs = Programs::new(&limits);
        self.change().common.limits = limits;
        self
    }

    /// Sets how many idle connections are kept (default: 0). If one more becomes idle, it is closed. Without kept
    /// connections each request has its own, which the application closes afterwards.
    ///
    /// Keep some for an application that serves its connections independently, such as one on `host::fastcgi::Server`.
    /// A process of php-fpm, or of another pre-forking application, serves one connection only:
    ///
    /// * While the connection is kept, the process serves no other. Debian allows php-fpm five processes
    ///   (`pm.max_children`).
    /// * A script that calls `fastcgi_finish_request` continues to run after its response. A request on its connection
    ///   waits for the script, although other processes are free. If the script requests its own site, both wait for
    ///   each other.
    ///
    /// If a request finds its connection closed by the application, it is sent again on a new one, once. Its body must
    /// not have begun, or must be spooled. A request whose method is not idempotent (`POST`) must not be sent twice. It
    /// therefore never gets a kept connection; one is closed for it.
    #[must_use]
    pub fn max_idle(mut self, connections: usize) -> Upstream {
        self.change().max_idle = connections;
        // The connections of clones may have another maximum.
        self.idle = Arc::default();
        self
    }

    /// Sets how long an idle connection is kept (default: 10 s).
    #[must_use]
    pub fn idle_timeout(mut self, time: Duration) -> Upstream {
        self.change().idle_timeout = time;
        self.idle = Arc::default();
        self
    }

    /// Sets how an application status other than zero affects the response (default: [`ExitStatus::Cut`]).
    #[must_use]
    pub fn exit_status(mut self, exit_status: ExitStatus) -> Upstream {
        self.change().common.exit_status = exit_status;
        self
    }

    /// Sets the log for the application's messages and its failures (default: the error log of the request's
    /// [`Environ`](crate::Environ), which is `tracing` unless set).
    #[must_use]
    pub fn error_log(mut self, error_log: ErrorStream) -> Upstream {
        self.change().common.error_log = Some(error_log);
        self
    }

    /// Returns the application's address.
    pub fn address(&self) -> &Address {
        &self.settings.address
    }

    /// Stops the requests of this upstream and its clones. Further requests are answered with 503. All connections are
    /// closed, which aborts the responses. Returns at once; [`stopped`](Upstream::stopped) waits until the connections
    /// are closed.
    pub fn stop(&self) {
        self.programs.stop();
        self.idle.clear();
    }

    /// Waits until no request of this upstream and its clones runs.
    pub async fn stopped(&self) {
        self.programs.idle().await;
        if self.programs.is_stopping() {
            self.idle.clear();
        }
    }

    /// Returns the number of requests of this upstream and its clones that run.
    pub fn running(&self) -> usize {
        self.programs.running()
    }

    /// Returns the number of requests of this upstream and its clones that wait in the [queue](ProgramLimits::queue).
    pub fn waiting(&self) -> usize {
        self.programs.waiting()
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
