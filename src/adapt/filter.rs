//! Passing an asynchronous source through a program that reads and writes: a [`Filter`] over a stream or a body.

use std::error::Error as StdError;

#[cfg(feature = "stream")]
use bytes::Bytes;

use super::pump::Pump;
#[cfg(feature = "http")]
use super::source::OfBody;
#[cfg(feature = "stream")]
use super::source::OfStream;
use super::source::{Source, Supply, Waited};
use crate::{Chunks, Filter, local};

impl Filter {
    /// Creates the chunks that the program makes of a stream.
    ///
    /// The task that polls the chunks polls the stream too, and only while there is room for another chunk. Up to
    /// `capacity` bytes are queued for the program, and up to `capacity` bytes from it. So a stream of tokio is polled
    /// inside its runtime, and not where the program runs.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use flate2::write::GzEncoder;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let gzip = pushpull::Pool::global().filter(|r, w| {
    ///     let mut gzip = GzEncoder::new(w, flate2::Compression::fast());
    ///     std::io::copy(r, &mut gzip)?;
    ///     gzip.finish().map(drop)
    /// });
    /// let source = futures_util::stream::iter(["push, ", "pull"].map(std::io::Result::Ok));
    /// let mut packed = gzip.pull_from_stream(source);
    /// let first = StreamExt::next(&mut packed).await.unwrap()?;
    /// assert_eq!(&first[..2], [0x1f, 0x8b]);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the stream yields an error, the program's read returns it. If the chunks are dropped, the program's next read
    /// returns `BrokenPipe`.
    #[cfg(feature = "stream")]
    pub fn pull_from_stream<S, B, E>(self, stream: S) -> Chunks
    where
        S: futures_core::Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.pull_polled(OfStream::new(stream))
    }

    /// Creates the chunks that the program makes of an HTTP body.
    ///
    /// Like `pull_from_stream`, with a body as the source. [`into_body`](Chunks::into_body) makes the chunks a body
    /// again. Trailers are skipped.
    ///
    /// # Examples
    ///
    /// ```
    /// use http_body_util::{BodyExt, Full};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let copy = pushpull::Thread::new().filter(|r, w| std::io::copy(r, w).map(drop));
    /// let body = Full::new(bytes::Bytes::from("as it is"));
    /// let body = copy.pull_from_body(body).into_body();
    /// assert_eq!(body.collect().await?.to_bytes(), "as it is");
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the body yields an error, the program's read returns it. If the chunks are dropped, the program's next read
    /// returns `BrokenPipe`.
    #[cfg(feature = "http")]
    pub fn pull_from_body<B>(self, body: B) -> Chunks
    where
        B: http_body::Body + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.pull_polled(OfBody::new(body))
    }

    fn pull_polled(self, source: impl Source + Send + 'static) -> Chunks {
        let (mut writer, input) = self.input();
        let mut pump = Pump::new(source);
        self.pull_from(input).fed_by(Box::new(move |context| pump.poll(&mut writer, context)))
    }
}

impl local::Filter {
    /// Creates the chunks that the program makes of a stream.
    ///
    /// The program runs inside the poll of the chunks, and polls the stream when it reads. If the stream has nothing
    /// yet, the program is suspended and the task waits. If the chunks are pulled by `next()`, the thread waits
    /// instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use flate2::write::GzEncoder;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let gzip = pushpull::Local::new().filter(|r, w| {
    ///     let mut gzip = GzEncoder::new(w, flate2::Compression::fast());
    ///     std::io::copy(r, &mut gzip)?;
    ///     gzip.finish().map(drop)
    /// });
    /// let source = futures_util::stream::iter(["push, ", "pull"].map(std::io::Result::Ok));
    /// let mut packed = gzip.pull_from_stream(source);
    /// let first = StreamExt::next(&mut packed).await.unwrap()?;
    /// assert_eq!(&first[..2], [0x1f, 0x8b]);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the stream yields an error, the program's read returns it. If the chunks are dropped, the program's next read
    /// returns `BrokenPipe`.
    #[cfg(feature = "stream")]
    pub fn pull_from_stream<S, B, E>(self, stream: S) -> local::Chunks
    where
        S: futures_core::Stream<Item = Result<B, E>> + 'static,
        B: Into<Bytes>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.pull_from(Waited(Supply::new(OfStream::new(stream))))
    }

    /// Creates the chunks that the program makes of an HTTP body.
    ///
    /// Like `pull_from_stream`, with a body as the source. [`into_body`](local::Chunks::into_body) makes the chunks a
    /// body again. Trailers are skipped.
    ///
    /// # Errors
    ///
    /// If the body yields an error, the program's read returns it. If the chunks are dropped, the program's next read
    /// returns `BrokenPipe`.
    #[cfg(feature = "http")]
    pub fn pull_from_body<B>(self, body: B) -> local::Chunks
    where
        B: http_body::Body + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.pull_from(Waited(Supply::new(OfBody::new(body))))
    }
}
