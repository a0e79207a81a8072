//! How a program receives the body of its request.

use std::error;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http_body::Body as HttpBody;

use super::limits::ProgramLimits;
use super::spool::{Spooled, spool};
use crate::app::data::poll_data;
use crate::cgi::environ::Environ;
use crate::cgi::head::content_length;
use crate::cgi::refusal::Refusal;

pub(crate) use super::spool::{failed, too_large};

/// How a script, or an application upstream, receives the body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyPolicy {
    /// The whole body is spooled before the program starts. A slow client occupies no program, `CONTENT_LENGTH` is
    /// always known, and a program cannot deadlock on its input.
    #[default]
    Spool,
    /// The body is streamed, and the program starts at once. If the client sends no `Content-Length`, `CONTENT_LENGTH`
    /// is not set, and the program must read to the end.
    Stream,
    /// The body is streamed, for programs that need `CONTENT_LENGTH`. A request whose length is unknown is answered
    /// with 411.
    Reject,
}

/// The input of a program.
pub(crate) enum Taken {
    Nothing,
    /// The spooled body.
    Whole(OwnedFd),
    /// The body as it arrives.
    Coming(Source),
}

/// A body of any type, polled for its bytes.
pub(crate) type Source = Pin<Box<dyn Data + Send>>;

pub(crate) trait Data {
    fn poll_data(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>;
}

impl<B> Data for B
where
    B: HttpBody,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    fn poll_data(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        poll_data(self, context)
    }
}

impl BodyPolicy {
    /// Takes a body by this policy. Sets `CONTENT_LENGTH` if it is known only after spooling. `check_room` refuses
    /// early a request that would be refused after spooling.
    ///
    /// # Errors
    ///
    /// Returns 408, 411 or 413; 400 if the body fails; a 5xx if it cannot be stored; or the refusal of `check_room`.
    pub(crate) async fn take<B>(
        self,
        body: B,
        limits: &ProgramLimits,
        parts: &Parts,
        env: &mut Environ,
        check_room: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Taken, Refusal>
    where
        B: HttpBody + Send + 'static,
        B::Error: Into<Box<dyn error::Error + Send + Sync>>,
    {
        if body.size_hint().lower() > limits.get_max_body() {
            return Err(too_large());
        }
        match self {
            _ if body.is_end_stream() => Ok(Taken::Nothing),
            BodyPolicy::Spool => {
                check_room()?;
                let spooled = spool(body, limits).await?;
                announce(parts, &spooled, env)?;
                Ok(spooled.file.map_or(Taken::Nothing, Taken::Whole))
            }
            BodyPolicy::Reject if body.size_hint().exact().is_none() => {
                Err(Refusal::new(StatusCode::LENGTH_REQUIRED, "the request's body must have a length"))
            }
            BodyPolicy::Stream | BodyPolicy::Reject => Ok(Taken::Coming(Box::pin(body))),
        }
    }
}

/// Sets `CONTENT_LENGTH` to the length of a spooled body, and checks it against the request's `Content-Length`.
fn announce(parts: &Parts, spooled: &Spooled, env: &mut Environ) -> Result<(), Refusal> {
    let announced = parts.headers.get(CONTENT_LENGTH);
    if let Some(announced) = announced
        && content_length(announced.as_bytes()) != Some(spooled.length)
    {
        return Err(Refusal::bad_request("the request's body is not as long as its content length"));
    }
    if spooled.length > 0 || announced.is_some() || parts.headers.contains_key(TRANSFER_ENCODING) {
        env.set("CONTENT_LENGTH", spooled.length.to_string()).expect("a number is a valid value");
    }
    Ok(())
}
