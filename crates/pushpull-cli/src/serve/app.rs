//! What is served: files, and the programs beside them or in their place.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use http_body::Body as HttpBody;
use pushpull_gateway::files::NoPrograms;
use pushpull_gateway::script::ResponseFuture;
use pushpull_gateway::{Body, ErrorStream, Files, Mount, RunningWorkers, Script, Upstream, Workers};
use tower_service::Service;

#[derive(Clone)]
pub struct App {
    /// Where it is mounted, unless a front server decides.
    mount: Option<Mount>,
    /// Passes on what is for the programs.
    files: Option<Files<Programs>>,
    programs: Programs,
    max_programs: usize,
    staff: Option<Staff>,
}

/// The workers of the upstream, if they are started here.
#[derive(Clone)]
struct Staff {
    workers: Workers,
    running: Option<RunningWorkers>,
}

/// A program to start, or a FastCGI application to connect to.
#[derive(Clone)]
pub enum Programs {
    None,
    Script(Script),
    Upstream(Upstream),
}

impl App {
    pub fn new(mount: Option<Mount>, files: Option<Files>, programs: Programs, max_programs: usize) -> App {
        let files = files.map(|files| files.programs(programs.clone()));
        App { mount, files, programs, max_programs, staff: None }
    }

    /// Sets the workers of the upstream. They are not started yet.
    pub fn with_workers(self, workers: Workers) -> App {
        App { staff: Some(Staff { workers, running: None }), ..self }
    }

    /// Starts the workers, if there are any.
    pub fn started(mut self, error_log: &ErrorStream) -> Result<App, String> {
        if let (Some(staff), Programs::Upstream(upstream)) = (&mut self.staff, &mut self.programs) {
            let workers = staff.workers.clone().error_log(error_log.clone());
            let running = workers.start().map_err(|error| format!("cannot start the workers: {error}"))?;
            *upstream = upstream.clone().on(&running);
            staff.running = Some(running);
            self.files = self.files.map(|files| files.programs(self.programs.clone()));
        }
        Ok(self)
    }

    pub fn error_log(self, error_log: ErrorStream) -> App {
        let programs = match self.programs {
            Programs::None => Programs::None,
            Programs::Script(script) => Programs::Script(script.error_log(error_log.clone())),
            Programs::Upstream(upstream) => Programs::Upstream(upstream.error_log(error_log.clone())),
        };
        let files = self.files.map(|files| files.error_log(error_log).programs(programs.clone()));
        App { files, programs, ..self }
    }

    pub fn mount(&self) -> Option<&Mount> {
        self.mount.as_ref()
    }

    /// Returns the path of the mount.
    pub fn path(&self) -> &str {
        self.mount().map(Mount::prefix).filter(|prefix| !prefix.is_empty()).unwrap_or("/")
    }

    /// Returns how many programs, or requests to the upstream, may run.
    pub fn max_programs(&self) -> usize {
        self.max_programs
    }

    /// Returns how many of them run, and how many requests wait for one to end.
    pub fn load(&self) -> (usize, usize) {
        match &self.programs {
            Programs::None => (0, 0),
            Programs::Script(script) => (script.running(), script.waiting()),
            Programs::Upstream(upstream) => (upstream.running(), upstream.waiting()),
        }
    }

    /// Returns what is served, for the log.
    pub fn name(&self) -> String {
        let files = self.files.as_ref().map(|files| format!("files of {}", files.site().root().display()));
        let programs = match &self.programs {
            Programs::None => None,
            Programs::Script(script) if script.program().is_dir() => Some("its programs".to_owned()),
            Programs::Script(script) => Some(script.program().display().to_string()),
            Programs::Upstream(upstream) => Some(match &self.staff {
                Some(staff) => format!("{} (FastCGI)", staff.workers.program().display()),
                None => format!("fastcgi://{}", upstream.address()),
            }),
        };
        [files, programs].into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }

    /// Waits until nothing runs.
    pub async fn stopped(&self) {
        match &self.programs {
            Programs::None => {}
            Programs::Script(script) => script.stopped().await,
            Programs::Upstream(upstream) => upstream.stopped().await,
        }
    }

    /// Waits until the workers have ended, after a stop.
    pub async fn ended(&self) {
        if let Some(running) = self.running_workers() {
            running.stopped().await;
        }
    }

    /// Returns `true` if the workers have ended, after a stop.
    pub fn has_ended(&self) -> bool {
        pin!(self.ended()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn running_workers(&self) -> Option<&RunningWorkers> {
        self.staff.as_ref().and_then(|staff| staff.running.as_ref())
    }

    /// Stops everything that runs.
    pub fn stop(&self) {
        self.running_workers().iter().for_each(|running| running.stop());
        match &self.programs {
            Programs::None => {}
            Programs::Script(script) => script.stop(),
            Programs::Upstream(upstream) => upstream.stop(),
        }
    }
}

impl<B> Service<Request<B>> for App
where
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        match &mut self.files {
            Some(files) => files.call(request),
            None => self.programs.call(request),
        }
    }
}

impl<B> Service<Request<B>> for Programs
where
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        match self {
            Programs::None => NoPrograms.call(request),
            Programs::Script(script) => script.call(request),
            Programs::Upstream(upstream) => upstream.call(request),
        }
    }
}
