//! From a request to a program that runs.

use std::convert::Infallible;
use std::error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as HttpBody;

use super::output::{Answer, Output};
use super::process::Process;
use super::programs::Permit;
use super::pumps::Pumps;
use super::relay::{Outlet, relay};
use super::response::response;
use super::service::Script;
use super::settings::RequestBody;
use super::spool::{self, Spooled, spool};
use super::streams::{MOST_ERRORS, MOST_OUTPUT, Stream};
use super::upload::{Source, Upload};
use super::watch::Watch;
use crate::gateway::refusal::Refusal;
use crate::gateway::report::Report;
use crate::gateway::request;
use crate::gateway::{Body, Environ};

/// The future of a [`Script`]. Dropped, it stops the program.
pub struct Running(Pin<Box<dyn Future<Output = Response<Body>> + Send>>);

impl Running {
    pub(super) fn new(answer: impl Future<Output = Response<Body>> + Send + 'static) -> Running {
        Running(Box::pin(answer))
    }
}

impl Future for Running {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context).map(Ok)
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}

/// What a program reads.
enum Stdin {
    Nothing,
    File(OwnedFd),
    Upload(Source),
}

/// Answers a request, with a refusal if need be.
pub(super) async fn answer<B>(script: Script, request: Request<B>) -> Response<Body>
where
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    let (mut parts, body) = request.into_parts();
    let permit = parts.extensions.remove::<Permit>();
    let complete = |env: Environ| env.with_multi_process(true).with_run_once(true);
    let env = match request::environ(&parts, &body.size_hint(), &script.settings.mount, complete) {
        Ok(env) => env,
        Err(refusal) => return refusal.into_response(),
    };
    let errors = script.settings.errors.clone().unwrap_or_else(|| env.errors());
    let mut report = Report { env, errors };
    match run(&script, &parts, body, permit, &mut report).await {
        Ok(response) => response,
        Err(refusal) => {
            if refusal.status().is_server_error() {
                report.failure(&refusal);
            }
            refusal.into_response()
        }
    }
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
    let limits = &script.settings.limits;
    if body.size_hint().lower() > limits.body {
        return Err(spool::too_large());
    }
    let is_empty = body.is_end_stream();
    let stdin = match script.settings.request_body {
        _ if is_empty => Stdin::Nothing,
        RequestBody::Spool => {
            if permit.is_none() {
                script.programs.check_room()?;
            }
            let spooled = spool(body, limits).await?;
            announce(parts, &spooled, &mut report.env)?;
            spooled.file.map_or(Stdin::Nothing, Stdin::File)
        }
        RequestBody::Reject if body.size_hint().exact().is_none() => {
            return Err(Refusal::new(StatusCode::LENGTH_REQUIRED, "the request's body has to have a length"));
        }
        RequestBody::Stream | RequestBody::Reject => Stdin::Upload(Box::pin(body)),
    };
    let permit = script.programs.permit(permit)?;
    let mut outlet = start(script, stdin, permit, report, parts.method == Method::HEAD)?;
    match poll_fn(|context| outlet.poll_answer(context)).await {
        Some(answer) => Ok(response(answer?, outlet)),
        // Its runtime is being shut down.
        None => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the program is no longer watched over")),
    }
}

/// The length of a body that was taken whole.
fn announce(parts: &Parts, spooled: &Spooled, env: &mut Environ) -> Result<(), Refusal> {
    let announced = parts.headers.get(CONTENT_LENGTH);
    if let Some(announced) = announced
        && announced.to_str().ok().and_then(|text| text.parse().ok()) != Some(spooled.length)
    {
        return Err(Refusal::bad_request("the request's body is not as long as its content length"));
    }
    if spooled.length > 0 || announced.is_some() || parts.headers.contains_key(TRANSFER_ENCODING) {
        env.set("CONTENT_LENGTH", spooled.length.to_string()).expect("a number is a good value");
    }
    Ok(())
}

/// Starts the program and a task that watches over it.
fn start(
    script: &Script,
    stdin: Stdin,
    permit: Permit,
    report: &Report,
    is_head_request: bool,
) -> Result<Outlet<Answer>, Refusal> {
    let counted = script.programs.start()?;
    let settings = script.settings.clone();
    let (stdin, body) = match stdin {
        Stdin::Nothing => (Stdio::null(), None),
        Stdin::File(file) => (file.into(), None),
        Stdin::Upload(body) => (Stdio::piped(), Some(body)),
    };
    let (process, streams) = Process::start(&mut settings.command(&report.env, stdin)).map_err(not_started)?;
    tracing::debug!(target: "pushpull::script", pid = process.id(), "started");
    let (inlet, outlet) = relay();
    let output = Output::new(inlet, settings.limits.head, is_head_request);
    let upload = body.zip(streams.stdin).map(|(body, stdin)| Upload::new(body, stdin, settings.limits.body));
    let upload = upload.transpose().map_err(not_started)?;
    let stdout = Stream::new(streams.stdout, MOST_OUTPUT).map_err(not_started)?;
    let stderr = Stream::new(streams.stderr, MOST_ERRORS).map_err(not_started)?;
    let pumps = Pumps::new(upload, stdout, stderr, report.errors.clone(), output);
    let programs = script.programs.clone();
    let watch = Watch { settings, programs, process, pumps, report: report.clone(), permit, counted };
    tokio::spawn(watch.run());
    Ok(outlet)
}

/// Why there is no program: something that passes, a request that is too large for one, or a fault of the program file.
fn not_started(error: io::Error) -> Refusal {
    const TOO_MANY: [i32; 4] = [libc::EAGAIN, libc::EMFILE, libc::ENFILE, libc::ENOMEM];
    let status = match error.raw_os_error() {
        Some(libc::E2BIG) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Some(code) if TOO_MANY.contains(&code) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Refusal::new(status, format!("the program cannot be started: {error}"))
}
