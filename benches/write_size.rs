//! What does a byte cost, written in small pieces or in large ones?
//!
//! `cargo bench --bench write_size`

mod baseline;

use std::hint::black_box;
use std::time::Duration;

use baseline::{Consumed, writes};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use pushpull::{Local, Thread};

fn consume(chunks: impl Iterator<Item = std::io::Result<bytes::Bytes>>) -> Consumed {
    let mut consumed = Consumed::default();
    for chunk in chunks {
        consumed.take(&chunk.unwrap());
    }
    consumed
}

fn write_size(c: &mut Criterion) {
    for (name, size, total) in [("64 B", 64, 32 << 20), ("64 KiB", 64 << 10, 256 << 20)] {
        let data: &'static [u8] = vec![7; size].leak();
        let mut group = c.benchmark_group(format!("write_size/{name}"));
        group.throughput(Throughput::Elements((total / size) as u64));
        group.sampling_mode(SamplingMode::Flat).sample_size(20);
        group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
        let mut vec = Vec::with_capacity(baseline::CHUNK.max(size));
        group.bench_function("into a Vec", |b| {
            b.iter(|| {
                let mut consumed = Consumed::default();
                for _ in 0..total / size {
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
        group.bench_function("Thread", |b| {
            b.iter(|| consume(Thread::new().pull(move |w| writes(w, black_box(data), total))).expect(total as u64));
        });
        group.bench_function("crossbeam + BytesMut", |b| {
            b.iter(|| baseline::crossbeam(move |w| writes(w, black_box(data), total)).expect(total as u64));
        });
        group.bench_function("std sync_channel + BytesMut", |b| {
            b.iter(|| baseline::sync_channel(move |w| writes(w, black_box(data), total)).expect(total as u64));
        });
        group.bench_function("std::io::pipe + BufWriter", |b| {
            b.iter(|| baseline::io_pipe(move |w| writes(w, black_box(data), total)).expect(total as u64));
        });
        group.finish();
    }
}

criterion_group!(benches, write_size);
criterion_main!(benches);
