//! Busy neighbours: threads that compute and never sleep, on the processors of a bridge.

use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// The processors that a bridge and its neighbours share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processors {
    /// All on the first processor.
    One,
    /// All on the first two.
    Two,
}

impl Processors {
    /// Both.
    pub const ALL: [Processors; 2] = [Processors::One, Processors::Two];

    /// Returns the number of processors.
    pub fn count(self) -> usize {
        match self {
            Processors::One => 1,
            Processors::Two => 2,
        }
    }

    /// Returns the name for people.
    pub fn name(self) -> &'static str {
        match self {
            Processors::One => "one processor",
            Processors::Two => "two processors",
        }
    }

    /// Keeps the calling thread on these processors until the guard is dropped.
    ///
    /// # Errors
    ///
    /// Returns an error if this process has fewer processors, or if the system cannot place a thread.
    pub fn enter(self) -> io::Result<Entered> {
        affinity::stay_on(self.count()).map(|()| Entered)
    }
}

/// A guard that keeps its thread on some processors.
#[derive(Debug)]
#[must_use = "the thread stays there until this is dropped"]
pub struct Entered;

impl Drop for Entered {
    fn drop(&mut self) {
        affinity::leave();
    }
}

/// Threads that compute until this is dropped.
#[derive(Debug)]
pub struct Neighbours {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Neighbours {
    /// Starts `count` threads on the processors of the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses a thread.
    pub fn start(count: usize) -> io::Result<Neighbours> {
        let mut neighbours = Neighbours { stop: Arc::default(), threads: Vec::new() };
        for _ in 0..count {
            let stop = neighbours.stop.clone();
            let compute = move || {
                let mut sum = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    sum = (0..1000).fold(sum, |sum, n| black_box(sum.wrapping_mul(31).wrapping_add(n)));
                }
            };
            neighbours.threads.push(thread::Builder::new().name("neighbour".to_owned()).spawn(compute)?);
        }
        Ok(neighbours)
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(target_os = "linux")]
mod affinity {
    use std::io;
    use std::sync::LazyLock;

    use nix::errno::Errno;
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    const THIS_THREAD: Pid = Pid::from_raw(0);

    /// All processors of the process: those of the first thread that asks, before it is placed.
    static ALL: LazyLock<Result<CpuSet, Errno>> = LazyLock::new(|| sched_getaffinity(THIS_THREAD));

    pub fn stay_on(count: usize) -> io::Result<()> {
        let all = (*ALL)?;
        let mut some = CpuSet::new();
        let there = (0..CpuSet::count()).filter(|processor| all.is_set(*processor) == Ok(true));
        let found = there.take(count).map(|processor| some.set(processor)).collect::<Result<Vec<_>, _>>()?;
        if found.len() < count {
            return Err(io::Error::other(format!("{} processors are available: expected {count}", found.len())));
        }
        Ok(sched_setaffinity(THIS_THREAD, &some)?)
    }

    pub fn leave() {
        if let Ok(all) = &*ALL {
            let _ = sched_setaffinity(THIS_THREAD, all);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod affinity {
    use std::io;

    pub fn stay_on(_: usize) -> io::Result<()> {
        Err(io::Error::other("this system cannot place a thread on a processor"))
    }

    pub fn leave() {}
}
