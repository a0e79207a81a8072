//! What does a byte cost, in small writes or in large ones?
//!
//! `cargo bench --bench write_size`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use pushpull_bench::contenders::Local;
use pushpull_bench::run::checksum::Checksum;
use pushpull_bench::{Entry, Sizes, quantity};
use pushpull_benches::between_threads;
use pushpull_benches::cores::Cores;

const WRITES: [usize; 8] = [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];

/// Returns the bytes to write with each write size: some milliseconds.
fn total(write: usize) -> usize {
    (write << 19).clamp(32 << 20, 256 << 20)
}

fn write_size(c: &mut Criterion) {
    let placements = Cores::all();
    for write in WRITES {
        let name = quantity::bytes(write as f64);
        let data: Arc<[u8]> = vec![7; write].into();
        alone(&mut group(c, &name, write), &data);
        for (cores_name, cores) in &placements {
            cores.host();
            apart(&mut group(c, &format!("{name}, {cores_name}"), write), *cores, &data);
        }
    }
}

fn group<'a>(c: &'a mut Criterion, name: &str, write: usize) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(format!("write_size/{name}"));
    group.throughput(Throughput::Bytes(total(write) as u64));
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    group
}

/// Runs program and reader in turns on one thread.
fn alone(group: &mut BenchmarkGroup<'_, WallTime>, data: &Arc<[u8]>) {
    let times = total(data.len()) / data.len();
    let chunk = Sizes::DEFAULT.chunk;
    let mut vec = Vec::with_capacity(chunk.max(data.len()));
    group.bench_function("into a Vec", |b| {
        b.iter(|| {
            let mut sum = Checksum::default();
            for _ in 0..times {
                vec.extend_from_slice(black_box(data));
                if vec.len() >= chunk {
                    sum.take(&vec);
                    vec.clear();
                }
            }
            assert_eq!(sum.bytes() as usize, times * data.len());
            sum
        });
    });
    group.bench_function("Local", |b| {
        let local = Entry::new(Local);
        b.iter(|| local.carry(Sizes::DEFAULT, || (), data, times as u64).unwrap());
    });
}

/// Runs program and reader on a thread each.
fn apart(group: &mut BenchmarkGroup<'_, WallTime>, cores: Cores, data: &Arc<[u8]>) {
    let times = (total(data.len()) / data.len()) as u64;
    for contender in between_threads() {
        group.bench_function(contender.name(), |b| {
            b.iter(|| contender.carry(Sizes::DEFAULT, move || cores.program(), data, times).unwrap());
        });
    }
}

criterion_group!(benches, write_size);
criterion_main!(benches);
