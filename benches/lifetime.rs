//! What does a bridge cost that lives for one chunk?
//!
//! `cargo bench --bench lifetime`

use std::hint::black_box;
use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use generator::{Gn, done};
use pushpull::{Local, Pool, Thread};
use pushpull_bench::Measure;
use pushpull_bench::run::life::Life;
use pushpull_benches::cores::Cores;

/// Runs one bridge of a pool from its creation to its end.
fn pooled(pool: &Pool) {
    let mut chunks = pool.pull(|w| w.write_all(black_box(b"hello")));
    assert_eq!(black_box(chunks.next().unwrap().unwrap()).len(), 5);
}

/// Does the same inside a program of that pool.
fn pooled_inside(pool: &Pool, times: u64) -> Duration {
    let inner = pool.clone();
    let feed = pool.push(move |_| {
        let start = Instant::now();
        (0..times).for_each(|_| pooled(&inner));
        Ok(start.elapsed())
    });
    feed.finish().unwrap()
}

/// Longer than a worker looks before it sleeps.
const PAUSE: Duration = Duration::from_micros(500);

/// Runs bridges from outside, with the thread that pulls and the only worker on these processors. With a pause the
/// worker is asleep when a bridge begins, and both sides have to be woken.
fn placed(cores: Cores, pause: Option<Duration>, times: u64) -> Duration {
    let measured = move || {
        let pool = Pool::new(1);
        pool.pull(move |_| {
            cores.program();
            Ok(())
        })
        .for_each(drop);
        cores.host();
        let run = |_| {
            pause.into_iter().for_each(thread::sleep);
            let start = Instant::now();
            pooled(&pool);
            start.elapsed()
        };
        match pause {
            Some(_) => (0..times).map(run).sum(),
            None => {
                let start = Instant::now();
                (0..times).for_each(|_| pooled(&pool));
                start.elapsed()
            }
        }
    };
    // On a thread of its own: it stays where it was placed.
    thread::spawn(measured).join().unwrap()
}

type Job = Box<dyn FnOnce() + Send>;

/// Starts a thread that waits for jobs, as written by hand.
fn fed_thread() -> crossbeam_channel::Sender<Job> {
    let (sender, jobs) = crossbeam_channel::unbounded::<Job>();
    thread::spawn(move || jobs.into_iter().for_each(|job| job()));
    sender
}

fn fed(jobs: &crossbeam_channel::Sender<Job>) {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    jobs.send(Box::new(move || sender.send(Bytes::from_static(black_box(b"hello"))).unwrap())).unwrap();
    assert_eq!(black_box(receiver.recv().unwrap()).len(), 5);
}

fn lifetime(c: &mut Criterion) {
    let mut group = c.benchmark_group("lifetime");
    group.bench_function("Local, a ready chunk", |b| {
        b.iter(|| {
            let mut chunks = Local::new().pull(|w| w.write_bytes(Bytes::from_static(b"hello")));
            assert_eq!(black_box(chunks.next().unwrap().unwrap()).len(), 5);
        });
    });
    group.bench_function("Local, a small write", |b| {
        b.iter(|| {
            let mut chunks = Local::new().pull(|w| w.write_all(black_box(b"hello")));
            assert_eq!(black_box(chunks.next().unwrap().unwrap()).len(), 5);
        });
    });
    group.bench_function("Local, never pulled", |b| {
        b.iter(|| drop(black_box(Local::new().pull(|w| w.write_all(black_box(b"hello"))))));
    });
    group.bench_function("generator", |b| {
        b.iter(|| {
            let mut chunks = Gn::new_scoped(|mut scope| {
                scope.yield_(Bytes::from_static(b"hello"));
                done!()
            });
            assert_eq!(black_box(chunks.next().unwrap()).len(), 5);
        });
    });
    group.bench_function("Thread, a small write", |b| {
        b.iter(|| {
            let mut chunks = Thread::new().pull(|w| w.write_all(black_box(b"hello")));
            assert_eq!(black_box(chunks.next().unwrap().unwrap()).len(), 5);
        });
    });
    for workers in [1, 2] {
        let pool = Pool::new(workers);
        group.bench_function(format!("Pool of {workers}, from outside"), |b| b.iter(|| pooled(&pool)));
        group.bench_function(format!("Pool of {workers}, from inside"), |b| {
            b.iter_custom(|times| pooled_inside(&pool, times));
        });
    }
    for (name, cores) in Cores::all() {
        group.bench_function(format!("Pool of 1, from outside, {name}"), |b| {
            b.iter_custom(|times| placed(cores, None, times));
        });
        group.bench_function(format!("Pool of 1, from outside, {name}, asleep"), |b| {
            b.iter_custom(|times| placed(cores, Some(PAUSE), times));
        });
    }
    let jobs = fed_thread();
    group.bench_function("crossbeam-fed pooled thread", |b| b.iter(|| fed(&jobs)));
    group.bench_function("std::thread + sync_channel", |b| {
        b.iter(|| {
            let (sender, receiver) = mpsc::sync_channel(1);
            let producer = thread::spawn(move || sender.send(Bytes::from_static(b"hello")));
            assert_eq!(black_box(receiver.recv().unwrap()).len(), 5);
            producer.join().unwrap().unwrap();
        });
    });
    group.finish();
}

/// Measures the three lives of a bridge with all contenders.
fn lives(c: &mut Criterion) {
    for (name, life) in Life::ALL {
        let mut group = c.benchmark_group(format!("lifetime/{name}"));
        group.sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        for contender in pushpull_benches::contenders() {
            group.bench_function(contender.name(), |b| {
                b.iter_custom(|times| {
                    let each = contender.live(life, times as usize).unwrap()[&Measure::Time];
                    Duration::from_secs_f64(each * times as f64)
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, lifetime, lives);
criterion_main!(benches);
