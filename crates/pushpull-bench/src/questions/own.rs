//! Which engine, chunk size and capacity suit the user's workload?

use std::iter;
use std::time::Duration;

use super::in_time::{self, Plan, Setting};
use super::{Asked, Question, Trial};
use crate::contender::{Placement, Sizes};
use crate::effort::Effort;
use crate::entry::Entry;
use crate::pace::Pace;
use crate::report::{Case, quantity};
use crate::run::workload::Watching;
use crate::workload::Workload;

const CAPACITIES: [usize; 4] = [32 << 10, 128 << 10, 256 << 10, 1 << 20];
const CHUNKS: [usize; 3] = [4 << 10, 32 << 10, 64 << 10];

/// The maximum that all bridges together may hold.
const MEMORY: usize = 512 << 20;

/// Most systems refuse more threads.
const MAX_THREADS: usize = 10_000;

pub fn asked(contenders: &[Entry], workload: Workload, effort: Effort, time: Duration) -> Asked {
    let Plan { settings, left_out, takes } = plan(contenders, &workload, effort, time);
    let run = hurried(&workload, effort);
    let trial = |Setting { contender, sizes, writes }| {
        let case = Case::new(workload.to_string(), &workload, sizes);
        Trial::new(case, contender.about(), move || contender.run(&run, sizes, writes, Watching::Writes))
    };
    let trials = settings.into_iter().map(trial).collect();
    Asked { question: Question::Workload(workload), time, trials, left_out, takes }
}

pub fn plan(contenders: &[Entry], workload: &Workload, effort: Effort, time: Duration) -> Plan {
    // Count writes by the pauses that were asked for: a quick run shortens them afterwards.
    let setting = |(contender, sizes)| Setting { contender, sizes, writes: workload.writes(sizes, effort) };
    let settings = settings(contenders, workload).into_iter().map(setting).collect();
    let mut plan = in_time::plan(&hurried(workload, effort), settings, effort, time);
    plan.left_out.splice(0..0, left_out(contenders, workload));
    plan
}

fn hurried(workload: &Workload, effort: Effort) -> Workload {
    let [writer, reader] = [workload.writer, workload.reader].map(|pace| pace.hurried(effort.pause));
    Workload { writer, reader, ..*workload }
}

/// Returns the contenders that cannot run this workload, or not with each capacity, with the reasons.
fn left_out(contenders: &[Entry], workload: &Workload) -> Vec<String> {
    let bridges = workload.bridges;
    let (there, absent): (Vec<&Entry>, Vec<_>) =
        contenders.iter().partition(|contender| takes_part(contender, workload));
    let names = |contenders: Vec<&Entry>| contenders.into_iter().map(Entry::name).collect::<Vec<_>>().join(", ");
    let mut left_out = Vec::new();
    if !absent.is_empty() {
        let absent = names(absent);
        left_out
            .push(format!("{absent}: {bridges} bridges need a thread each, more than the maximum of {MAX_THREADS}"));
    }
    let large = CAPACITIES.into_iter().filter(|capacity| !fits(*capacity, workload));
    let large: Vec<String> = large.map(|capacity| quantity::bytes(capacity as f64)).collect();
    if !large.is_empty() {
        let queued = names(there.into_iter().filter(|contender| has_settings(contender)).collect());
        let (large, most) = (large.join(", "), quantity::bytes(MEMORY as f64));
        left_out.push(format!("{queued} with a capacity of {large}: {bridges} bridges may hold more than {most}"));
    }
    left_out
}

fn settings(contenders: &[Entry], workload: &Workload) -> Vec<(Entry, Sizes)> {
    let there = contenders.iter().filter(|contender| takes_part(contender, workload));
    there
        .flat_map(|contender| {
            of_contender(contender, workload).into_iter().map(move |sizes| (contender.clone(), sizes))
        })
        .collect()
}

fn takes_part(contender: &Entry, workload: &Workload) -> bool {
    !contender.has_threads() || workload.bridges <= MAX_THREADS
}

/// Returns `true` if several capacities are tried.
fn has_settings(contender: &Entry) -> bool {
    let about = contender.about();
    about.is_engine && about.placement != Placement::Reader
}

fn fits(capacity: usize, workload: &Workload) -> bool {
    capacity.saturating_mul(workload.bridges) <= MEMORY
}

fn of_contender(contender: &Entry, workload: &Workload) -> Vec<Sizes> {
    let usual = Sizes::DEFAULT;
    if contender.about().placement == Placement::Reader {
        return CHUNKS.map(|chunk| Sizes { chunk, ..usual }).to_vec();
    }
    if !has_settings(contender) {
        // Peers run with the engines' defaults. If the writer pauses, they also run with a chunk per write, so that
        // each write arrives at once, as it does with an engine.
        let each = Sizes { chunk: workload.write, ..usual };
        let gathers = workload.write < usual.chunk && workload.writer != Pace::Full;
        return iter::once(usual).chain(gathers.then_some(each)).collect();
    }
    let mut capacities: Vec<usize> = CAPACITIES.into_iter().filter(|capacity| fits(*capacity, workload)).collect();
    if capacities.is_empty() {
        // The largest power of two that fits. It is at least a chunk, since the number of bridges is limited.
        capacities.push((MEMORY / workload.bridges + 1).next_power_of_two() / 2);
    }
    let all = capacities.into_iter().flat_map(|capacity| CHUNKS.map(|chunk| Sizes { chunk, capacity }));
    all.filter(|sizes| sizes.chunk <= sizes.capacity).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contenders;

    fn asked(bridges: usize) -> (Vec<(Entry, Sizes)>, Vec<String>) {
        let workload = Workload { bridges, ..Workload::of_writes(4096) };
        (settings(&contenders::usual(), &workload), left_out(&contenders::usual(), &workload))
    }

    #[test]
    fn contenders_left_out_are_named() {
        assert_eq!(asked(1).1, [] as [&str; 0]);
        let large = |contenders, what, bridges| {
            format!("{contenders} with a capacity of {what}: {bridges} bridges may hold more than 512 MiB")
        };
        assert_eq!(asked(1000).1, [large("Thread, Pool", "1 MiB", 1000)]);
        let threads = "Thread, crossbeam, sync_channel, tokio mpsc, io::pipe: 20000 bridges need a thread each, more than \
                       the maximum of 10000";
        assert_eq!(asked(20_000).1, [threads.to_owned(), large("Pool", "32 KiB, 128 KiB, 256 KiB, 1 MiB", 20_000)]);
    }

    #[test]
    fn a_pool_is_always_measured() {
        for (bridges, capacity) in
            [(1, 1 << 20), (512, 1 << 20), (16_384, 32 << 10), (16_385, 16 << 10), (100_000, 4096)]
        {
            let pools = asked(bridges).0.into_iter().filter(|(contender, _)| contender.name() == "Pool");
            assert_eq!(pools.map(|(_, sizes)| sizes.capacity).max(), Some(capacity), "{bridges}");
        }
    }
}
