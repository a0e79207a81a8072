//! How do capacity and chunk size matter if one side is faster than the other?
//!
//! The time is per byte. Below each setting, the benchmark prints wake-ups, the share of time that the writer was
//! blocked, bytes in flight, and the latency of a write.
//!
//! `cargo bench --bench backpressure`

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use pushpull_bench::run::speeds::{SPEEDS, settings};
use pushpull_bench::run::workload::Watching;
use pushpull_bench::{Effort, Measure, Sample, median, quantity};

fn backpressure(c: &mut Criterion) {
    let effort = Effort::full(Duration::ZERO);
    for (speeds, workload) in SPEEDS {
        for contender in pushpull_benches::contenders() {
            for sizes in settings(contender.about()) {
                let writes = workload.writes(sizes, effort);
                let bytes = writes * workload.write as u64;
                let mut group = c.benchmark_group(format!("backpressure/{speeds}"));
                group.throughput(Throughput::Bytes(bytes)).sampling_mode(SamplingMode::Flat).sample_size(10);
                group.warm_up_time(Duration::from_millis(50)).measurement_time(Duration::from_millis(500));
                let [chunk, capacity] = [sizes.chunk, sizes.capacity].map(|bytes| quantity::bytes(bytes as f64));
                let mut samples = Vec::new();
                group.bench_function(format!("{}, chunk {chunk}, capacity {capacity}", contender.name()), |b| {
                    b.iter_custom(|times| {
                        let mut time = Duration::ZERO;
                        for _ in 0..times {
                            let sample = contender.run(&workload, sizes, writes, Watching::Writes).unwrap();
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
