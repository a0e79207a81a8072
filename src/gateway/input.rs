//! What an application reads: the body of the request.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};

use super::data::poll_data;
use crate::error::Error;
use crate::local::Reader;
use crate::wait;

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
    /// What is to happen before a wait.
    before_wait: BeforeWait,
}

enum Source {
    Chunks(Reader),
    Read(Box<dyn BufRead>),
}

type BeforeWait = Rc<RefCell<Vec<Rc<dyn Fn()>>>>;

impl Input {
    /// An input that reads from `source`.
    ///
    /// ```
    /// use std::io::Read;
    /// use pushpull::gateway::Input;
    ///
    /// let mut input = Input::new(&b"a=1"[..]);
    /// let mut text = String::new();
    /// input.read_to_string(&mut text)?;
    /// assert_eq!(text, "a=1");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new(source: impl BufRead + 'static) -> Input {
        Input { source: Source::Read(Box::new(source)), before_wait: BeforeWait::default() }
    }

    /// An input without a byte.
    pub fn empty() -> Input {
        Input::new(io::empty())
    }

    /// An input of exactly `length` bytes of `source`. It reads no further, and fails if there are fewer.
    ///
    /// ```
    /// use std::io::{ErrorKind, Read};
    /// use pushpull::gateway::Input;
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
        let before_wait = BeforeWait::default();
        let chunks = BodyChunks { body: Box::pin(body), before_wait: before_wait.clone() };
        Input { source: Source::Chunks(Reader::of_iterator(chunks)), before_wait }
    }

    /// Has `act` called before this input waits, and before what was to be called up to now.
    pub(crate) fn before_wait(&self, act: Rc<dyn Fn()>) {
        self.before_wait.borrow_mut().insert(0, act);
    }
}

/// Asks a body for its next bytes and waits for them.
struct BodyChunks<B> {
    body: Pin<Box<B>>,
    before_wait: BeforeWait,
}

impl<B> BodyChunks<B>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        poll_data(self.body.as_mut(), context)
    }
}

impl<B> Iterator for BodyChunks<B>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        let before_wait = self.before_wait.clone();
        let mut acts = before_wait.borrow().clone().into_iter();
        loop {
            let mut act = None;
            // An act may itself suspend, so that it has to be outside of the poll.
            let polled = wait::until(|context| match self.poll_data(context) {
                Poll::Pending => match acts.next() {
                    Some(next) => {
                        act = Some(next);
                        Poll::Ready(None)
                    }
                    None => Poll::Pending,
                },
                Poll::Ready(data) => Poll::Ready(Some(data)),
            });
            match (polled, act) {
                (Ok(Some(data)), _) => return data,
                (Ok(None), act) => act.into_iter().for_each(|act| act()),
                (Err(_), _) => return Some(Err(Error::disconnected())),
            }
        }
    }
}

/// So many bytes of a source, and no fewer.
struct Exact<R> {
    source: R,
    left: u64,
}

impl<R: BufRead> Read for Exact<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = crate::input::read_from(self.fill_buf()?, into);
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

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            Source::Chunks(reader) => reader.read(into),
            Source::Read(source) => source.read(into),
        }
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &mut self.source {
            Source::Chunks(reader) => reader.fill_buf(),
            Source::Read(source) => source.fill_buf(),
        }
    }

    fn consume(&mut self, len: usize) {
        match &mut self.source {
            Source::Chunks(reader) => reader.consume(len),
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
