//! From a request to a running program.

use std::io;
use std::process::Stdio;
use std::sync::Arc;

use http::request::Parts;
use http::{Response, StatusCode};

use super::process::Process;
use super::program::why;
use super::pumps::Pumps;
use super::service::Script;
use super::settings::Settings;
use super::streams::{MAX_ERRORS, MAX_OUTPUT, Stream};
use super::upload::Upload;
use super::watch::Watch;
use crate::cgi::environ::Environ;
use crate::cgi::refusal::Refusal;
use crate::external::body_policy::Taken;
use crate::external::output::{Answer, Output};
use crate::external::programs::{Permit, Programs, is_full};
use crate::external::relay::{Outlet, relay};
use crate::external::service::{Common, External};
use crate::service::body::Body;
use crate::service::report::Report;
use crate::site::directed::{Directed, direct, nothing, translated};

impl External for Script {
    const UNWATCHED: &'static str = "the program is no longer watched";

    fn common(&self) -> &Common {
        &self.settings.common
    }

    fn programs(&self) -> &Arc<Programs> {
        &self.programs
    }

    fn complete(env: Environ) -> Environ {
        env.with_multi_process(true).with_run_once(true)
    }

    fn direct(&mut self, parts: &Parts, env: &mut Environ) -> Result<Option<Response<Body>>, Refusal> {
        let Some(site) = self.settings.site.clone() else { return Ok(None) };
        let program = match direct(&site, parts, env)? {
            Directed::Program(program) => program,
            Directed::Elsewhere(elsewhere) => return Ok(Some(*elsewhere)),
        };
        if let Some(rest) = env.get("PATH_INFO").filter(|rest| !rest.is_empty()) {
            let translated = translated(site.root(), rest);
            env.set("PATH_TRANSLATED", translated).map_err(|_| nothing())?;
        }
        Arc::make_mut(&mut self.settings).program = program;
        Ok(None)
    }

    fn start(&self, stdin: Taken, permit: Permit, report: &Report, parts: &Parts) -> Result<Outlet<Answer>, Refusal> {
        start(self, stdin, permit, report, parts)
    }
}

/// Starts the program, and a task that watches it.
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
    let output = Output::new(inlet, settings.common.limits.get_max_head(), parts);
    let upload =
        body.zip(streams.stdin).map(|(body, stdin)| Upload::new(body, stdin, settings.common.limits.get_max_body()));
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

/// Returns the refusal for a program that cannot be started. The cause is a temporary shortage, a request that is too
/// large for a process, or a fault of the program's file.
fn not_started(settings: &Settings, error: &io::Error) -> Refusal {
    let (program, directory) = (&settings.program, settings.directory());
    let status = match error.raw_os_error() {
        Some(libc::E2BIG) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        // The kernel's tables are full; no disk is involved.
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
