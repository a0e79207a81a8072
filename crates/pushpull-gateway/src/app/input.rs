//! The input of an application: the body of the request.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, BufRead, Read};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::{Buf, Bytes};

use super::data::poll_data;
use pushpull::{Error, local, wait};

/// The body of a request, as a [`Read`] and [`BufRead`].
///
/// The source is a process's standard input, a FastCGI stream or an HTTP body. A read returns the bytes that have
/// arrived. If none have arrived, the program is suspended or blocked until some do, depending on its engine.
///
/// # Errors
///
/// A read returns the host's error if the client sent an invalid body. It returns `UnexpectedEof` if the body is
/// shorter than its `Content-Length`, and `BrokenPipe` if the client has disconnected.
pub struct Input {
    source: Source,
    responses: Responses,
}

enum Source {
    /// `failed` is set by the first error.
    Body {
        reader: Box<local::Reader>,
        failed: bool,
    },
    Read(Box<dyn BufRead>),
}

impl Input {
    /// Creates an input that reads from `source`.
    ///
    /// ```
    /// use std::io::Read;
    /// use pushpull_gateway::Input;
    ///
    /// let mut input = Input::new(&b"a=1"[..]);
    /// let mut text = String::new();
    /// input.read_to_string(&mut text)?;
    /// assert_eq!(text, "a=1");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new(source: impl BufRead + 'static) -> Input {
        Input { source: Source::Read(Box::new(source)), responses: Responses::default() }
    }

    /// Creates an empty input.
    pub fn empty() -> Input {
        Input::new(io::empty())
    }

    /// Creates an input of exactly `length` bytes of `source`. Reads return `UnexpectedEof` if the source ends earlier.
    ///
    /// ```
    /// use std::io::{ErrorKind, Read};
    /// use pushpull_gateway::Input;
    ///
    /// let mut body = Vec::new();
    /// Input::exact(&b"body, and what follows"[..], 4).read_to_end(&mut body)?;
    /// assert_eq!(body, b"body");
    /// let error = Input::exact(&b"bo"[..], 4).read_to_end(&mut body).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn exact(source: impl BufRead + 'static, length: u64) -> Input {
        Input::new(Exact { source, left: length })
    }

    /// Creates an input from an HTTP body. Its reads wait as the engine does.
    pub(crate) fn of_body<B>(body: B) -> Input
    where
        B: http_body::Body + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let responses = Responses::default();
        let chunks = BodyChunks { body: Box::pin(body), responses: responses.clone() };
        Input { source: Source::Body { reader: Box::new(local::Reader::new(chunks)), failed: false }, responses }
    }

    /// Joins the input to the response that its program writes.
    pub(crate) fn join(&self, response: Rc<dyn Outgoing>) {
        self.responses.borrow_mut().insert(0, response);
    }
}

/// The response that an input's program writes, as seen by the input.
pub(crate) trait Outgoing {
    /// Releases a complete head, because the program is about to wait.
    fn before_wait(&self);

    /// Returns `true` if the reader of the response has been dropped.
    fn is_closed(&self) -> bool;

    /// Counts a failed read and returns its error. Unwinds a program that has ignored too many.
    fn refuse(&self, error: io::Error) -> io::Error;
}

/// The response of each app that reads this input. If apps are nested by conversion, the innermost is first.
type Responses = Rc<RefCell<Vec<Rc<dyn Outgoing>>>>;

/// The chunks of a body. Waits for each.
struct BodyChunks<B> {
    body: Pin<Box<B>>,
    responses: Responses,
}

impl<B> Iterator for BodyChunks<B>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        let responses = self.responses.borrow().clone();
        let mut to_notify = responses.iter();
        loop {
            if responses.iter().any(|response| response.is_closed()) {
                return Some(Err(Error::disconnected()));
            }
            // `before_wait` may suspend the program, which must not happen inside a poll.
            let waited = wait(poll_fn(|context| match poll_data(self.body.as_mut(), context) {
                Poll::Ready(data) => Poll::Ready(Step::Data(data)),
                Poll::Pending => to_notify.next().map_or(Poll::Pending, |response| Poll::Ready(Step::Notify(response))),
            }));
            match waited {
                Ok(Step::Data(data)) => return data,
                Ok(Step::Notify(response)) => response.before_wait(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The result of a poll: data, or a response to notify before the wait.
enum Step<'a> {
    Data(Option<io::Result<Bytes>>),
    Notify(&'a Rc<dyn Outgoing>),
}

/// The next `left` bytes of a source, and no fewer.
struct Exact<R> {
    source: R,
    left: u64,
}

impl<R: BufRead> Read for Exact<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = read_from(self.fill_buf()?, into);
        self.consume(len);
        Ok(len)
    }
}

impl<R: BufRead> BufRead for Exact<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let buffer = self.source.fill_buf()?;
        if buffer.is_empty() {
            let message = format!("the request's body ended {} bytes before its content length", self.left);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        let len = usize::try_from(self.left).map_or(buffer.len(), |left| buffer.len().min(left));
        Ok(&buffer[..len])
    }

    fn consume(&mut self, len: usize) {
        self.left -= len as u64;
        self.source.consume(len);
    }
}

/// Copies bytes out of `buffer`, as `Read::read` does.
fn read_from(buffer: &[u8], into: &mut [u8]) -> usize {
    let len = buffer.len().min(into.len());
    into[..len].copy_from_slice(&buffer[..len]);
    len
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = read_from(self.fill_buf()?, into);
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &mut self.source {
            Source::Body { reader, failed } => {
                let again = *failed;
                let innermost = self.responses.borrow().first().cloned();
                reader.fill_buf().map_err(|error| {
                    *failed = true;
                    match innermost {
                        Some(response) if again => response.refuse(error),
                        _ => error,
                    }
                })
            }
            Source::Read(source) => source.fill_buf(),
        }
    }

    fn consume(&mut self, len: usize) {
        match &mut self.source {
            Source::Body { reader, .. } => reader.consume(len),
            Source::Read(source) => source.consume(len),
        }
    }
}

impl Default for Input {
    fn default() -> Input {
        Input::empty()
    }
}

impl From<Bytes> for Input {
    fn from(bytes: Bytes) -> Input {
        Input::new(bytes.reader())
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Input")
    }
}
