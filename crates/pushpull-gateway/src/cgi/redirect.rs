//! What a local redirect (RFC 3875, 6.2.2) asks for next, and what of it reaches the final response.

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

/// What a body of the request is not there for any more when it is asked for again.
const OF_THE_BODY: [HeaderName; 4] = [CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, CONTENT_ENCODING];

/// Fields of a redirect that say nothing of the final response: where it leads, and what its own body would be.
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

/// What is asked again is asked with.
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
        // That of the first request: its path was another.
        again.extensions_mut().remove::<Environ>();
        Again(again.into_parts().0)
    }

    /// The request for `place`, which is a path on the same server.
    pub(crate) fn request<B: Default>(&self, place: &[u8]) -> Option<Request<B>> {
        let mut parts = self.0.uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(place).ok()?);
        let mut request = Request::from_parts(self.0.clone(), B::default());
        *request.uri_mut() = Uri::from_parts(parts).ok()?;
        Some(request)
    }

    /// What was asked for first: the path, and the query.
    pub(crate) fn target(&self) -> &str {
        self.0.uri.path_and_query().map_or("/", |target| target.as_str())
    }
}

/// What the program of a redirect leaves to the one that it leads to. It travels in the extensions of the response and of
/// the request that follows it.
#[cfg_attr(not(feature = "script"), allow(dead_code, reason = "only a script leaves something"))]
#[derive(Debug, Clone)]
pub(crate) struct Carried(Arc<dyn Any + Send + Sync>);

#[cfg_attr(not(feature = "script"), allow(dead_code, reason = "only a script leaves something"))]
impl Carried {
    pub(crate) fn new(left: impl Any + Send + Sync) -> Carried {
        Carried(Arc::new(left))
    }

    /// Returns it, if it is one of these.
    pub(crate) fn get<T: Any + Clone>(&self) -> Option<T> {
        self.0.downcast_ref::<T>().cloned()
    }
}

/// Keeps the fields of a redirect. Of those that come alone a later redirect's stand.
pub(crate) fn keep(kept: &mut HeaderMap, fields: &HeaderMap) {
    for name in fields.keys().filter(|name| !OF_THE_REDIRECT.contains(name)) {
        if !is_added(name) {
            kept.remove(name);
        }
        // A map has an end, which no sensible response comes to.
        fields.get_all(name).iter().for_each(|value| drop(kept.try_append(name, value.clone())));
    }
}

/// Gives the final response what was kept, in front of what it has of the same name.
pub(crate) fn give(kept: &HeaderMap, fields: &mut HeaderMap) {
    for name in kept.keys() {
        if fields.contains_key(name) && !is_added(name) {
            continue;
        }
        let own: Vec<_> = fields.get_all(name).iter().cloned().collect();
        fields.remove(name);
        let all = kept.get_all(name).iter().cloned().chain(own);
        all.for_each(|value| drop(fields.try_append(name, value)));
    }
}

/// Returns `true` for fields of which each response has some of its own.
fn is_added(name: &HeaderName) -> bool {
    matches!(*name, SET_COOKIE | VARY)
}
