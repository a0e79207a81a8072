//! What does a bridge cost that lives for one chunk?
//!
//! `cargo bench --bench lifetime`

use std::hint::black_box;
use std::io::Write;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use generator::{Gn, done};
use pushpull::{Local, Thread};

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

criterion_group!(benches, lifetime);
criterion_main!(benches);
