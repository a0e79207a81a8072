//! From a request to an external program of any kind.

use std::error;
use std::future::{pending, poll_fn};
use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body as HttpBody;

use super::body_policy::{BodyPolicy, Taken};
use super::exit_status::ExitStatus;
use super::limits::ProgramLimits;
use super::output::Answer;
use super::programs::{Permit, Programs};
use super::relay::Outlet;
use super::response::response;
use crate::cgi::environ::Environ;
use crate::cgi::error_stream::ErrorStream;
use crate::cgi::path::Mount;
use crate::cgi::redirect::Carried;
use crate::cgi::refusal::Refusal;
use crate::cgi::request;
use crate::service::body::Body;
use crate::service::report::Report;

/// The settings that scripts and applications upstream share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Common {
    pub(crate) mount: Mount,
    pub(crate) request_body: BodyPolicy,
    pub(crate) exit_status: ExitStatus,
    pub(crate) limits: ProgramLimits,
    /// If `None`, the error log of the request.
    pub(crate) error_log: Option<ErrorStream>,
}

/// An external program: a script, or an application upstream.
pub(crate) trait External: Send + Sync + 'static {
    /// The message for a program that is not watched any more, because its runtime is being shut down.
    const UNWATCHED: &'static str;

    fn common(&self) -> &Common;

    fn programs(&self) -> &Arc<Programs>;

    /// Completes the meta-variables with the way in which the program runs.
    fn complete(env: Environ) -> Environ;

    /// Completes the meta-variables and the settings for one request, or answers it in the program's place.
    ///
    /// # Errors
    ///
    /// Returns a refusal if the program must not run.
    fn direct(&mut self, _: &Parts, _: &mut Environ) -> Result<Option<Response<Body>>, Refusal> {
        Ok(None)
    }

    /// Starts the program, and a task that watches it.
    fn start(&self, body: Taken, permit: Permit, report: &Report, parts: &Parts) -> Result<Outlet<Answer>, Refusal>;
}

/// Answers a request, with a refusal if necessary.
pub(crate) async fn answer<E, B>(mut external: E, request: Request<B>) -> Response<Body>
where
    E: External,
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    let (mut parts, body) = request.into_parts();
    let permit = parts.extensions.remove::<Carried>().and_then(|carried| carried.get::<Permit>());
    let Common { mount, error_log, .. } = external.common();
    let env = match request::environ(&parts, &body.size_hint(), mount, E::complete) {
        Ok(env) => env,
        Err(refusal) => return refusal.into_response(),
    };
    let error_log = error_log.clone().unwrap_or_else(|| env.error_log());
    let mut report = Report { env, error_log };
    let result = ask(&mut external, &parts, body, permit, &mut report).await;
    report.answer(result)
}

async fn ask<E, B>(
    external: &mut E,
    parts: &Parts,
    body: B,
    permit: Option<Permit>,
    report: &mut Report,
) -> Result<Response<Body>, Refusal>
where
    E: External,
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    if let Some(elsewhere) = external.direct(parts, &mut report.env)? {
        return Ok(elsewhere);
    }
    let (programs, Common { request_body, limits, .. }) = (external.programs(), external.common());
    let check_room = || if permit.is_none() { programs.check_room() } else { Ok(()) };
    let body = request_body.take(body, limits, parts, &mut report.env, check_room).await?;
    let permit = programs.permit(permit, leaving(parts)).await?;
    let mut outlet = external.start(body, permit, report, parts)?;
    match poll_fn(|context| outlet.poll_answer(context)).await {
        Some(answer) => Ok(response(answer?, outlet)),
        None => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, E::UNWATCHED)),
    }
}

/// Waits until the server of a request stops accepting connections.
async fn leaving(parts: &Parts) {
    #[cfg(feature = "server")]
    if let Some(shutdown) = parts.extensions.get::<crate::host::Shutdown>() {
        return shutdown.reached(crate::host::shutdown::Stage::Closing).await;
    }
    let _ = parts;
    pending().await
}

/// Implements `tower::Service` for an external program. (Rust allows no blanket implementation of another crate's
/// trait.)
macro_rules! external_service {
    ($external:ty) => {
        impl<B> tower_service::Service<http::Request<B>> for $external
        where
            B: http_body::Body + Send + 'static,
            B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        {
            type Response = http::Response<crate::service::body::Body>;
            type Error = std::convert::Infallible;
            type Future = crate::external::ResponseFuture;

            /// Always ready: a request beyond the limit waits in the queue, or is answered with 503.
            fn poll_ready(
                &mut self,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Result<(), std::convert::Infallible>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<B>) -> Self::Future {
                crate::external::ResponseFuture::new(crate::external::service::answer(self.clone(), request))
            }
        }
    };
}

pub(crate) use external_service;
