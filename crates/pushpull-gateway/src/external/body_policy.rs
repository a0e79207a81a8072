//! How the body of a request is taken.

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

/// How a script, or an application upstream, takes the body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyPolicy {
    /// All of it, before the program starts: slow clients hold no program, `CONTENT_LENGTH` is always known, and whatever
    /// the program does with its input, nothing can be stuck.
    #[default]
    Spool,
    /// As it comes: the program starts at once. Without a `Content-Length` from the client, `CONTENT_LENGTH` is not set,
    /// and the program has to read up to the end.
    Stream,
    /// As it comes, for programs that cannot do without `CONTENT_LENGTH`: a request whose length is not known is refused
    /// (411).
    Reject,
}

/// What there is for a program to read.
pub(crate) enum Taken {
    Nothing,
    /// All of it.
    Whole(OwnedFd),
    /// It comes.
    Coming(Source),
}

/// A body of any kind, asked for its bytes.
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
    /// Takes a body so, and tells the program its length where that turned out only now. `check_room` refuses early what
    /// would be refused later.
    ///
    /// # Errors
    ///
    /// 408, 411, 413, or 400 for a body that fails; 500 when it cannot be kept; and what `check_room` says.
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
                Err(Refusal::new(StatusCode::LENGTH_REQUIRED, "the request's body has to have a length"))
            }
            BodyPolicy::Stream | BodyPolicy::Reject => Ok(Taken::Coming(Box::pin(body))),
        }
    }
}

/// The length of a body that was taken whole.
fn announce(parts: &Parts, spooled: &Spooled, env: &mut Environ) -> Result<(), Refusal> {
    let announced = parts.headers.get(CONTENT_LENGTH);
    if let Some(announced) = announced
        && content_length(announced.as_bytes()) != Some(spooled.length)
    {
        return Err(Refusal::bad_request("the request's body is not as long as its content length"));
    }
    if spooled.length > 0 || announced.is_some() || parts.headers.contains_key(TRANSFER_ENCODING) {
        env.set("CONTENT_LENGTH", spooled.length.to_string()).expect("a number is a good value");
    }
    Ok(())
}
