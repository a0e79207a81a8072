//! The application that is served: a program to start, or a FastCGI application to connect to.

use std::convert::Infallible;
use std::error::Error;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body as HttpBody;
use pushpull_gateway::script::ResponseFuture;
use pushpull_gateway::{Body, ErrorStream, Script, Upstream};
use tokio::time::timeout;
use tower_service::Service;

#[derive(Clone)]
pub enum App {
    Script(Script),
    Upstream(Upstream),
}

impl App {
    pub fn error_log(self, error_log: ErrorStream) -> App {
        match self {
            App::Script(script) => App::Script(script.error_log(error_log)),
            App::Upstream(upstream) => App::Upstream(upstream.error_log(error_log)),
        }
    }

    /// Returns the name for the first line of the log.
    pub fn name(&self) -> String {
        match self {
            App::Script(script) => script.program().display().to_string(),
            App::Upstream(upstream) => format!("fastcgi://{}", upstream.address()),
        }
    }

    /// Stops everything that runs, and waits for it. Programs that work on after their response have until `left` is
    /// over.
    pub async fn stop(self, left: Duration) {
        match self {
            App::Script(script) => {
                let _ = timeout(left, script.stopped()).await;
                script.stop();
                script.stopped().await;
            }
            App::Upstream(upstream) => {
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
        match self {
            App::Script(script) => script.call(request),
            App::Upstream(upstream) => upstream.call(request),
        }
    }
}
