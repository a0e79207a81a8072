//! What does a program cost that reads a stream, not memory? What does a filter cost as a layer of a stream?
//!
//! `cargo bench --bench feed`

use std::future::poll_fn;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_util::Stream;
use pushpull::{Local, Pool, Thread};
use tokio::runtime::Builder;

/// The approximate size of the pieces that hyper passes to a body.
const PIECE: usize = 16 << 10;

/// Creates an archive of files of every size.
fn archive() -> Bytes {
    let mut archive = tar::Builder::new(Vec::new());
    for n in 0..400_usize {
        let mut header = tar::Header::new_gnu();
        header.set_size((n * 211) as u64);
        header.set_cksum();
        archive.append_data(&mut header, format!("file {n}"), &*vec![n as u8; n * 211]).unwrap();
    }
    archive.into_inner().unwrap().into()
}

/// Parses with a library that only knows `Read`. Returns the number of files and the sum of their bytes.
fn parse(reader: impl Read) -> io::Result<(usize, u64)> {
    let mut buffer = vec![0; 64 << 10];
    let (mut files, mut sum) = (0, 0);
    for entry in tar::Archive::new(reader).entries()? {
        let mut entry = entry?;
        files += 1;
        loop {
            match entry.read(&mut buffer)? {
                0 => break,
                len => sum += buffer[..len].iter().map(|byte| u64::from(*byte)).sum::<u64>(),
            }
        }
    }
    Ok((files, sum))
}

/// Creates lines that are not trivial to compress.
fn text() -> Bytes {
    let mut text = Vec::new();
    let mut number = 1_u64;
    while text.len() < 2 << 20 {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        writeln!(text, "{},{:.3},a line of a table", number >> 40, (number >> 33) as f64 / 1000.0).unwrap();
    }
    text.into()
}

/// Returns the bytes as pieces that are ready at once.
fn pieces(bytes: &Bytes) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + use<> {
    let bytes = bytes.clone();
    let count = bytes.len().div_ceil(PIECE);
    futures_util::stream::iter((0..count).map(move |n| Ok(bytes.slice(n * PIECE..bytes.len().min((n + 1) * PIECE)))))
}

/// A reader of memory that stops at the end of each piece. It shows what the pieces cost without a bridge.
struct Torn<'a>(&'a [u8], usize);

impl Read for Torn<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(PIECE - self.1 % PIECE);
        let len = self.0.read(&mut into[..most])?;
        self.1 += len;
        Ok(len)
    }
}

async fn length(mut stream: impl Stream<Item = io::Result<Bytes>> + Unpin) -> usize {
    let mut length = 0;
    while let Some(chunk) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        length += black_box(chunk.unwrap()).len();
    }
    length
}

fn upload(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().unwrap();
    let archive = archive();
    let expected = parse(&archive[..]).unwrap();
    assert_eq!(expected.0, 400);
    let mut group = c.benchmark_group("feed/tar");
    group.throughput(Throughput::Bytes(archive.len() as u64));
    group.sampling_mode(SamplingMode::Flat).sample_size(30).measurement_time(Duration::from_secs(3));
    group.bench_function("from memory", |b| b.iter(|| assert_eq!(parse(black_box(&archive[..])).unwrap(), expected)));
    group.bench_function("from memory, in pieces", |b| {
        b.iter(|| assert_eq!(parse(Torn(black_box(&archive[..]), 0)).unwrap(), expected));
    });
    group.bench_function("Local", |b| {
        b.iter(|| {
            let value = Local::new().push(|r| parse(r)).feed_from_stream(pieces(black_box(&archive)));
            assert_eq!(runtime.block_on(value).unwrap(), expected);
        });
    });
    let pool = Pool::new(1);
    group.bench_function("Pool", |b| {
        b.iter(|| {
            let value = pool.push(|r| parse(r)).feed_from_stream(pieces(black_box(&archive)));
            assert_eq!(runtime.block_on(value).unwrap(), expected);
        });
    });
    group.bench_function("Thread", |b| {
        b.iter(|| {
            let value = Thread::new().push(|r| parse(r)).feed_from_stream(pieces(black_box(&archive)));
            assert_eq!(runtime.block_on(value).unwrap(), expected);
        });
    });
}

/// Reads, and writes into an encoder: a layer written by hand.
fn gzip(mut r: impl Read, w: impl Write) -> io::Result<()> {
    let mut gzip = GzEncoder::new(w, Compression::default());
    io::copy(&mut r, &mut gzip)?;
    gzip.finish().map(drop)
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut text).unwrap();
    text
}

fn layer(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().unwrap();
    let text = text();
    let from_memory = || {
        let mut packed = Vec::new();
        gzip(black_box(&text[..]), &mut packed).unwrap();
        packed
    };
    let length_from_memory = from_memory().len();
    let mut group = c.benchmark_group("feed/gzip");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.sampling_mode(SamplingMode::Flat).sample_size(20).measurement_time(Duration::from_secs(3));
    group.bench_function("into a Vec", |b| b.iter(|| assert_eq!(from_memory().len(), length_from_memory)));
    macro_rules! filter {
        ($name:literal, $engine:expr) => {
            let pull = || $engine.filter(|r, w| gzip(r, w)).pull_from_stream(pieces(black_box(&text)));
            let packed: Vec<Bytes> = pull().collect::<io::Result<_>>().unwrap();
            // The output differs from that of memory: an encoder splits its blocks where its input is split.
            let packed = packed.concat();
            assert!(unpack(&packed) == text, "what came out is not what went in");
            group.bench_function($name, |b| b.iter(|| assert_eq!(runtime.block_on(length(pull())), packed.len())));
        };
    }
    filter!("Local", Local::new());
    let pool = Pool::new(1);
    filter!("Pool", pool);
    filter!("Thread", Thread::new());
}

criterion_group!(benches, upload, layer);
criterion_main!(benches);
