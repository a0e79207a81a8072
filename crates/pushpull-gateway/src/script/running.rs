//! From a request to a program that runs.

use std::error;
use std::future::poll_fn;
use std::io;
use std::process::Stdio;

use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body as HttpBody;

use super::process::Process;
use super::program::why;
use super::pumps::Pumps;
use super::service::Script;
use super::settings::Settings;
use super::streams::{MAX_ERRORS, MAX_OUTPUT, Stream};
use super::upload::Upload;
use super::watch::Watch;
use crate::cgi::environ::Environ;
use crate::cgi::redirect::Carried;
use crate::cgi::refusal::Refusal;
use crate::cgi::request;
use crate::external::body_policy::Taken;
use crate::external::output::{Answer, Output};
use crate::external::programs::{Permit, is_full};
use crate::external::relay::{Outlet, relay};
use crate::external::response::response;
use crate::service::body::Body;
use crate::service::report::Report;

/// Answers a request, with a refusal if need be.
pub(super) async fn answer<B>(script: Script, request: Request<B>) -> Response<Body>
where
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    let (mut parts, body) = request.into_parts();
    let permit = parts.extensions.remove::<Carried>().and_then(|carried| carried.get::<Permit>());
    let complete = |env: Environ| env.with_multi_process(true).with_run_once(true);
    let env = match request::environ(&parts, &body.size_hint(), &script.settings.mount, complete) {
        Ok(env) => env,
        Err(refusal) => return refusal.into_response(),
    };
    let error_log = script.settings.error_log.clone().unwrap_or_else(|| env.error_log());
    let mut report = Report { env, error_log };
    let result = run(&script, &parts, body, permit, &mut report).await;
    report.answer(result)
}

async fn run<B>(
    script: &Script,
    parts: &Parts,
    body: B,
    permit: Option<Permit>,
    report: &mut Report,
) -> Result<Response<Body>, Refusal>
where
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    let Settings { request_body, limits, .. } = &*script.settings;
    let check_room = || if permit.is_none() { script.programs.check_room() } else { Ok(()) };
    let stdin = request_body.take(body, limits, parts, &mut report.env, check_room).await?;
    let permit = script.programs.permit(permit)?;
    let mut outlet = start(script, stdin, permit, report, parts)?;
    match poll_fn(|context| outlet.poll_answer(context)).await {
        Some(answer) => Ok(response(answer?, outlet)),
        // Its runtime is being shut down.
        None => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the program is no longer watched over")),
    }
}

/// Starts the program and a task that watches over it.
fn start(
    script: &Script,
    stdin: Taken,
    permit: Permit,
    report: &Report,
    parts: &Parts,
) -> Result<Outlet<Answer>, Refusal> {
    let counted = script.programs.start()?;
    let settings = script.settings.clone();
    let (stdin, body) = match stdin {
        Taken::Nothing => (Stdio::null(), None),
        Taken::Whole(file) => (file.into(), None),
        Taken::Coming(body) => (Stdio::piped(), Some(body)),
    };
    let not_started = |error| not_started(&settings, &error);
    let (process, streams) = Process::start(&mut settings.command(&report.env, stdin)).map_err(not_started)?;
    tracing::debug!(target: "pushpull::script", pid = process.id(), "started");
    let (inlet, outlet) = relay();
    let output = Output::new(inlet, settings.limits.get_max_head(), parts);
    let upload = body.zip(streams.stdin).map(|(body, stdin)| Upload::new(body, stdin, settings.limits.get_max_body()));
    let upload = upload.transpose().map_err(not_started)?;
    let stdout = Stream::new(streams.stdout, MAX_OUTPUT).map_err(not_started)?;
    let stderr = Stream::new(streams.stderr, MAX_ERRORS).map_err(not_started)?;
    let pumps = Pumps::new(upload, stdout, stderr, report.error_log.clone(), output);
    let programs = script.programs.clone();
    let settings = settings.clone();
    let watch = Watch { settings, programs, process, pumps, report: report.clone(), permit, counted };
    tokio::spawn(watch.run());
    Ok(outlet)
}

/// Why there is no program: something that passes, a request that is too large for one, or a fault of the program file.
fn not_started(settings: &Settings, error: &io::Error) -> Refusal {
    let Settings { program, directory, .. } = settings;
    let status = match error.raw_os_error() {
        Some(libc::E2BIG) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        // There is no place in the kernel's tables: not a matter of a disk.
        Some(libc::ENOSPC) => StatusCode::SERVICE_UNAVAILABLE,
        _ if is_full(error) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let reason = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => why(program, directory, error),
        _ => error.to_string(),
    };
    Refusal::new(status, format!("the program {program:?} cannot be started: {reason}"))
}
