//! Programs that stay on their core.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc;

use crate::checksum::Checksum;
use crate::contender::{Program, Sizes, Way};
use crate::cores::Cores;
use crate::traffic::Writes;

/// A program that stays on its core.
pub struct Placed<P> {
    pub cores: Cores,
    pub program: P,
}

impl<P: Program> Program for Placed<P> {
    fn run(self, w: &mut impl Write) -> io::Result<()> {
        self.cores.program();
        self.program.run(w)
    }
}

/// Runs one bridge from its first byte to its last, and checks the bytes.
pub fn carry(way: impl Way, sizes: Sizes, cores: Cores, data: &Arc<[u8]>, times: u64) {
    let (done, told) = mpsc::channel();
    let program = Placed { cores, program: Writes { data: data.clone(), times, done } };
    let mut bridge = way.open(sizes, program).unwrap();
    let mut sum = Checksum::default();
    while bridge.pull(&mut |chunk| sum.take(chunk)).unwrap() {}
    assert!(told.recv().unwrap() == sum, "the bytes read differ from the bytes written");
}
