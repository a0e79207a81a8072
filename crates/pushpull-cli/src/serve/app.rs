//! What is served: files, and the programs beside them or in their place.

use std::convert::Infallible;
use std::error::Error;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body as HttpBody;
use pushpull_gateway::files::NoPrograms;
use pushpull_gateway::script::ResponseFuture;
use pushpull_gateway::{Body, ErrorStream, Files, Script, Upstream};
use tokio::time::timeout;
use tower_service::Service;

#[derive(Clone)]
pub struct App {
    /// Passes on what is for the programs.
    files: Option<Files<Programs>>,
    programs: Programs,
}

/// A program to start, or a FastCGI application to connect to.
#[derive(Clone)]
pub enum Programs {
    None,
    Script(Script),
    Upstream(Upstream),
}

impl App {
    pub fn new(programs: Programs) -> App {
        App { files: None, programs }
    }

    pub fn with_files(files: Files, programs: Programs) -> App {
        App { files: Some(files.programs(programs.clone())), programs }
    }

    pub fn error_log(self, error_log: ErrorStream) -> App {
        let programs = match self.programs {
            Programs::None => Programs::None,
            Programs::Script(script) => Programs::Script(script.error_log(error_log.clone())),
            Programs::Upstream(upstream) => Programs::Upstream(upstream.error_log(error_log.clone())),
        };
        let files = self.files.map(|files| files.error_log(error_log).programs(programs.clone()));
        App { files, programs }
    }

    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Returns what is served, for the first line of the log.
    pub fn name(&self) -> String {
        let files = self.files.as_ref().map(|files| format!("files of {}", files.site().root().display()));
        let programs = match &self.programs {
            Programs::None => None,
            Programs::Script(script) if script.program().is_dir() => Some("its programs".to_owned()),
            Programs::Script(script) => Some(script.program().display().to_string()),
            Programs::Upstream(upstream) => Some(format!("fastcgi://{}", upstream.address())),
        };
        [files, programs].into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }

    /// Stops everything that runs, and waits for it. Programs that work on after their response have until `left` is
    /// over.
    pub async fn stop(self, left: Duration) {
        match self.programs {
            Programs::None => {}
            Programs::Script(script) => {
                let _ = timeout(left, script.stopped()).await;
                script.stop();
                script.stopped().await;
            }
            Programs::Upstream(upstream) => {
                upstream.stop();
                upstream.stopped().await;
            }
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
