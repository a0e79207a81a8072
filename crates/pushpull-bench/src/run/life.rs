//! Measures the life of a bridge, from its creation to its end.

use std::io::{self, Write};
use std::time::Instant;

use crate::contender::{Contender, Program, Sizes};
use crate::report::figure::{Measure, Sample};

/// The ways in which a bridge can end.
#[derive(Debug, Clone, Copy)]
pub enum Life {
    /// The program writes once and returns.
    Whole,
    /// The bridge is dropped before the first pull.
    Unpulled,
    /// The bridge is dropped after one chunk, while the program is still writing.
    Aborted,
}

struct Hello;

impl Program for Hello {
    fn run(self, w: &mut impl Write) -> io::Result<()> {
        w.write_all(b"hello")
    }
}

/// A program that writes until its reader is gone.
struct Endless;

impl Program for Endless {
    fn run(self, w: &mut impl Write) -> io::Result<()> {
        // The error means that the reader is gone, which is expected here.
        while w.write_all(&[7; 1024]).is_ok() {}
        Ok(())
    }
}

impl Life {
    /// All ways, with their names.
    pub const ALL: [(&str, Life); 3] =
        [("one chunk", Life::Whole), ("never pulled", Life::Unpulled), ("aborted", Life::Aborted)];

    fn once(self, contender: &impl Contender) -> io::Result<()> {
        let mut bytes = 0;
        match self {
            Life::Whole => {
                let mut bridge = contender.open(Sizes::DEFAULT, Hello)?;
                while bridge.pull(&mut |chunk| bytes += chunk.len())? {}
                return if bytes == 5 {
                    Ok(())
                } else {
                    Err(io::Error::other(format!("{bytes} bytes arrived: expected 5")))
                };
            }
            Life::Unpulled => drop(contender.open(Sizes::DEFAULT, Hello)?),
            Life::Aborted => {
                let going_on = contender.open(Sizes::DEFAULT, Endless)?.pull(&mut |chunk| bytes += chunk.len())?;
                if !going_on || bytes == 0 {
                    return Err(io::Error::other("an endless program delivered nothing"));
                }
            }
        }
        Ok(())
    }
}

/// Runs `count` bridges, one after the other.
pub(crate) fn live(contender: &impl Contender, life: Life, count: usize) -> io::Result<Sample> {
    let start = Instant::now();
    (0..count).try_for_each(|_| life.once(contender))?;
    Ok(Sample::from([(Measure::Time, start.elapsed().as_secs_f64() / count as f64)]))
}
