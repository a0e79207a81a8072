//! The loop that moves a pull app's chunks into a push sink.

use std::io::{self, Write};

use bytes::Bytes;

use crate::buf::write_batch::{Gathered, flush};
use crate::error::{Error, uninterrupted};

/// Pulls every chunk of `source`, writes it to `sink`, and returns how many bytes were written.
///
/// Small chunks that are ready at once, by the source's own `size_hint`, are gathered into vectored writes. If the
/// `size_hint` promises no chunk, the next pull may wait, so the sink is flushed first. The sink is also flushed at the
/// end.
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
/// Returns the source's error, after all chunks before the error were written and flushed.
///
/// Returns the sink's error, with the sink's kind and the number of bytes written before
/// ([`Error::bytes_moved`](crate::Error::bytes_moved)). The source is dropped, which stops the program behind it.
///
/// A sink that returns `WouldBlock` has failed too: use a blocking sink, or `drive_tokio` (feature `tokio`).
///
/// # Caveats
///
/// If the source is only borrowed, as by `chunks.by_ref()`, and the sink fails or panics, chunks that the sink did not
/// take are lost. Do not pull from that source again.
///
/// If the `size_hint` promises nothing, as that of `iter::from_fn`, the sink is flushed after each chunk. If a flush is
/// expensive, as that of an encoder, wrap the sink in a writer whose `flush` does nothing.
///
/// If the `size_hint` promises chunks that the source makes only on demand, up to 64 KiB of them are held back from the
/// sink meanwhile. An example is a `map` over a `Vec`.
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
                // The next pull may wait, and what was written must not wait with it. At the end, the sink is flushed
                // anyway.
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
    /// Writes all gathered chunks. Counts what was written, even if a write fails.
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
