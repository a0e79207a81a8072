//! How soon does a write arrive, and how much gets through, beside threads that never sleep?
//!
//! Both sides and the busy threads share one processor, or two. All contenders take turns in rounds. A figure is the
//! median of its rounds. A ratio is the median of the ratios to `sync_channel` within the rounds, with the writes
//! gathered by hand.
//!
//! `cargo bench --bench busy -- [--rounds N] [--millis N] [--only NAME,...] [--neighbours N,...]`

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use pushpull_bench::contenders::{Crossbeam, OsPipe, Pipe, Pool, SyncChannel, Thread};
use pushpull_bench::run::busy::{NEIGHBOURS, Setting};
use pushpull_bench::run::neighbours::Processors;
use pushpull_bench::{Entry, Measure, Sample, Spread, median};

const PEER: &str = "sync_channel";

const USAGE: &str = "usage: busy [--rounds N] [--millis N] [--only NAME,...] [--neighbours N,...]";

struct Arguments {
    rounds: usize,
    time: Duration,
    contenders: Vec<Entry>,
    neighbours: Vec<usize>,
}

type Key = (usize, usize, &'static str);

fn main() -> io::Result<()> {
    let arguments = arguments();
    let mut samples: BTreeMap<Key, Vec<Sample>> = BTreeMap::new();
    for round in 0..=arguments.rounds {
        for processors in Processors::ALL {
            for &neighbours in &arguments.neighbours {
                for contender in &arguments.contenders {
                    let setting = Setting { processors, neighbours, time: arguments.time };
                    let sample = match contender.busy(setting) {
                        Ok(sample) => sample,
                        Err(error) => {
                            println!("{} processors, {}: {error}", processors.count(), contender.name());
                            continue;
                        }
                    };
                    // The first round starts threads and touches memory: it does not count.
                    if round > 0 || arguments.rounds == 0 {
                        samples.entry((processors.count(), neighbours, contender.name())).or_default().push(sample);
                    }
                }
            }
        }
    }
    println!(
        "| processors | busy threads | | write to pull, median | relative to `sync_channel` | 99th | 4 KiB writes | relative to `sync_channel` |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for ((processors, neighbours, name), of) in &samples {
        let peer = samples.get(&(*processors, *neighbours, PEER));
        let values =
            |of: &[Sample], measure| of.iter().filter_map(|sample| sample.get(&measure).copied()).collect::<Vec<_>>();
        let shown =
            |measure: Measure| median(&values(of, measure)).map_or_else(String::new, |value| measure.show(value));
        let ratio = |measure: Measure| {
            let ratio = Spread::of_ratios(&values(of, measure), &values(peer?, measure))?;
            Some(format!("{:.2} ({:.2} to {:.2})", ratio.middle, ratio.low, ratio.high))
        };
        println!(
            "| {processors} | {neighbours} | {name} | {} | {} | {} | {} | {} |",
            shown(Measure::Latency),
            ratio(Measure::Latency).unwrap_or_default(),
            shown(Measure::SlowLatency),
            shown(Measure::Throughput),
            ratio(Measure::Throughput).unwrap_or_default(),
        );
    }
    Ok(())
}

fn arguments() -> Arguments {
    let mut said = Arguments {
        rounds: 5,
        time: Duration::from_millis(200),
        contenders: vec![
            Entry::new(Thread),
            Entry::new(Pool),
            Entry::new(Pipe),
            Entry::new(SyncChannel),
            Entry::new(Crossbeam),
            Entry::new(OsPipe),
        ],
        neighbours: [0].into_iter().chain(NEIGHBOURS).collect(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect(USAGE);
        match &argument[..] {
            "--rounds" => said.rounds = number() as usize,
            "--millis" => said.time = Duration::from_millis(number()),
            // As with criterion: only check that the benchmark works.
            "--test" => (said.rounds, said.time) = (0, Duration::from_millis(2)),
            "--neighbours" => {
                let list = arguments.next().expect(USAGE);
                said.neighbours = list.split(',').map(|count| count.parse().expect(USAGE)).collect();
            }
            "--only" => {
                let list = arguments.next().expect(USAGE);
                said.contenders.retain(|contender| list.split(',').any(|name| name == contender.name()));
            }
            "--bench" => {}
            _ => panic!("{USAGE}"),
        }
    }
    said
}
