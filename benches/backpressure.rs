//! How do capacity and chunk size matter if one side is faster than the other?
//!
//! The time is per byte. Below each setting, the benchmark prints wake-ups, the share of time that the writer was
//! blocked, bytes in flight, and the latency of a write.
//!
//! `cargo bench --bench backpressure`

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use pushpull_measure::contender::Contender;
use pushpull_measure::effort::Effort;
use pushpull_measure::figure::{Measure, Sample};
use pushpull_measure::measure::{self, Watching};
use pushpull_measure::peers::Peer;
use pushpull_measure::quantity;
use pushpull_measure::speeds::{SPEEDS, settings};
use pushpull_measure::statistics::median;

fn backpressure(c: &mut Criterion) {
    let effort = Effort::full(Duration::ZERO);
    for (speeds, workload) in SPEEDS {
        for peer in
            [Peer::Known(Contender::Local)].into_iter().chain(Peer::QUEUES).chain([Peer::Known(Contender::OsPipe)])
        {
            let sizes = match peer {
                Peer::Known(contender) => settings(contender),
                _ => settings(Contender::Crossbeam),
            };
            for sizes in sizes {
                let bytes = workload.writes(sizes, effort) * workload.write as u64;
                let mut group = c.benchmark_group(format!("backpressure/{speeds}"));
                group.throughput(Throughput::Bytes(bytes)).sampling_mode(SamplingMode::Flat).sample_size(10);
                group.warm_up_time(Duration::from_millis(50)).measurement_time(Duration::from_millis(500));
                let [chunk, capacity] = [sizes.chunk, sizes.capacity].map(|bytes| quantity::bytes(bytes as f64));
                let mut samples = Vec::new();
                group.bench_function(format!("{}, chunk {chunk}, capacity {capacity}", peer.name()), |b| {
                    b.iter_custom(|times| {
                        let mut time = Duration::ZERO;
                        for _ in 0..times {
                            let sample = measure::run(peer, &workload, sizes, Watching::Writes, effort).unwrap();
                            time += Duration::from_secs_f64(bytes as f64 / sample[&Measure::Throughput]);
                            samples.push(sample);
                        }
                        time
                    });
                });
                tell(&samples);
            }
        }
    }
}

fn tell(samples: &[Sample]) {
    let measures = [Measure::Wakes, Measure::Held, Measure::InFlight, Measure::Latency, Measure::SlowLatency];
    let told = measures.into_iter().filter_map(|measure| {
        let values: Vec<f64> = samples.iter().filter_map(|sample| sample.get(&measure).copied()).collect();
        Some(format!("{}: {}", measure.name(), measure.show(median(&values)?)))
    });
    println!("    {}", told.collect::<Vec<_>>().join(", "));
}

criterion_group!(benches, backpressure);
criterion_main!(benches);
