//! What does one ready chunk cost, from the program to the reader?

use std::hint::black_box;
use std::io;
use std::time::Instant;

use bytes::Bytes;

use super::Trial;
use crate::contender::{About, Sizes};
use crate::effort::Effort;
use crate::entry::Entry;
use crate::report::figure::{Measure, Sample};
use crate::report::{Case, DYN_CALL};
use crate::workload::Workload;

const CHUNKS: usize = 64_000;
const LEN: usize = 1024;

pub fn trials(contenders: &[Entry], effort: Effort) -> Vec<Trial> {
    let chunks = CHUNKS / effort.divisor;
    let case = Case::new("a ready chunk of 1 KiB", &Workload::of_writes(LEN), Sizes { chunk: LEN, ..Sizes::DEFAULT });
    let simplest =
        Trial::new(case.clone(), About::new(DYN_CALL), move || timed(chunks, |ready| Ok(dyn_call(ready, chunks))));
    let takes_chunks = |contender: &&Entry| contender.hand_over(Bytes::from_static(&[7]), 0).is_some();
    let of_contender = |contender: &Entry| {
        let (contender, about) = (contender.clone(), contender.about());
        Trial::new(case.clone(), about, move || {
            timed(chunks, |ready| contender.hand_over(ready, chunks).unwrap_or(Ok(0)))
        })
    };
    let trials = contenders.iter().filter(takes_chunks).map(of_contender);
    std::iter::once(simplest).chain(trials).collect()
}

fn timed(chunks: usize, hand_over: impl FnOnce(Bytes) -> io::Result<usize>) -> io::Result<Sample> {
    let ready = Bytes::from(vec![7; LEN]);
    let start = Instant::now();
    let bytes = hand_over(ready)?;
    let time = start.elapsed();
    if bytes != chunks * LEN {
        return Err(io::Error::other(format!("{bytes} bytes arrived: expected {}", chunks * LEN)));
    }
    Ok(Sample::from([(Measure::Time, time.as_secs_f64() / chunks as f64)]))
}

/// Calls a closure with each chunk: the simplest push.
fn dyn_call(ready: Bytes, chunks: usize) -> usize {
    let mut bytes = 0;
    let mut take = |chunk: Bytes| bytes += chunk.len();
    let sink: &mut dyn FnMut(Bytes) = black_box(&mut take);
    for _ in 0..chunks {
        sink(ready.clone());
    }
    bytes
}
