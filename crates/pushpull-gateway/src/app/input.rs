//! What an application reads: the body of the request.

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
/// It is one type, whatever feeds it: a process's standard input, a record stream, an HTTP body that is waited for. A read
/// gives what there is and waits only when there is nothing; where that happens is the engine's affair.
///
/// # Errors
///
/// What the client did wrong, as the host tells it; `UnexpectedEof` for a body shorter than it was said to be; and
/// `BrokenPipe` once the client is gone.
pub struct Input {
    source: Source,
    responses: Responses,
}

enum Source {
    /// A reader of the body, and whether it has failed.
    Body {
        reader: Box<local::Reader>,
        failed: bool,
    },
    Read(Box<dyn BufRead>),
}

impl Input {
    /// An input that reads from `source`.
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

    /// An input without a byte.
    pub fn empty() -> Input {
        Input::new(io::empty())
    }

    /// An input of exactly `length` bytes of `source`. It reads no further, and fails if there are fewer.
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

    /// The body of an HTTP request, waited for as the engine waits.
    pub(crate) fn of_body<B>(body: B) -> Input
    where
        B: http_body::Body + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let responses = Responses::default();
        let chunks = BodyChunks { body: Box::pin(body), responses: responses.clone() };
        Input { source: Source::Body { reader: Box::new(local::Reader::new(chunks)), failed: false }, responses }
    }

    /// Joins it to the response that its reader writes.
    pub(crate) fn join(&self, response: Rc<dyn Outgoing>) {
        self.responses.borrow_mut().insert(0, response);
    }
}

/// The response that a request's program writes, as far as its input has to know.
pub(crate) trait Outgoing {
    /// The program is about to wait: a head that is complete is not to be held any longer.
    fn before_wait(&self);

    /// Nobody wants the response any more.
    fn is_closed(&self) -> bool;

    /// Counts a read that was refused, and gives the error for it; or unwinds a program that has had enough of them.
    fn refuse(&self, error: io::Error) -> io::Error;
}

/// The innermost first, where apps were converted.
type Responses = Rc<RefCell<Vec<Rc<dyn Outgoing>>>>;

/// Asks a body for its next bytes and waits for them.
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
        let mut told = responses.iter();
        loop {
            if responses.iter().any(|response| response.is_closed()) {
                return Some(Err(Error::disconnected()));
            }
            // Telling a response may itself suspend, so that it has to be outside of the poll.
            let waited = wait(poll_fn(|context| match poll_data(self.body.as_mut(), context) {
                Poll::Ready(data) => Poll::Ready(Step::Data(data)),
                Poll::Pending => told.next().map_or(Poll::Pending, |response| Poll::Ready(Step::Tell(response))),
            }));
            match waited {
                Ok(Step::Data(data)) => return data,
                Ok(Step::Tell(response)) => response.before_wait(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// What is to be done before the body is waited for.
enum Step<'a> {
    Data(Option<io::Result<Bytes>>),
    Tell(&'a Rc<dyn Outgoing>),
}

/// So many bytes of a source, and no fewer.
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

/// Copies out what `buffer` holds, as `Read::read` does.
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
