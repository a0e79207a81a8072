//! Measures one run of a workload.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::contender::{Bridge, Contender, Placement, Sizes};
use crate::pace::Pace;
use crate::report::figure::{Measure, Sample};
use crate::run::checksum::Checksum;
use crate::run::traffic::{Flight, Notes, Reading, Stamped, Watch, Writes};
use crate::run::usage;
use crate::workload::Workload;

/// What a run records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// Only throughput and wake-ups, at no cost in time.
    Nothing,
    /// Also when each write blocks and when it arrives. Costs two clock reads per write.
    Writes,
}

/// Measures one run with a given number of writes to each bridge.
///
/// # Errors
///
/// Returns an error if a bridge fails, loses a byte, or is an engine's and holds more than its capacity.
pub(crate) fn run(
    contender: &impl Contender,
    workload: &Workload,
    sizes: Sizes,
    times: u64,
    watching: Watching,
) -> io::Result<Sample> {
    let data: Arc<[u8]> = vec![7; workload.write].into();
    let notes = Notes::new();
    let watched = watching == Watching::Writes || workload.writer != Pace::Full;
    let sleeps = usage::sleeps();
    let start = Instant::now();
    let open = |_| Running::open(contender, workload, sizes, &data, times, watched.then_some(&notes));
    let mut bridges = (0..workload.bridges).map(open).collect::<io::Result<Vec<_>>>()?;
    host(&mut bridges, workload.reader, &notes)?;
    let time = start.elapsed();
    let woken = (usage::sleeps() - sleeps).saturating_sub(notes.slept());

    let bytes = (times * workload.write as u64 * workload.bridges as u64) as f64;
    let mut latencies = Vec::new();
    let (mut task_wakes, mut most) = (0, 0);
    for running in bridges {
        let ended = running.end(contender, sizes, times * workload.write as u64)?;
        latencies.extend(ended.latencies);
        task_wakes += ended.task_wakes;
        most = most.max(ended.most);
    }
    let mut sample = Sample::from([
        (Measure::Throughput, bytes / time.as_secs_f64()),
        (Measure::Wakes, (woken + task_wakes) as f64 / (bytes / 1048576.0)),
    ]);
    if watching == Watching::Writes {
        sample.extend([
            (Measure::Held, notes.held().as_secs_f64() / time.as_secs_f64() / workload.bridges as f64),
            (Measure::InFlight, most as f64),
        ]);
        // A few very short writes have no room for a timestamp.
        latencies.sort_unstable();
        for (measure, of_hundred) in [(Measure::Latency, 50), (Measure::SlowLatency, 99)] {
            let latency = latencies.get(latencies.len() * of_hundred / 100);
            sample.extend(latency.map(|nanos| (measure, *nanos as f64 / 1e9)));
        }
    }
    Ok(sample)
}

/// A bridge and what is known about it.
struct Running {
    bridge: Box<dyn Bridge>,
    pulls: u64,
    sum: Checksum,
    told: Receiver<Checksum>,
    flight: Arc<Flight>,
    reading: Option<Reading>,
}

struct Ended {
    latencies: Vec<u64>,
    task_wakes: u64,
    most: usize,
}

impl Running {
    fn open(
        contender: &impl Contender,
        workload: &Workload,
        sizes: Sizes,
        data: &Arc<[u8]>,
        times: u64,
        notes: Option<&Arc<Notes>>,
    ) -> io::Result<Running> {
        let (done, told) = mpsc::channel();
        let flight = Arc::<Flight>::default();
        let watch = notes.map(|notes| Watch { notes: notes.clone(), flight: flight.clone() });
        let writes = Writes { data: data.clone(), times, done };
        let bridge = match &watch {
            None => contender.open(sizes, writes)?,
            Some(watch) => contender.open(sizes, Stamped { writes, pace: workload.writer, watch: watch.clone() })?,
        };
        let reading = watch.map(|watch| Reading::new(workload.write, watch));
        Ok(Running { bridge, pulls: 0, sum: Checksum::default(), told, flight, reading })
    }

    /// Pulls once. Returns `false` at the end.
    fn pull(&mut self) -> io::Result<bool> {
        let Running { bridge, pulls, sum, reading, .. } = self;
        *pulls += 1;
        bridge.pull(&mut |chunk| {
            sum.take(chunk);
            if let Some(reading) = reading {
                reading.take(chunk);
            }
        })
    }

    fn end(self, contender: &impl Contender, sizes: Sizes, bytes: u64) -> io::Result<Ended> {
        let written = self.told.recv().map_err(|_| io::Error::other("the program did not finish"))?;
        if written != self.sum || written.bytes() != bytes {
            return Err(io::Error::other("the bytes read differ from the bytes written"));
        }
        let stats = self.bridge.stats();
        let most = stats.map_or_else(|| self.flight.most(), |stats| stats.peak);
        if contender.about().is_engine && most > sizes.capacity {
            return Err(io::Error::other(format!("{most} bytes were in flight: expected at most {}", sizes.capacity)));
        }
        // A blocked thread sleeps, and is counted by the context switches already.
        let task_wakes =
            stats.filter(|_| contender.about().placement == Placement::Workers).map_or(0, |stats| stats.writer_waits);
        Ok(Ended { latencies: self.reading.map(Reading::into_latencies).unwrap_or_default(), task_wakes, most })
    }
}

/// Reads all bridges to their ends in turns, each at its pace.
fn host(bridges: &mut [Running], pace: Pace, notes: &Notes) -> io::Result<()> {
    let start = Instant::now();
    // All pauses have the same length, so the bridge that has waited longest is first in the queue.
    let mut turns: VecDeque<_> = (0..bridges.len()).map(|bridge| (Duration::ZERO, bridge)).collect();
    while let Some((due, bridge)) = turns.pop_front() {
        if due > Duration::ZERO {
            let left = due.saturating_sub(start.elapsed());
            if left > Duration::ZERO {
                notes.pause(left);
            }
        }
        let running = &mut bridges[bridge];
        loop {
            if !running.pull()? {
                break;
            }
            if pace == Pace::Full {
                turns.push_back((Duration::ZERO, bridge));
                break;
            }
            if let Some(pause) = pace.after(running.pulls - 1) {
                turns.push_back((start.elapsed() + pause, bridge));
                break;
            }
        }
    }
    Ok(())
}
