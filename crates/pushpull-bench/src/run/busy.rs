//! Measures a bridge beside busy threads: latency of a write, and throughput.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::contender::{Contender, Program, Sizes};
use crate::report::figure::{Measure, Sample};
use crate::run::checksum::Checksum;
use crate::run::neighbours::{Neighbours, Processors};

/// The numbers of busy threads to measure beside.
pub const NEIGHBOURS: [usize; 4] = [1, 2, 4, 8];

/// The size of a write at full speed.
pub const WRITE: usize = 4 << 10;

/// The size of a write that measures latency: a timestamp.
const STAMP: usize = size_of::<u64>();

/// A pause after which the reader sleeps.
const NAP: Duration = Duration::from_micros(200);

/// The number of writes between two checks of the time.
const WRITES_BETWEEN: u32 = 64;

/// The place, the number of busy threads, and the duration of a measurement.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// What the bridge and the busy threads run on.
    pub processors: Processors,
    /// The number of busy threads.
    pub neighbours: usize,
    /// The approximate time of each half of the measurement.
    pub time: Duration,
}

/// Measures latency and throughput.
///
/// # Errors
///
/// Returns an error if the processors are not available, a bridge fails, or bytes are lost.
pub(crate) fn run(contender: &impl Contender, setting: Setting) -> io::Result<Sample> {
    let _entered = setting.processors.enter()?;
    let _neighbours = Neighbours::start(setting.neighbours)?;
    let mut sample = latency(contender, setting)?;
    sample.insert(Measure::Throughput, throughput(contender, setting)?);
    Ok(sample)
}

/// Measures the time from a write until a reader that sleeps has pulled it.
fn latency(contender: &impl Contender, setting: Setting) -> io::Result<Sample> {
    // Code written by hand sends each write at once, as the engines do.
    let sizes = if contender.about().is_engine { Sizes::DEFAULT } else { Sizes { chunk: STAMP, ..Sizes::DEFAULT } };
    let start = Instant::now();
    let mut bridge = contender
        .open(sizes, Placed { program: Trickle { start, time: setting.time }, processors: setting.processors })?;
    let mut latencies = Vec::new();
    let mut take = |chunk: &[u8]| {
        let now = start.elapsed().as_nanos() as u64;
        let (stamps, _) = chunk.as_chunks::<STAMP>();
        latencies.extend(stamps.iter().map(|stamp| now.saturating_sub(u64::from_le_bytes(*stamp)) as f64 / 1e9));
    };
    while bridge.pull(&mut take)? {}
    latencies.sort_by(f64::total_cmp);
    let of_hundred = |part| latencies.get(latencies.len() * part / 100).copied();
    let measured = [(Measure::Latency, of_hundred(50)), (Measure::SlowLatency, of_hundred(99))];
    Ok(measured.into_iter().filter_map(|(measure, value)| Some((measure, value?))).collect())
}

/// Returns the bytes per second of a program that writes for the time of the setting.
fn throughput(contender: &impl Contender, setting: Setting) -> io::Result<f64> {
    let (done, told) = mpsc::channel();
    let start = Instant::now();
    let flow = Flow { data: vec![7; WRITE].into(), until: start + setting.time, done };
    let program = Placed { program: flow, processors: setting.processors };
    let mut bridge = contender.open(Sizes::DEFAULT, program)?;
    let mut sum = Checksum::default();
    while bridge.pull(&mut |chunk| sum.take(chunk))? {}
    let time = start.elapsed();
    let written = told.recv().map_err(|_| io::Error::other("the program did not finish"))?;
    if written != sum {
        return Err(io::Error::other("the bytes read differ from the bytes written"));
    }
    Ok(sum.bytes() as f64 / time.as_secs_f64())
}

/// A program that writes timestamps, with pauses.
struct Trickle {
    start: Instant,
    time: Duration,
}

impl Program for Trickle {
    fn run(self, w: &mut impl Write) -> io::Result<()> {
        // At least one write: beside many busy threads the time can be over before the program starts.
        loop {
            thread::sleep(NAP);
            w.write_all(&(self.start.elapsed().as_nanos() as u64).to_le_bytes())?;
            if self.start.elapsed() >= self.time {
                return Ok(());
            }
        }
    }
}

/// A program that writes at full speed until a given time.
struct Flow {
    data: Arc<[u8]>,
    until: Instant,
    done: Sender<Checksum>,
}

impl Program for Flow {
    fn run(self, w: &mut impl Write) -> io::Result<()> {
        let mut times = 0;
        while Instant::now() < self.until {
            for _ in 0..WRITES_BETWEEN {
                w.write_all(&self.data)?;
            }
            times += u64::from(WRITES_BETWEEN);
        }
        let mut sum = Checksum::default();
        sum.take(&self.data);
        let _ = self.done.send(sum.times(times));
        Ok(())
    }
}

/// A program that runs on the same processors as its reader.
struct Placed<P> {
    program: P,
    processors: Processors,
}

impl<P: Program> Program for Placed<P> {
    fn run(self, w: &mut impl Write) -> io::Result<()> {
        // The guard restores a kept thread or a worker for other programs.
        let _entered = self.processors.enter()?;
        self.program.run(w)
    }
}
