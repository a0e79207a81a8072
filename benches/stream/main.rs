//! What does code that writes cost as a stream for a tokio task, compared with code written by hand?
//!
//! `cargo bench --bench stream`

mod by_hand;

use std::future::poll_fn;
use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use futures_util::Stream;
use pushpull::{Local, Pool, Thread};
use pushpull_bench::Sizes;
use pushpull_bench::run::checksum::Checksum;
use pushpull_benches::cores::Cores;
use tokio::runtime::{Builder, Runtime};

/// The number of bytes that each contender may hold: the default capacity of a bridge.
const CAPACITY: usize = Sizes::DEFAULT.capacity;

/// The size of chunks of small writes, in bridges and by hand.
const CHUNK: usize = Sizes::DEFAULT.chunk;

/// The data of a write, the number of writes, and the cores.
#[derive(Clone, Copy)]
struct Job {
    data: &'static [u8],
    times: usize,
    cores: Cores,
}

impl Job {
    /// Writes everything on the program's core.
    fn write(self, w: &mut impl io::Write) -> io::Result<()> {
        self.cores.program();
        self.write_here(w)
    }

    /// Writes on the current core: that of the reader, wherever other contenders run.
    fn write_here(self, w: &mut impl io::Write) -> io::Result<()> {
        (0..self.times).try_for_each(|_| w.write_all(black_box(self.data)))
    }

    fn check(self, sum: Checksum) {
        let mut expected = Checksum::default();
        expected.take(self.data);
        assert!(sum == expected.times(self.times as u64), "the bytes read differ from the bytes written");
    }
}

async fn consume(mut stream: impl Stream<Item = io::Result<Bytes>> + Unpin) -> Checksum {
    let mut sum = Checksum::default();
    while let Some(chunk) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        sum.take(&chunk.unwrap());
    }
    sum
}

fn stream(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().unwrap();
    // Once only: a thread placed on one core does not see the others.
    let placements = Cores::all();
    for (name, size, total) in [("64 B", 64, 4 << 20), ("4 KiB", 4 << 10, 64 << 20), ("64 KiB", 64 << 10, 128 << 20)] {
        let data: &'static [u8] = (0..size).map(|n| (n % 251) as u8).collect::<Vec<_>>().leak();
        for (cores_name, cores) in &placements {
            cores.host();
            let mut group = c.benchmark_group(format!("stream/{name}, {cores_name}"));
            group.throughput(Throughput::Elements((total / size) as u64));
            group.sampling_mode(SamplingMode::Flat).sample_size(10);
            group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
            side_by_side(&mut group, &runtime, Job { data, times: total / size, cores: *cores });
        }
    }
}

fn side_by_side(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, job: Job) {
    group.bench_function("Local", |b| {
        b.iter(|| job.check(runtime.block_on(consume(Local::new().pull(move |w| job.write_here(w))))));
    });
    group.bench_function("Thread", |b| {
        b.iter(|| job.check(runtime.block_on(consume(Thread::new().pull(move |w| job.write(w))))));
    });
    let pool = Pool::new(1);
    group.bench_function("Pool", |b| {
        b.iter(|| job.check(runtime.block_on(consume(pool.pull(move |w| job.write(w))))));
    });
    group.bench_function("simplex + SyncIoBridge", |b| {
        b.iter(|| job.check(runtime.block_on(by_hand::simplex(job))));
    });
    group.bench_function("mpsc + blocking_send", |b| {
        b.iter(|| job.check(runtime.block_on(by_hand::mpsc(job))));
    });
    group.bench_function("mpsc + blocking_send, gathered", |b| {
        b.iter(|| job.check(runtime.block_on(by_hand::mpsc_gathered(job))));
    });
    group.bench_function("piper", |b| {
        b.iter(|| job.check(runtime.block_on(by_hand::piper(job))));
    });
    group.bench_function("http-body-util Channel", |b| {
        b.iter(|| job.check(runtime.block_on(by_hand::channel(job))));
    });
}

criterion_group!(benches, stream);
criterion_main!(benches);
