//! What does code that writes cost, as a stream for a task of tokio's, beside what one writes by hand?
//!
//! `cargo bench --bench stream`

mod baseline;
#[path = "stream/by_hand.rs"]
mod by_hand;

use std::future::poll_fn;
use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use baseline::cores::Cores;
use baseline::{Consumed, writes};
use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use futures_util::Stream;
use pushpull::{Local, Pool, Thread};
use tokio::runtime::{Builder, Runtime};

/// As many bytes as every one of them may hold in between: the default capacity of the bridges.
const CAPACITY: usize = baseline::CHUNK * baseline::QUEUE;

/// How much is written, and in what pieces.
#[derive(Clone, Copy)]
struct Job {
    data: &'static [u8],
    total: usize,
    cores: Cores,
}

impl Job {
    /// What every program does.
    fn write(self, w: &mut impl io::Write) -> io::Result<()> {
        self.cores.program();
        writes(w, black_box(self.data), self.total)
    }
}

async fn consume(mut stream: impl Stream<Item = io::Result<Bytes>> + Unpin) -> Consumed {
    let mut consumed = Consumed::default();
    while let Some(chunk) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        consumed.take(&chunk.unwrap());
    }
    consumed
}

fn stream(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().unwrap();
    // Once: a thread that was put on one core knows of no other.
    let placements = Cores::all();
    for (name, size, total) in [("64 B", 64, 4 << 20), ("4 KiB", 4 << 10, 64 << 20), ("64 KiB", 64 << 10, 128 << 20)] {
        let data: &'static [u8] = vec![7; size].leak();
        for (cores_name, cores) in &placements {
            cores.host();
            let mut group = c.benchmark_group(format!("stream/{name}, {cores_name}"));
            group.throughput(Throughput::Elements((total / size) as u64));
            group.sampling_mode(SamplingMode::Flat).sample_size(10);
            group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
            side_by_side(&mut group, &runtime, Job { data, total, cores: *cores });
        }
    }
}

fn side_by_side(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, job: Job) {
    let total = job.total as u64;
    group.bench_function("Local", |b| {
        // On the host's own core, whichever the others use.
        let write = move |w: &mut pushpull::local::Writer| writes(w, black_box(job.data), job.total);
        b.iter(|| runtime.block_on(consume(Local::new().pull(write))).expect(total));
    });
    group.bench_function("Thread", |b| {
        b.iter(|| runtime.block_on(consume(Thread::new().pull(move |w| job.write(w)))).expect(total));
    });
    let pool = Pool::new(1);
    group.bench_function("Pool", |b| {
        b.iter(|| runtime.block_on(consume(pool.pull(move |w| job.write(w)))).expect(total));
    });
    group.bench_function("simplex + SyncIoBridge", |b| {
        b.iter(|| runtime.block_on(by_hand::simplex(job)).expect(total));
    });
    group.bench_function("mpsc + blocking_send", |b| {
        b.iter(|| runtime.block_on(by_hand::mpsc(job)).expect(total));
    });
    group.bench_function("mpsc + blocking_send, gathered", |b| {
        b.iter(|| runtime.block_on(by_hand::mpsc_gathered(job)).expect(total));
    });
    group.bench_function("piper", |b| {
        b.iter(|| runtime.block_on(by_hand::piper(job)).expect(total));
    });
    group.bench_function("http-body-util Channel", |b| {
        b.iter(|| runtime.block_on(by_hand::channel(job)).expect(total));
    });
}

criterion_group!(benches, stream);
criterion_main!(benches);
