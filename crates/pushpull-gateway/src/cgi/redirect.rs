//! Local redirects (RFC 3875, 6.2.2): the next request, and the fields that reach the final response.

use std::any::Any;
use std::sync::Arc;

use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, LAST_MODIFIED, LOCATION, SET_COOKIE, TRANSFER_ENCODING, VARY,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};

use super::environ::Environ;

/// Request fields that describe a body. A redirected request has no body.
const OF_THE_BODY: [HeaderName; 4] = [CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, CONTENT_ENCODING];

/// Fields that do not reach the final response: they describe the redirect's target, or its own body.
const OF_THE_REDIRECT: [HeaderName; 10] = [
    LOCATION,
    CONTENT_TYPE,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LOCATION,
    CONTENT_RANGE,
    ETAG,
    LAST_MODIFIED,
];

/// The first request without its body, from which the redirected requests are made.
pub(crate) struct Again(Parts);

impl Again {
    pub(crate) fn of<B>(request: &Request<B>) -> Again {
        let mut again = Request::new(());
        *again.method_mut() = match *request.method() {
            Method::HEAD => Method::HEAD,
            _ => Method::GET,
        };
        *again.uri_mut() = request.uri().clone();
        *again.version_mut() = request.version();
        *again.headers_mut() = request.headers().clone();
        *again.extensions_mut() = request.extensions().clone();
        OF_THE_BODY.iter().for_each(|name| drop(again.headers_mut().remove(name)));
        // It describes the path of the first request.
        again.extensions_mut().remove::<Environ>();
        Again(again.into_parts().0)
    }

    /// Returns the request for `place`; `None` if `place` is not a path on the same server.
    pub(crate) fn request<B: Default>(&self, place: &[u8]) -> Option<Request<B>> {
        let mut parts = self.0.uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(place).ok()?);
        let mut request = Request::from_parts(self.0.clone(), B::default());
        *request.uri_mut() = Uri::from_parts(parts).ok()?;
        Some(request)
    }

    /// Returns the path and query of the first request.
    pub(crate) fn target(&self) -> &str {
        self.0.uri.path_and_query().map_or("/", |target| target.as_str())
    }
}

/// A value that the program of a redirect passes to the next program. It is carried by the extensions of the response,
/// then by those of the next request.
#[cfg_attr(not(all(feature = "script", unix)), allow(dead_code, reason = "only scripts carry a value"))]
#[derive(Debug, Clone)]
pub(crate) struct Carried(Arc<dyn Any + Send + Sync>);

#[cfg_attr(not(all(feature = "script", unix)), allow(dead_code, reason = "only scripts carry a value"))]
impl Carried {
    pub(crate) fn new(left: impl Any + Send + Sync) -> Carried {
        Carried(Arc::new(left))
    }

    /// Returns the value, if it is a `T`.
    pub(crate) fn get<T: Any + Clone>(&self) -> Option<T> {
        self.0.downcast_ref::<T>().cloned()
    }
}

/// Keeps the fields of a redirect. They replace those of an earlier redirect, unless they accumulate.
pub(crate) fn keep(kept: &mut HeaderMap, fields: &HeaderMap) {
    for name in fields.keys().filter(|name| !OF_THE_REDIRECT.contains(name)) {
        if !accumulates(name) {
            kept.remove(name);
        }
        // A field beyond the bound of `HeaderMap` is dropped; no sensible response reaches it.
        fields.get_all(name).iter().for_each(|value| drop(kept.try_append(name, value.clone())));
    }
}

/// Adds the kept fields to the final response. If both have a field, the response's own counts; fields that accumulate
/// are prepended.
pub(crate) fn give(kept: &HeaderMap, fields: &mut HeaderMap) {
    for name in kept.keys() {
        if fields.contains_key(name) && !accumulates(name) {
            continue;
        }
        let own: Vec<_> = fields.get_all(name).iter().cloned().collect();
        fields.remove(name);
        let all = kept.get_all(name).iter().cloned().chain(own);
        all.for_each(|value| drop(fields.try_append(name, value)));
    }
}

/// Returns `true` for fields that accumulate over redirects.
fn accumulates(name: &HeaderName) -> bool {
    matches!(*name, SET_COOKIE | VARY)
}
