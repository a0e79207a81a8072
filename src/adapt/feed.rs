//! Asynchronous sources into programs that read: what a [`Feed`] is given.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::io;
use std::task::Poll;

#[cfg(feature = "stream")]
use bytes::Bytes;

use super::pump::Pump;
#[cfg(feature = "http")]
use super::source::OfBody;
#[cfg(feature = "stream")]
use super::source::OfStream;
use super::source::{Source, Supply};
use crate::error::Error;
use crate::runtime::coroutine::Refused;
use crate::runtime::stop_waker::StopWaker;
use crate::{Feed, local};

impl<T> Feed<T> {
    /// Feeds the program everything that `stream` gives, and waits for what it makes of it.
    ///
    /// The task that polls this polls the stream, and only while there is room for what it gives: as many bytes as the
    /// capacity are on their way to the program. Nothing blocks. The program starts at the first poll; when it ends early
    /// the rest of the stream is dropped. Dropping the future makes the program's read fail.
    ///
    /// ```
    /// use std::io::BufRead;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let upload = futures_util::stream::iter(["one\ntw", "o\nthree\n"].map(std::io::Result::Ok));
    /// let lines = pushpull::Thread::new().push(|r| Ok(r.lines().count()));
    /// assert_eq!(lines.feed_from_stream(upload).await?, 3);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error that the program returned, or its panic. An error of the stream is what the program's read gives.
    #[cfg(feature = "stream")]
    pub async fn feed_from_stream<S, B, E>(self, stream: S) -> io::Result<T>
    where
        S: futures_core::Stream<Item = Result<B, E>>,
        B: Into<Bytes>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.feed_from(OfStream::new(stream)).await
    }

    /// As `feed_from_stream`, from an HTTP body. Its trailers are passed over.
    ///
    /// ```
    /// use std::io::Read;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let length = pushpull::Pool::global().push(|r| Ok(r.bytes().count()));
    /// let body = http_body_util::Full::new(bytes::Bytes::from("an upload"));
    /// assert_eq!(length.feed_from_body(body).await?, 9);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error that the program returned, or its panic. An error of the body is what the program's read gives.
    #[cfg(feature = "http")]
    pub async fn feed_from_body<B>(self, body: B) -> io::Result<T>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.feed_from(OfBody::new(body)).await
    }

    async fn feed_from(mut self, source: impl Source) -> io::Result<T> {
        let (mut pump, mut stop) = (Pump::new(source), StopWaker::default());
        poll_fn(|context| settle(stop.watch(self.poll_fed(&mut pump, context), context))).await
    }
}

impl<T> local::Feed<T> {
    /// Feeds the program everything that `stream` gives, and waits for what it makes of it.
    ///
    /// The program runs inside the poll, on the task that polls; where it wants what the stream does not have yet, it is
    /// suspended and the task waits. The program starts at the first poll; when it ends early the rest of the stream is
    /// dropped. Dropping the future makes the program's read fail.
    ///
    /// ```
    /// use std::io::BufRead;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let upload = futures_util::stream::iter(["one\ntw", "o\nthree\n"].map(std::io::Result::Ok));
    /// let lines = pushpull::Local::new().push(|r| Ok(r.lines().count()));
    /// assert_eq!(lines.feed_from_stream(upload).await?, 3);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error that the program returned, or its panic. An error of the stream is what the program's read gives.
    #[cfg(feature = "stream")]
    pub async fn feed_from_stream<S, B, E>(self, stream: S) -> io::Result<T>
    where
        S: futures_core::Stream<Item = Result<B, E>>,
        B: Into<Bytes>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.feed_from(OfStream::new(stream)).await
    }

    /// As `feed_from_stream`, from an HTTP body. Its trailers are passed over.
    ///
    /// # Errors
    ///
    /// The error that the program returned, or its panic. An error of the body is what the program's read gives.
    #[cfg(feature = "http")]
    pub async fn feed_from_body<B>(self, body: B) -> io::Result<T>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.feed_from(OfBody::new(body)).await
    }

    async fn feed_from(mut self, source: impl Source) -> io::Result<T> {
        let (mut supply, mut stop) = (Supply::new(source), StopWaker::default());
        poll_fn(|context| settle(stop.watch(self.poll_fed(&mut supply, context), context))).await
    }
}

/// What a future that may be refused its wait gives.
fn settle<T>(fed: Poll<Result<io::Result<T>, Refused>>) -> Poll<io::Result<T>> {
    fed.map(|fed| fed.unwrap_or_else(|_| Err(Error::disconnected())))
}
