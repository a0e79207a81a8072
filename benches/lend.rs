//! What does a program that writes large pieces cost through a bridge, compared with writing to the sink directly?
//!
//! `cargo bench --bench lend`

use std::hint::black_box;
use std::io::{self, Read, Write};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pushpull::Local;

const PIECE: usize = 1 << 20;
const PIECES: usize = 16;

/// A sink that keeps the last piece.
struct Last(Vec<u8>);

impl Write for Last {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.clear();
        self.0.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn program(w: &mut impl Write, piece: &[u8]) -> io::Result<()> {
    for _ in 0..PIECES {
        w.write_all(black_box(piece))?;
    }
    Ok(())
}

fn lend(c: &mut Criterion) {
    let piece: &'static [u8] = vec![7; PIECE].leak();
    let mut sink = Last(Vec::with_capacity(PIECE));
    let mut group = c.benchmark_group("lend");
    group.throughput(Throughput::Bytes((PIECE * PIECES) as u64));
    group.bench_function("the program with the sink itself", |b| b.iter(|| program(&mut sink, piece).unwrap()));
    group.bench_function("Local, drive_into", |b| {
        b.iter(|| {
            let moved = Local::new().pull(move |w| program(w, piece)).drive_into(&mut sink).unwrap();
            assert_eq!(moved, (PIECE * PIECES) as u64);
        });
    });
    let mut into = vec![0; PIECE];
    group.bench_function("Local, into_reader", |b| {
        b.iter(|| {
            let mut reader = Local::new().pull(move |w| program(w, piece)).into_reader();
            for _ in 0..PIECES {
                reader.read_exact(black_box(&mut into)).unwrap();
            }
        });
    });
    group.bench_function("Local, next (one copy)", |b| {
        b.iter(|| {
            for chunk in Local::new().pull(move |w| program(w, piece)) {
                sink.write_all(&chunk.unwrap()).unwrap();
            }
        });
    });
    group.finish();
}

criterion_group!(benches, lend);
criterion_main!(benches);
