//! From a request to an application that is asked.

use std::error;
use std::future::poll_fn;

use http::header::{HeaderValue, LOCATION};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as HttpBody;

use super::conversation::{Conversation, Place};
use super::sending::Sending;
use super::service::Upstream;
use super::settings::Settings;
use super::site::{Found, Site};
use crate::cgi::environ::Environ;
use crate::cgi::path::encode;
use crate::cgi::redirect::Carried;
use crate::cgi::refusal::Refusal;
use crate::cgi::request;
use crate::external::output::Output;
use crate::external::programs::Permit;
use crate::external::relay::relay;
use crate::external::response::response;
use crate::service::body::Body;
use crate::service::report::Report;

/// Answers a request, with a refusal if need be.
pub(super) async fn answer<B>(upstream: Upstream, request: Request<B>) -> Response<Body>
where
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    let (mut parts, body) = request.into_parts();
    let permit = parts.extensions.remove::<Carried>().and_then(|carried| carried.get::<Permit>());
    let Settings { mount, error_log, .. } = &*upstream.settings;
    let complete = |env: Environ| env.with_multi_process(true);
    let env = match request::environ(&parts, &body.size_hint(), mount, complete) {
        Ok(env) => env,
        Err(refusal) => return refusal.into_response(),
    };
    let error_log = error_log.clone().unwrap_or_else(|| env.error_log());
    let mut report = Report { env, error_log };
    let result = ask(&upstream, &parts, body, permit, &mut report).await;
    report.answer(result)
}

async fn ask<B>(
    upstream: &Upstream,
    parts: &Parts,
    body: B,
    permit: Option<Permit>,
    report: &mut Report,
) -> Result<Response<Body>, Refusal>
where
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    let Upstream { settings, programs, idle } = upstream;
    if let Some(site) = &settings.site
        && let Some(elsewhere) = direct(site, parts, &mut report.env)?
    {
        return Ok(elsewhere);
    }
    for (name, value) in settings.parameters.iter() {
        report.env.set(name, value).expect("it was set before");
    }
    let check_room = || if permit.is_none() { programs.check_room() } else { Ok(()) };
    let body = settings.request_body.take(body, &settings.limits, parts, &mut report.env, check_room).await?;
    let permit = programs.permit(permit)?;
    let counted = programs.start()?;
    let sending = Sending::new(&report.env, body, settings.limits.get_max_body(), settings.max_idle > 0);
    let (inlet, mut outlet) = relay();
    let output = Output::new(inlet, settings.limits.get_max_head(), parts);
    // Nobody knows what has become of a request whose kept connection is closed (RFC 9110, 9.2.2).
    let kept = if parts.method.is_idempotent() { idle.take() } else { None };
    if kept.is_none() {
        idle.make_room();
    }
    let error_log = report.error_log.clone();
    let conversation = Conversation::new(settings.clone(), idle.clone(), kept, sending, output, error_log);
    let place = Place { programs: programs.clone(), report: report.clone(), permit, counted };
    tokio::spawn(conversation.run(place));
    match poll_fn(|context| outlet.poll_answer(context)).await {
        Some(answer) => Ok(response(answer?, outlet)),
        // Its runtime is being shut down.
        None => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the application is no longer listened to")),
    }
}

/// Says which script is asked for: what follows the mount is looked for in the site. A directory is one with a slash, to
/// which the client is sent.
fn direct(site: &Site, parts: &Parts, env: &mut Environ) -> Result<Option<Response<Body>>, Refusal> {
    let nothing = || Refusal::new(StatusCode::NOT_FOUND, "there is nothing here");
    let path = env.get("PATH_INFO").unwrap_or_default().to_vec();
    let mount = env.get("SCRIPT_NAME").unwrap_or_default().to_vec();
    let found = site.find(&path).map_err(|error| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot look for {}: {error}", path.escape_ascii()))
    })?;
    match found {
        Found::Script { file, name, rest } => {
            let (file, root) = (file.into_os_string(), site.root().as_os_str());
            for (variable, value) in [
                ("SCRIPT_NAME", &[mount, name].concat()[..]),
                ("PATH_INFO", &rest),
                ("SCRIPT_FILENAME", file.as_encoded_bytes()),
                ("DOCUMENT_ROOT", root.as_encoded_bytes()),
                // PHP wants to be sure that a server has chosen the script.
                ("REDIRECT_STATUS", b"200"),
            ] {
                env.set(variable, value).map_err(|_| nothing())?;
            }
            env.remove("PATH_TRANSLATED");
            Ok(None)
        }
        Found::Directory if matches!(parts.method, Method::GET | Method::HEAD) => {
            let mut place = encode(&[mount, path].concat());
            place.push('/');
            if let Some(query) = parts.uri.query() {
                place = format!("{place}?{query}");
            }
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
            response.headers_mut().insert(LOCATION, HeaderValue::try_from(place).map_err(|_| nothing())?);
            Ok(Some(response))
        }
        Found::Directory | Found::Nothing => Err(nothing()),
    }
}
