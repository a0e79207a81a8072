//! How long does a single write take to reach a sleeping reader?
//!
//! The time runs from before the write until the reader has the bytes. The program writes only after the reader has had
//! time to fall asleep. On one core a wake-up is a switch; on two the other core has to be woken too. Without
//! placement, the scheduler decides which.
//!
//! `cargo bench --bench trickle`

use std::io::{self, PipeReader, Read, Write};
use std::iter;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use pushpull::{Chunks, Thread};
use pushpull_benches::cores::Cores;

/// Long enough for a thread to fall asleep.
const NAP: Duration = Duration::from_micros(200);

/// Requests one write at a time and adds up how long each took.
struct Trickle {
    ask: mpsc::Sender<()>,
    written: mpsc::Receiver<Instant>,
}

/// The program's side.
struct Asked {
    asked: mpsc::Receiver<()>,
    written: mpsc::Sender<Instant>,
}

fn trickle() -> (Trickle, Asked) {
    let (ask, asked) = mpsc::channel();
    let (write, written) = mpsc::channel();
    (Trickle { ask, written }, Asked { asked, written: write })
}

impl Asked {
    fn serve(self, cores: Cores, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        cores.program();
        while self.asked.recv().is_ok() {
            thread::sleep(NAP);
            let before = Instant::now();
            write(b"8 bytes!")?;
            let _ = self.written.send(before);
        }
        Ok(())
    }
}

impl Trickle {
    fn measure(&self, times: u64, mut pull: impl FnMut() -> usize) -> Duration {
        let mut sum = Duration::ZERO;
        for _ in 0..times {
            self.ask.send(()).unwrap();
            assert_eq!(pull(), 8);
            let now = Instant::now();
            sum += now - self.written.recv().unwrap();
        }
        sum
    }
}

fn benches(c: &mut Criterion) {
    for (name, cores) in iter::once(("any core", Cores::Any)).chain(Cores::all()) {
        cores.host();
        trickles(c, name, cores);
    }
}

fn trickles(c: &mut Criterion, name: &str, cores: Cores) {
    let mut group = c.benchmark_group(format!("trickle/{name}"));
    group.sample_size(30).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(3));

    let (asker, asked) = trickle();
    let mut chunks: Chunks = Thread::new().pull(move |w| asked.serve(cores, |bytes| w.write_all(bytes)));
    group.bench_function("Thread", |b| {
        b.iter_custom(|times| asker.measure(times, || chunks.next().unwrap().unwrap().len()));
    });
    drop(asker);

    let (asker, asked) = trickle();
    let (sender, receiver) = crossbeam_channel::bounded::<Vec<u8>>(8);
    thread::spawn(move || asked.serve(cores, |bytes| sender.send(bytes.to_vec()).map_err(io::Error::other)));
    group.bench_function("crossbeam bounded(8)", |b| {
        b.iter_custom(|times| asker.measure(times, || receiver.recv().unwrap().len()));
    });
    drop(asker);

    let (asker, asked) = trickle();
    let (sender, receiver) = mpsc::sync_channel::<Vec<u8>>(8);
    thread::spawn(move || asked.serve(cores, |bytes| sender.send(bytes.to_vec()).map_err(io::Error::other)));
    group.bench_function("std sync_channel(8)", |b| {
        b.iter_custom(|times| asker.measure(times, || receiver.recv().unwrap().len()));
    });
    drop(asker);

    let (asker, asked) = trickle();
    let (reader, mut writer) = io::pipe().unwrap();
    thread::spawn(move || asked.serve(cores, |bytes| writer.write_all(bytes)));
    group.bench_function("std::io::pipe", |b| {
        b.iter_custom(|times| asker.measure(times, || read(&reader)));
    });
    drop(asker);
    group.finish();
}

fn read(mut reader: &PipeReader) -> usize {
    let mut buffer = [0; 64];
    reader.read(&mut buffer).unwrap()
}

criterion_group!(all, benches);
criterion_main!(all);
