//! Runs a million programs that write, each suspended in a `write` until its next chunk is pulled.
//!
//! `cargo run --release --example million` (or `-- 100000` for fewer, `-- --help` for all options)
//!
//! Each program is `serde_json` writing records into a `Writer`, as it would into a file, on a coroutine of a `Pool`.
//! First, backpressure suspends every program, and the example prints what a suspended program costs. Then it resumes
//! each program twice: by a pull from this thread, and by a pull from a program on the same worker. At last, all
//! programs finish, and every byte is checked by CRC-32.
//!
//! There is a pool of one worker per processor, so that the worker of each program is known. A chunk pulled from
//! outside moves from the worker's core to this thread's core, and the workers have to yield to this thread. A chunk
//! pulled from inside stays on its core.

mod arguments;
mod bridge;
mod process;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use arguments::{Arguments, Wish};
use bridge::Bridge;
use indicatif::{ProgressBar, ProgressStyle};
use process::Status;
use pushpull::Pool;

/// The number of bridges between two updates of the progress bar.
const STEP: usize = 1 << 10;

/// The number of bridges that are checked to know that a round is over. They include the last one of each worker.
const LAST: usize = 1000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("million: {message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let arguments = match arguments::parse().map_err(|error| format!("{error}; try --help"))? {
        Wish::Run(arguments) => arguments,
        Wish::Help => {
            print!("{}", arguments::HELP);
            return Ok(());
        }
    };
    million(&arguments).map_err(|error| error.to_string())
}

fn million(&Arguments { bridges: count, workers, stack }: &Arguments) -> io::Result<()> {
    let pools: Vec<_> = (0..workers).map(|_| bridge::pool(stack)).collect();
    let mut bridges: Vec<Bridge> = Vec::with_capacity(count);
    let progress = Progress::new(count)?;

    // Start threads and load libraries before anything is measured.
    warm_up(&pools)?;
    let before = Status::read()?;
    progress.begin("creating");
    let start = Instant::now();
    for number in 0..count {
        let mut bridge = Bridge::new(&pools[number % workers], number);
        bridge.start()?;
        bridges.push(bridge);
        progress.count(number);
    }
    wait_for_the_last(&bridges, |_| 1);
    report("created", "each", start.elapsed() / count as u32);
    let held = Status::read()?;
    let each = |kib: u64| kib as f64 * 1024.0 / count as f64;
    println!("threads     {:>12}", held.threads);
    println!("resident    {:>12.0} bytes each", each(held.resident.saturating_sub(before.resident)));
    println!("page tables {:>12.0} bytes each", each(held.page_tables.saturating_sub(before.page_tables)));

    progress.begin("resuming");
    let held = times_held(&bridges);
    let start = Instant::now();
    for (number, bridge) in bridges.iter_mut().enumerate() {
        bridge.pull()?;
        progress.count(number);
    }
    wait_for_the_last(&bridges, |last| held[last] + 1);
    report("resumed", "each, from outside", start.elapsed() / count as u32);
    let mut shares: Vec<Vec<Bridge>> = pools.iter().map(|_| Vec::with_capacity(count / workers + 1)).collect();
    for (number, bridge) in std::mem::take(&mut bridges).into_iter().enumerate() {
        shares[number % workers].push(bridge);
    }
    report("resumed", "each, from inside", resume_inside(&pools, &mut shares)? / count as u32);

    progress.begin("finishing");
    let start = Instant::now();
    let mut bytes = 0;
    let mut round: Vec<Bridge> = shares.into_iter().flatten().collect();
    while !round.is_empty() {
        // Pull one chunk of each in turn, so that all programs run at the same time.
        let mut next = Vec::with_capacity(round.len());
        for mut bridge in round {
            if bridge.pull()? {
                next.push(bridge);
            } else {
                bytes += bridge.check()?;
                progress.count(count - next.len());
            }
        }
        round = next;
    }
    progress.end();
    report("finished", "each, with its other chunks", start.elapsed() / count as u32);
    println!("checked     {bytes:>12} bytes, all correct");
    match pools.iter().all(|pool| pool.shutdown(Duration::from_secs(10)).wait().is_complete()) {
        true => Ok(()),
        false => Err(io::Error::other("a program is still running")),
    }
}

fn warm_up(pools: &[Pool]) -> io::Result<()> {
    pools.iter().enumerate().try_for_each(|(number, pool)| Bridge::new(pool, number).pull().map(drop))
}

/// Resumes each program of a pool's share by a pull from a program of the same pool, in all pools at once.
fn resume_inside(pools: &[Pool], shares: &mut [Vec<Bridge>]) -> io::Result<Duration> {
    let held: Vec<_> = shares.iter().map(|share| times_held(share)).collect();
    let pullers = pools.iter().zip(&mut *shares).map(|(pool, share)| {
        let mut share = std::mem::take(share);
        pool.push(move |_| share.iter_mut().try_for_each(|bridge| bridge.pull().map(drop)).map(|()| share))
    });
    let mut pullers: Vec<_> = pullers.collect();
    let start = Instant::now();
    // The first write starts the pulling program.
    pullers.iter_mut().try_for_each(|puller| puller.write_all(b"go"))?;
    for (share, puller) in shares.iter_mut().zip(pullers) {
        *share = puller.finish()?;
    }
    for (share, held) in shares.iter().zip(held) {
        wait_for_the_last(share, |last| held[last] + 1);
    }
    Ok(start.elapsed())
}

/// Returns how often each of the last bridges was suspended, the last first.
fn times_held(bridges: &[Bridge]) -> Vec<u64> {
    bridges.iter().rev().take(LAST).map(Bridge::times_held).collect()
}

/// The interval between two checks, long enough not to disturb the workers.
const LOOK: Duration = Duration::from_millis(1);

/// Waits until each of the last bridges has been suspended `times` times. `times` gets its number from the end.
fn wait_for_the_last(bridges: &[Bridge], times: impl Fn(usize) -> u64) {
    for (last, bridge) in bridges.iter().rev().take(LAST).enumerate() {
        while bridge.times_held() < times(last) {
            thread::sleep(LOOK);
        }
    }
}

fn report(what: &str, per: &str, time: Duration) {
    println!("{what:<11} {:>12} ns {per}", time.as_nanos());
}

/// A progress bar, if standard error is a terminal.
struct Progress(ProgressBar);

impl Progress {
    fn new(count: usize) -> io::Result<Progress> {
        let style = ProgressStyle::with_template("{msg:10} {wide_bar} {human_pos} of {human_len} {elapsed}");
        let bar = ProgressBar::new(count as u64).with_style(style.map_err(io::Error::other)?);
        Ok(Progress(bar))
    }

    fn begin(&self, what: &'static str) {
        self.0.reset();
        self.0.set_message(what);
    }

    fn count(&self, number: usize) {
        if number.is_multiple_of(STEP) {
            self.0.set_position(number as u64);
        }
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}
