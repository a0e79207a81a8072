//! The loop that moves a pull app's chunks into a push sink.

use std::io::{self, Write};

use bytes::Bytes;

use crate::buf::write_batch::{Gathered, flush};
use crate::error::{Error, uninterrupted};

/// Drives a pull app into a push sink: pulls every chunk of `source`, writes it to `sink`, and returns how many bytes went
/// in.
///
/// Small chunks that are there at once, by the source's own `size_hint`, are gathered into vectored writes. The sink is
/// flushed before each pull that may wait, which is one to which the `size_hint` promises no chunk, and at the end.
///
/// ```
/// use std::io::Write;
///
/// let chunks = pushpull::Thread::new().pull(|w| w.write_all(b"as it is"));
/// let mut sink = Vec::new();
/// assert_eq!(pushpull::drive(chunks, &mut sink)?, 8);
/// assert_eq!(sink, b"as it is");
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// The source's error, after everything that came before it was written and flushed. Or the sink's: it has the sink's
/// kind and says how many bytes had gone ([`Error::bytes_moved`](crate::Error::bytes_moved)); the source is dropped,
/// which stops the program behind it.
///
/// A sink that says `WouldBlock` has failed too: use one that blocks, or `drive_tokio` (feature `tokio`).
///
/// # Caveats
///
/// Of a source that is only borrowed, as by `chunks.by_ref()`, chunks that the sink did not take are lost with the error or the
/// panic of the sink. Do not go on with it.
///
/// A source that promises nothing, such as `iter::from_fn`, has its sink flushed after each chunk. If a flush is expensive, as
/// that of an encoder is, wrap the sink in a writer whose `flush` does nothing.
///
/// A source whose `size_hint` promises chunks that it makes only when asked, such as a `map` over a `Vec`, keeps up to
/// 64 KiB of them back from the sink while it makes more.
///
/// # When to use something else
///
/// [`local::Chunks::drive_into`](crate::local::Chunks::drive_into) lends large writes to the sink without a copy.
pub fn drive<S, W>(source: S, sink: &mut W) -> io::Result<u64>
where
    S: IntoIterator<Item = io::Result<Bytes>>,
    W: Write + ?Sized,
{
    let mut source = source.into_iter();
    let mut gathered = Gathered::default();
    let mut moved = 0;
    let mut flushed = 0;
    let failed = loop {
        match source.next() {
            Some(Ok(chunk)) => {
                gathered.push(chunk);
                let (promised, most) = source.size_hint();
                if gathered.is_full() || promised == 0 {
                    gathered.write(sink, &mut moved).map_err(|error| Error::sink(moved, error))?;
                }
                // The next pull may wait, and what was written must not wait with it. At the end there is a flush anyway.
                if promised == 0 && most != Some(0) && flushed < moved {
                    flush(sink).map_err(|error| Error::sink(moved, error))?;
                    flushed = moved;
                }
            }
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    let written = gathered.write(sink, &mut moved).and_then(|()| flush(sink));
    match failed {
        Some(error) => Err(uninterrupted(error)),
        None => written.map(|()| moved).map_err(|error| Error::sink(moved, error)),
    }
}

impl Gathered {
    /// Writes everything, and counts what has gone even if it fails.
    fn write(&mut self, sink: &mut (impl Write + ?Sized), moved: &mut u64) -> io::Result<()> {
        while !self.is_empty() {
            let written = self.with_slices(|slices| match slices {
                [slice] => sink.write(slice),
                slices => sink.write_vectored(slices),
            });
            *moved += self.settle(written)?;
        }
        Ok(())
    }
}
