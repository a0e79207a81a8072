//! Measures a bridge beside busy threads: latency of a write, and throughput.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::checksum::Checksum;
use super::contender::{Bridge, Contender, Program, Sizes, Way};
use super::engines;
use super::figure::{Measure, Sample};
use super::neighbours::{Neighbours, Processors};

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    Known(Contender),
    /// `pushpull::pipe`, with a thread for the program.
    Pipe,
}

impl Busy {
    pub const ALL: [Busy; 6] = [
        Busy::Known(Contender::Thread),
        Busy::Known(Contender::Pool),
        Busy::Pipe,
        Busy::Known(Contender::SyncChannel),
        Busy::Known(Contender::Crossbeam),
        Busy::Known(Contender::OsPipe),
    ];

    pub fn name(self) -> &'static str {
        match self {
            Busy::Known(contender) => contender.name(),
            Busy::Pipe => "pipe()",
        }
    }
}

impl Way for Busy {
    fn is_engine(self) -> bool {
        match self {
            Busy::Known(contender) => contender.is_engine(),
            Busy::Pipe => true,
        }
    }

    fn open(self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
        match self {
            Busy::Known(contender) => contender.open(sizes, program),
            Busy::Pipe => engines::pipe(sizes, program),
        }
    }
}

/// The place, the number of busy threads, and the duration of a measurement.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub processors: Processors,
    pub neighbours: usize,
    /// The approximate time of each half of the measurement.
    pub time: Duration,
}

/// Measures latency and throughput.
///
/// # Errors
///
/// Returns an error if the processors are not available, a bridge fails, or bytes are lost.
pub fn run(way: impl Way, setting: Setting) -> io::Result<Sample> {
    let _entered = setting.processors.enter()?;
    let _neighbours = Neighbours::start(setting.neighbours)?;
    let mut sample = latency(way, setting)?;
    sample.insert(Measure::Throughput, throughput(way, setting)?);
    Ok(sample)
}

/// Measures the time from a write until a reader that sleeps has pulled it.
fn latency(way: impl Way, setting: Setting) -> io::Result<Sample> {
    let placed = Placed { way, processors: setting.processors };
    // Code written by hand sends each write at once, as the engines do.
    let sizes = if way.is_engine() { Sizes::DEFAULT } else { Sizes { chunk: STAMP, ..Sizes::DEFAULT } };
    let start = Instant::now();
    let mut bridge = placed.open(sizes, Trickle { start, time: setting.time })?;
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
fn throughput(way: impl Way, setting: Setting) -> io::Result<f64> {
    let placed = Placed { way, processors: setting.processors };
    let (done, told) = mpsc::channel();
    let start = Instant::now();
    let program = Flow { data: vec![7; WRITE].into(), until: start + setting.time, done };
    let mut bridge = placed.open(Sizes::DEFAULT, program)?;
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

/// A way whose programs run on the same processors as the reader.
#[derive(Debug, Clone, Copy)]
struct Placed<W> {
    way: W,
    processors: Processors,
}

impl<W: Way> Way for Placed<W> {
    fn is_engine(self) -> bool {
        self.way.is_engine()
    }

    fn holds_tasks(self) -> bool {
        self.way.holds_tasks()
    }

    fn open(self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
        self.way.open(sizes, PlacedProgram { program, processors: self.processors })
    }
}

struct PlacedProgram<P> {
    program: P,
    processors: Processors,
}

impl<P: Program> Program for PlacedProgram<P> {
    fn run(self, w: &mut impl Write) -> io::Result<()> {
        // The guard restores a kept thread or a worker for other programs.
        let _entered = self.processors.enter()?;
        self.program.run(w)
    }
}
