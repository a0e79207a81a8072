//! Converts heads to HTTP responses, and back.

use http::Response;
use http::response::Parts;

use super::head::{ResponseHead, set_no_length, strip};

/// A mark in the extensions of a response: its `Location` is a path on this server, which answers with the resource
/// there (RFC 3875, 6.2.2). [`LocalRedirects`](crate::LocalRedirects) follows it. Without that layer the client
/// receives a 302.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalRedirect;

impl ResponseHead {
    /// Returns the response that begins with this head.
    pub fn into_response<B>(self, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.fields;
        if self.is_local_redirect {
            response.extensions_mut().insert(LocalRedirect);
        }
        response
    }

    /// Returns the head of a response, without hop-by-hop fields.
    pub fn of_response(parts: &Parts) -> ResponseHead {
        let mut fields = parts.headers.clone();
        strip(&mut fields);
        set_no_length(parts.status, &mut fields);
        let is_local_redirect = parts.extensions.get::<LocalRedirect>().is_some();
        ResponseHead { status: parts.status, fields, is_local_redirect }
    }
}
