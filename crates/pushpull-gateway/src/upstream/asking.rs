//! From a request to a conversation with the application.

use std::sync::Arc;

use http::Response;
use http::request::Parts;

use super::conversation::{Conversation, Place};
use super::sending::Sending;
use super::service::Upstream;
use crate::cgi::environ::Environ;
use crate::cgi::refusal::Refusal;
use crate::external::body_policy::Taken;
use crate::external::output::{Answer, Output};
use crate::external::programs::{Permit, Programs};
use crate::external::relay::{Outlet, relay};
use crate::external::service::{Common, External};
use crate::service::body::Body;
use crate::service::report::Report;
use crate::site::directed::{Directed, direct};

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

    fn direct(&mut self, parts: &Parts, env: &mut Environ) -> Result<Option<Response<Body>>, Refusal> {
        if let Some(site) = &self.settings.site
            && let Directed::Elsewhere(elsewhere) = direct(site, parts, env)?
        {
            return Ok(Some(*elsewhere));
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
