//! The settings that all requests to an application share.

use std::sync::Arc;
use std::time::Duration;

use crate::address::Address;
use crate::cgi::environ::Environ;
use crate::external::service::Common;
use crate::site::Site;
use crate::workers::turnover::Requests;

/// How many idle connections are kept by default, and for how long. The process behind an idle connection may be busy:
/// PHP's `fastcgi_finish_request` ends a request and continues to run.
const MAX_IDLE: usize = 0;
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) address: Address,
    /// Counts the requests, if workers of this process answer them.
    pub(super) requests: Option<Arc<Requests>>,
    /// The directory of scripts, if the path of a request names one.
    pub(super) site: Option<Site>,
    /// Set last, so that they take precedence over all others.
    pub(super) parameters: Environ,
    pub(super) common: Common,
    /// How many idle connections are kept, and for how long.
    pub(super) max_idle: usize,
    pub(super) idle_timeout: Duration,
}

impl Settings {
    pub(super) fn new(address: Address) -> Settings {
        Settings {
            address,
            requests: None,
            site: None,
            parameters: Environ::new(),
            common: Common::default(),
            max_idle: MAX_IDLE,
            idle_timeout: IDLE_TIMEOUT,
        }
    }
}
