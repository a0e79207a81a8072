//! Runs work that may block on a disk or a name server, on separate threads.
//!
//! If the system has no thread, `tokio::task::spawn_blocking` panics; `run` returns an error.

use std::io;

use tokio::sync::{Semaphore, oneshot};

use pushpull::{Error, Thread};

/// The maximum number of threads. Further work waits.
const MAX_THREADS: usize = 16;

static FREE: Semaphore = Semaphore::const_new(MAX_THREADS);

/// Runs `work` on another thread. If the future is dropped, the work is still finished, and its result dropped.
///
/// # Errors
///
/// Returns an error if the system has no thread, or if the work panics.
pub(crate) async fn run<T, F>(work: F) -> io::Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let place = FREE.acquire().await.map_err(|_| Error::disconnected())?;
    let (give, result) = oneshot::channel();
    let mut started = Thread::new().pull(move |_| {
        let result = work();
        drop(place);
        let _ = give.send(result);
        Ok(())
    });
    started.head().await?;
    result.await.map_err(|_| Error::truncated())
}
