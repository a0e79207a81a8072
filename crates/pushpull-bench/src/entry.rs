//! A contender of any type.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::contender::{About, Contender, Placement, Sizes};
use crate::report::figure::Sample;
use crate::run::busy::{self, Setting};
use crate::run::life::{self, Life};
use crate::run::placed;
use crate::run::workload::{self, Watching};
use crate::workload::Workload;

/// A [`Contender`] of any type. Each kind of run was compiled for the contender's own writer.
#[derive(Clone)]
pub struct Entry(Arc<dyn Runs>);

/// Every kind of run, without the type of the contender.
trait Runs: Send + Sync {
    fn about(&self) -> About;
    fn hand_over(&self, chunk: Bytes, times: usize) -> Option<io::Result<usize>>;
    fn live(&self, life: Life, count: usize) -> io::Result<Sample>;
    fn busy(&self, setting: Setting) -> io::Result<Sample>;
    fn carry(&self, sizes: Sizes, place: Box<dyn FnOnce() + Send>, data: &Arc<[u8]>, times: u64) -> io::Result<()>;
    fn run(&self, workload: &Workload, sizes: Sizes, times: u64, watching: Watching) -> io::Result<Sample>;
}

impl<C: Contender> Runs for C {
    fn about(&self) -> About {
        Contender::about(self)
    }

    fn hand_over(&self, chunk: Bytes, times: usize) -> Option<io::Result<usize>> {
        Contender::hand_over(self, chunk, times)
    }

    fn live(&self, life: Life, count: usize) -> io::Result<Sample> {
        life::live(self, life, count)
    }

    fn busy(&self, setting: Setting) -> io::Result<Sample> {
        busy::run(self, setting)
    }

    fn carry(&self, sizes: Sizes, place: Box<dyn FnOnce() + Send>, data: &Arc<[u8]>, times: u64) -> io::Result<()> {
        placed::carry(self, sizes, place, data, times)
    }

    fn run(&self, workload: &Workload, sizes: Sizes, times: u64, watching: Watching) -> io::Result<Sample> {
        workload::run(self, workload, sizes, times, watching)
    }
}

impl Entry {
    /// Enters a contender.
    pub fn new(contender: impl Contender) -> Entry {
        Entry(Arc::new(contender))
    }

    /// Returns its description.
    pub fn about(&self) -> About {
        self.0.about()
    }

    /// Returns its name.
    pub fn name(&self) -> &'static str {
        self.about().name
    }

    /// Returns `true` if each of its bridges has a thread.
    pub(crate) fn has_threads(&self) -> bool {
        self.about().placement == Placement::Thread
    }

    /// Moves one chunk many times. Returns how many bytes arrived, or `None` if it only takes bytes to copy.
    ///
    /// # Errors
    ///
    /// Returns an error if the bridge fails.
    pub fn hand_over(&self, chunk: Bytes, times: usize) -> Option<io::Result<usize>> {
        self.0.hand_over(chunk, times)
    }

    /// Measures the life of a bridge, `count` times one after the other.
    ///
    /// # Errors
    ///
    /// Returns an error if a bridge fails, or loses a byte.
    pub fn live(&self, life: Life, count: usize) -> io::Result<Sample> {
        self.0.live(life, count)
    }

    /// Measures a bridge beside busy threads.
    ///
    /// # Errors
    ///
    /// Returns an error if the processors are not available, a bridge fails, or bytes are lost.
    pub fn busy(&self, setting: Setting) -> io::Result<Sample> {
        self.0.busy(setting)
    }

    /// Runs one bridge from its first byte to its last, and checks the bytes. `place` is called on the program's thread,
    /// before the program writes `data`, `times` times.
    ///
    /// # Errors
    ///
    /// Returns an error if the bridge fails, or loses a byte.
    pub fn carry(
        &self,
        sizes: Sizes,
        place: impl FnOnce() + Send + 'static,
        data: &Arc<[u8]>,
        times: u64,
    ) -> io::Result<()> {
        self.0.carry(sizes, Box::new(place), data, times)
    }

    /// Measures one run of a workload, with a given number of writes to each bridge.
    ///
    /// # Errors
    ///
    /// Returns an error if a bridge fails, loses a byte, or is an engine's and holds more than its capacity.
    pub fn run(&self, workload: &Workload, sizes: Sizes, times: u64, watching: Watching) -> io::Result<Sample> {
        self.0.run(workload, sizes, times, watching)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.about()).finish()
    }
}
