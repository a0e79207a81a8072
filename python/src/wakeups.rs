//! Wake-ups of an event loop: who was woken, and a socket that the loop watches.
//!
//! A waker notes its number and writes a byte. It needs no interpreter lock, and may run on any thread.

use std::io::{Read as _, Write as _};
use std::mem;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use pyo3::prelude::*;

struct Shared {
    woken: Mutex<Vec<u64>>,
    tell: UnixStream,
}

/// The wake-ups of one event loop.
#[pyclass(module = "pushpull._pushpull", frozen)]
pub(crate) struct Wakeups {
    shared: Arc<Shared>,
    told: UnixStream,
}

/// What is woken: the wait of one task.
#[pyclass(module = "pushpull._pushpull", frozen)]
pub(crate) struct Wakeup {
    waker: Waker,
}

impl Wakeup {
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }
}

struct Numbered {
    number: u64,
    shared: Arc<Shared>,
}

impl Wake for Numbered {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut woken = self.shared.woken.lock().unwrap_or_else(PoisonError::into_inner);
        woken.push(self.number);
        let first = woken.len() == 1;
        drop(woken);
        if first {
            // One byte is there at a time: it is refused only if the loop is gone.
            let _ = (&self.shared.tell).write(&[1]);
        }
    }
}

#[pymethods]
impl Wakeups {
    #[new]
    fn new() -> PyResult<Wakeups> {
        let (tell, told) = UnixStream::pair()?;
        tell.set_nonblocking(true)?;
        told.set_nonblocking(true)?;
        Ok(Wakeups { shared: Arc::new(Shared { woken: Mutex::default(), tell }), told })
    }

    /// Returns the descriptor that becomes readable.
    fn fileno(&self) -> i32 {
        self.told.as_raw_fd()
    }

    /// Returns what wakes the wait that has this number.
    fn wakeup(&self, number: u64) -> Wakeup {
        Wakeup { waker: Waker::from(Arc::new(Numbered { number, shared: self.shared.clone() })) }
    }

    /// Returns the numbers that were woken.
    fn take(&self) -> Vec<u64> {
        // Before they are taken: a wake-up after that writes a byte of its own.
        while (&self.told).read(&mut [0; 16]).is_ok_and(|len| len > 0) {}
        mem::take(&mut *self.shared.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
