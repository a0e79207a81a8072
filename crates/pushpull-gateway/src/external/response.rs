//! The response of a running program.

use std::io;
use std::pin::Pin;
use std::task::Context;

use bytes::Bytes;
use http::Response;
use http_body::SizeHint;

use super::output::{Answer, Opening};
use super::relay::Outlet;
use crate::cgi::redirect::Carried;
use crate::service::body::Body;
use crate::service::delayed::{Delayed, Polled};

/// Returns the response that begins with `opening` and continues with the chunks of `outlet`.
pub(crate) fn response(opening: Opening, mut outlet: Outlet<Answer>) -> Response<Body> {
    let Opening { head, length, permit } = opening;
    let body = match outlet.take_whole() {
        Some(whole) => Body::from(whole),
        None => Body::new(Streamed { outlet, left: length, held: Delayed::default() }),
    };
    let mut response = head.into_response(body);
    if let Some(permit) = permit {
        response.extensions_mut().insert(Carried::new(permit));
    }
    response
}

/// The output of a program after its head, up to its content length.
#[derive(Debug)]
struct Streamed {
    outlet: Outlet<Answer>,
    /// How many bytes are to come, if known.
    left: Option<u64>,
    held: Delayed,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let Streamed { outlet, left, held } = self.get_mut();
        let polled = held.poll(context, |context| outlet.poll_chunk(context));
        if let (Some(left), std::task::Poll::Ready(Some(Ok(frame)))) = (left, &polled) {
            *left -= frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.outlet.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
