//! What do many bridges at once cost? Each moves 32 KiB in chunks of 4 KiB, and all take turns.
//!
//! `cargo bench --bench fan`

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use pushpull_bench::Measure;
use pushpull_bench::run::fan::{self, BRIDGES};

fn many(c: &mut Criterion) {
    // As with criterion: only check that the benchmark works.
    let is_test = std::env::args().any(|argument| argument == "--test");
    for bridges in BRIDGES.into_iter().filter(|bridges| !is_test || *bridges <= 100) {
        let mut group = c.benchmark_group(format!("fan/{bridges}"));
        group.throughput(Throughput::Elements(bridges as u64)).sampling_mode(SamplingMode::Flat).sample_size(10);
        group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        for contender in pushpull_benches::contenders() {
            // A system that refuses the threads or files is a result too.
            if let Err(error) = fan::run(&contender, bridges) {
                println!("fan/{bridges}/{}: {error}", contender.name());
                continue;
            }
            group.bench_function(contender.name(), |b| {
                b.iter_custom(|times| {
                    let run = |_| fan::run(&contender, bridges).map(|sample| sample[&Measure::Time] * bridges as f64);
                    Duration::from_secs_f64((0..times).map(run).sum::<std::io::Result<f64>>().unwrap())
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, many);
criterion_main!(benches);
