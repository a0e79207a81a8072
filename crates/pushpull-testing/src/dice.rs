//! Reproducible random numbers.

/// A pseudo-random generator with the same numbers in every run: xorshift64 (Marsaglia).
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// Returns a number below `sides`, and 0 if there is none.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }

    /// Returns one of several values.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}
