//! From a request to a conversation with the application.

use std::sync::Arc;

use http::header::{HeaderValue, LOCATION};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::conversation::{Conversation, Place};
use super::sending::Sending;
use super::service::Upstream;
use super::site::{Found, Site};
use crate::cgi::environ::Environ;
use crate::cgi::path::encode;
use crate::cgi::refusal::Refusal;
use crate::external::body_policy::Taken;
use crate::external::output::{Answer, Output};
use crate::external::programs::{Permit, Programs};
use crate::external::relay::{Outlet, relay};
use crate::external::service::{Common, External};
use crate::service::body::Body;
use crate::service::report::Report;

impl External for Upstream {
    const UNWATCHED: &'static str = "the connection to the application is no longer watched";

    fn common(&self) -> &Common {
        &self.settings.common
    }

    fn programs(&self) -> &Arc<Programs> {
        &self.programs
    }

    fn complete(env: Environ) -> Environ {
        env.with_multi_process(true)
    }

    fn direct(&self, parts: &Parts, env: &mut Environ) -> Result<Option<Response<Body>>, Refusal> {
        if let Some(site) = &self.settings.site
            && let Some(elsewhere) = direct(site, parts, env)?
        {
            return Ok(Some(elsewhere));
        }
        for (name, value) in self.settings.parameters.iter() {
            env.set(name, value).expect("the parameter was checked when it was set");
        }
        Ok(None)
    }

    fn start(&self, body: Taken, permit: Permit, report: &Report, parts: &Parts) -> Result<Outlet<Answer>, Refusal> {
        let Upstream { settings, programs, idle } = self;
        let counted = programs.start()?;
        let limits = &settings.common.limits;
        let sending = Sending::new(&report.env, body, limits.get_max_body(), settings.max_idle > 0);
        let (inlet, outlet) = relay();
        let output = Output::new(inlet, limits.get_max_head(), parts);
        // If a kept connection is closed, it is unknown whether the application has handled the request. Only an
        // idempotent request may be sent again (RFC 9110, 9.2.2).
        let kept = if parts.method.is_idempotent() { idle.take() } else { None };
        if kept.is_none() {
            idle.make_room();
        }
        let error_log = report.error_log.clone();
        let conversation = Conversation::new(settings.clone(), idle.clone(), kept, sending, output, error_log);
        let place = Place { programs: programs.clone(), report: report.clone(), permit, counted };
        tokio::spawn(conversation.run(place));
        Ok(outlet)
    }
}

/// Sets the script of a request: the part of the path after the mount is looked up in the site. If it names a directory
/// and lacks the final slash, redirects the client to the path with the slash.
fn direct(site: &Site, parts: &Parts, env: &mut Environ) -> Result<Option<Response<Body>>, Refusal> {
    let nothing = || Refusal::new(StatusCode::NOT_FOUND, "there is nothing here");
    let path = env.get("PATH_INFO").unwrap_or_default().to_vec();
    let mount = env.get("SCRIPT_NAME").unwrap_or_default().to_vec();
    let found = site.find(&path).map_err(|error| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot look up {}: {error}", path.escape_ascii()))
    })?;
    match found {
        Found::Script { file, name, rest } => {
            let (file, root) = (file.into_os_string(), site.root().as_os_str());
            for (variable, value) in [
                ("SCRIPT_NAME", &[mount, name].concat()[..]),
                ("PATH_INFO", &rest),
                ("SCRIPT_FILENAME", file.as_encoded_bytes()),
                ("DOCUMENT_ROOT", root.as_encoded_bytes()),
                // PHP requires this as proof that a server chose the script.
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
