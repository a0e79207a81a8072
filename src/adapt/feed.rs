//! Feeding a program that reads from an asynchronous source, through its [`Feed`].

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
    /// Feeds a stream to the program, and returns the program's result.
    ///
    /// The task that polls this future polls the stream too, and only while there is room for another chunk. Up to
    /// `capacity` bytes are queued for the program. Nothing blocks.
    ///
    /// The program starts at the first poll. If it ends early, the rest of the stream is dropped. If this future is
    /// dropped, the program's read fails.
    ///
    /// # Examples
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
    /// Returns the error that the program returned, or its panic. If the stream yields an error, the program's read
    /// returns it.
    #[cfg(feature = "stream")]
    pub async fn feed_from_stream<S, B, E>(self, stream: S) -> io::Result<T>
    where
        S: futures_core::Stream<Item = Result<B, E>>,
        B: Into<Bytes>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.feed_from(OfStream::new(stream)).await
    }

    /// Feeds an HTTP body to the program, and returns the program's result.
    ///
    /// Like `feed_from_stream`, with a body as the source. Trailers are skipped.
    ///
    /// # Examples
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
    /// Returns the error that the program returned, or its panic. If the body yields an error, the program's read
    /// returns it.
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
        poll_fn(|context| {
            let fed = self.poll_fed(
                |writer, context| {
                    let _ = pump.poll(writer, context);
                },
                context,
            );
            settle(stop.watch(fed, context))
        })
        .await
    }
}

impl<T> local::Feed<T> {
    /// Feeds a stream to the program, and returns the program's result.
    ///
    /// The program runs inside the poll of this future. If the stream has nothing for it yet, the program is suspended
    /// and the task waits.
    ///
    /// The program starts at the first poll. If it ends early, the rest of the stream is dropped. If this future is
    /// dropped, the program's read fails.
    ///
    /// # Examples
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
    /// Returns the error that the program returned, or its panic. If the stream yields an error, the program's read
    /// returns it.
    #[cfg(feature = "stream")]
    pub async fn feed_from_stream<S, B, E>(self, stream: S) -> io::Result<T>
    where
        S: futures_core::Stream<Item = Result<B, E>>,
        B: Into<Bytes>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.feed_from(OfStream::new(stream)).await
    }

    /// Feeds an HTTP body to the program, and returns the program's result.
    ///
    /// Like `feed_from_stream`, with a body as the source. Trailers are skipped.
    ///
    /// # Errors
    ///
    /// Returns the error that the program returned, or its panic. If the body yields an error, the program's read
    /// returns it.
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
        poll_fn(|context| {
            let fed = self.poll_fed(|context| supply.poll(context), context);
            settle(stop.watch(fed, context))
        })
        .await
    }
}

/// Converts a refused wait into an error.
fn settle<T>(fed: Poll<Result<io::Result<T>, Refused>>) -> Poll<io::Result<T>> {
    fed.map(|fed| fed.unwrap_or_else(|_| Err(Error::disconnected())))
}
