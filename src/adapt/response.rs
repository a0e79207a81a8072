//! `axum`'s `IntoResponse`.

use axum_core::body::Body as ResponseBody;
use axum_core::response::{IntoResponse, Response};

use crate::{Body, Chunks};

/// Makes a response with the content type `application/octet-stream`.
///
/// To set another type, return a pair: `([("content-type", "text/csv")], chunks)`.
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// use axum_core::response::IntoResponse;
///
/// async fn report() -> impl IntoResponse {
///     let chunks = pushpull::Pool::global().pull(|w| writeln!(w, "a,b,c"));
///     ([("content-type", "text/csv")], chunks)
/// }
/// # let response = pollster::block_on(async { report().await.into_response() });
/// # assert_eq!(response.headers()["content-type"], "text/csv");
/// ```
impl IntoResponse for Chunks {
    fn into_response(self) -> Response {
        let mut response = self.into_body().into_response();
        let octets = http::HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(http::header::CONTENT_TYPE, octets);
        response
    }
}

/// Makes a response without a content type.
impl IntoResponse for Body {
    fn into_response(self) -> Response {
        Response::new(ResponseBody::new(self))
    }
}
