//! What does a byte cost, written in small pieces or in large ones?
//!
//! `cargo bench --bench write_size`

mod baseline;

use std::hint::black_box;
use std::io::{BufWriter, PipeWriter};
use std::time::Duration;

use baseline::cores::Cores;
use baseline::{Consumed, GatherInto, writes};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use pushpull::{Local, Pool, Thread};

fn consume(chunks: impl Iterator<Item = std::io::Result<bytes::Bytes>>) -> Consumed {
    let mut consumed = Consumed::default();
    for chunk in chunks {
        consumed.take(&chunk.unwrap());
    }
    consumed
}

fn write_size(c: &mut Criterion) {
    let placements = Cores::all();
    for (name, size, total) in [("64 B", 64, 32 << 20), ("64 KiB", 64 << 10, 256 << 20)] {
        let data: &'static [u8] = vec![7; size].leak();
        alone(&mut group(c, name, size, total), data, total);
        for (cores_name, cores) in &placements {
            cores.host();
            apart(&mut group(c, &format!("{name}, {cores_name}"), size, total), *cores, data, total);
        }
    }
}

fn group<'a>(c: &'a mut Criterion, name: &str, size: usize, total: usize) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(format!("write_size/{name}"));
    group.throughput(Throughput::Elements((total / size) as u64));
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group
}

/// Program and host take turns on one thread.
fn alone(group: &mut BenchmarkGroup<'_, WallTime>, data: &'static [u8], total: usize) {
    let mut vec = Vec::with_capacity(baseline::CHUNK.max(data.len()));
    group.bench_function("into a Vec", |b| {
        b.iter(|| {
            let mut consumed = Consumed::default();
            for _ in 0..total / data.len() {
                vec.extend_from_slice(black_box(data));
                if vec.len() >= baseline::CHUNK {
                    consumed.take(&vec);
                    vec.clear();
                }
            }
            consumed.expect(total as u64)
        });
    });
    group.bench_function("Local", |b| {
        b.iter(|| consume(Local::new().pull(move |w| writes(w, black_box(data), total))).expect(total as u64));
    });
}

/// Program and host have a thread each.
fn apart(group: &mut BenchmarkGroup<'_, WallTime>, cores: Cores, data: &'static [u8], total: usize) {
    group.bench_function("Thread", |b| {
        b.iter(|| {
            let program = move |w: &mut pushpull::Writer| {
                cores.program();
                writes(w, black_box(data), total)
            };
            consume(Thread::new().pull(program)).expect(total as u64)
        });
    });
    let pool = Pool::new(1);
    group.bench_function("Pool", |b| {
        b.iter(|| {
            let program = move |w: &mut pushpull::Writer| {
                cores.program();
                writes(w, black_box(data), total)
            };
            consume(pool.pull(program)).expect(total as u64)
        });
    });
    group.bench_function("crossbeam + BytesMut", |b| {
        b.iter(|| {
            let program = move |w: &mut GatherInto| {
                cores.program();
                writes(w, black_box(data), total)
            };
            baseline::crossbeam(program).expect(total as u64)
        });
    });
    group.bench_function("std sync_channel + BytesMut", |b| {
        b.iter(|| {
            let program = move |w: &mut GatherInto| {
                cores.program();
                writes(w, black_box(data), total)
            };
            baseline::sync_channel(program).expect(total as u64)
        });
    });
    group.bench_function("std::io::pipe + BufWriter", |b| {
        b.iter(|| {
            let program = move |w: &mut BufWriter<PipeWriter>| {
                cores.program();
                writes(w, black_box(data), total)
            };
            baseline::io_pipe(program).expect(total as u64)
        });
    });
}

criterion_group!(benches, write_size);
criterion_main!(benches);
