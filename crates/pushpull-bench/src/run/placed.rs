//! Programs that stay on their core.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc;

use crate::contender::{Contender, Program, Sizes};
use crate::run::checksum::Checksum;
use crate::run::traffic::Writes;

struct Placed<P> {
    place: Box<dyn FnOnce() + Send>,
    program: P,
}

impl<P: Program> Program for Placed<P> {
    fn run(self, w: &mut impl Write) -> io::Result<()> {
        (self.place)();
        self.program.run(w)
    }
}

/// Runs one bridge from its first byte to its last, and checks the bytes.
pub(crate) fn carry(
    contender: &impl Contender,
    sizes: Sizes,
    place: Box<dyn FnOnce() + Send>,
    data: &Arc<[u8]>,
    times: u64,
) -> io::Result<()> {
    let (done, told) = mpsc::channel();
    let program = Placed { place, program: Writes { data: data.clone(), times, done } };
    let mut bridge = contender.open(sizes, program)?;
    let mut sum = Checksum::default();
    while bridge.pull(&mut |chunk| sum.take(chunk))? {}
    let written = told.recv().map_err(|_| io::Error::other("the program did not finish"))?;
    if written == sum { Ok(()) } else { Err(io::Error::other("the bytes read differ from the bytes written")) }
}
