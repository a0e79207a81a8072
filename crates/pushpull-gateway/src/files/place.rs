//! The part of a request's path that is looked up.

use http::request::Parts;

use crate::cgi::environ::Environ;
use crate::cgi::path::{Mount, decode};
use crate::cgi::refusal::Refusal;
use crate::cgi::request::check_host;
use crate::site::directed::nothing;

/// Where a request leads.
pub(super) struct Place {
    /// The prefix of the mount.
    pub(super) mount: Vec<u8>,
    /// The decoded path below the mount.
    pub(super) path: Vec<u8>,
}

impl Place {
    /// Returns the place of a request. Behind a front server, its parameters have split the path.
    ///
    /// # Errors
    ///
    /// Returns 400 for an invalid host or path, and 404 for a path that is not below the mount.
    pub(super) fn of(parts: &Parts, mount: &Mount) -> Result<Place, Refusal> {
        if let Some(env) = parts.extensions.get::<Environ>() {
            let value = |name| env.get(name).unwrap_or_default().to_vec();
            return Ok(Place { mount: value("SCRIPT_NAME"), path: value("PATH_INFO") });
        }
        check_host(parts)?;
        let path = decode(parts.uri.path().as_bytes())?;
        let below = mount.below(&path).ok_or_else(nothing)?;
        Ok(Place { mount: mount.prefix().into(), path: below.to_vec() })
    }

    /// Returns the whole decoded path.
    pub(super) fn whole(&self) -> Vec<u8> {
        [&self.mount[..], &self.path].concat()
    }
}
