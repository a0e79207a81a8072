//! A checksum. Both sides count and add up every byte, so that no contender skips work.

/// The number of bytes, and their sum modulo 255.
#[derive(Debug, Clone, Copy, Default)]
pub struct Checksum {
    bytes: u64,
    sum: u64,
}

/// The modulus of the sum.
const MODULUS: u64 = 255;

impl Checksum {
    /// Adds bytes.
    #[inline]
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        // 256 is 1 modulo 255, so a word is congruent to the sum of its bytes, wherever the stream is split: words
        // can be added instead of bytes.
        let (words, rest) = bytes.as_chunks::<4>();
        self.sum += words.iter().map(|word| u64::from(u32::from_le_bytes(*word))).sum::<u64>()
            + rest.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        if self.sum > u64::MAX / 4 {
            self.sum %= MODULUS;
        }
    }

    /// Returns the checksum of the same bytes repeated `times` times.
    pub fn times(self, times: u64) -> Checksum {
        Checksum { bytes: self.bytes * times, sum: (self.sum % MODULUS) * (times % MODULUS) }
    }

    /// Returns how many bytes were added.
    pub fn bytes(self) -> u64 {
        self.bytes
    }
}

impl PartialEq for Checksum {
    fn eq(&self, other: &Checksum) -> bool {
        self.bytes == other.bytes && self.sum % MODULUS == other.sum % MODULUS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_does_not_depend_on_how_the_stream_is_split() {
        let stream: Vec<u8> = (0..1000_u32).map(|n| (n * n % 251) as u8).collect();
        let of = |size: usize| {
            let mut sum = Checksum::default();
            stream.chunks(size).for_each(|part| sum.take(part));
            sum
        };
        for size in 1..=stream.len() {
            assert_eq!(of(size), of(1));
        }
        assert_eq!(of(1).times(3), {
            let mut sum = of(7);
            stream.iter().chain(&stream).for_each(|byte| sum.take(&[*byte]));
            sum
        });
    }

    #[test]
    fn an_added_missing_or_changed_byte_changes_the_checksum() {
        let of = |bytes: &[u8]| {
            let mut sum = Checksum::default();
            sum.take(bytes);
            sum
        };
        assert_ne!(of(&[7; 100]), of(&[7; 99]));
        assert_ne!(of(&[7; 100]), of(&[7; 101]));
        let mut other = [7; 100];
        other[50] = 8;
        assert_ne!(of(&[7; 100]), of(&other));
    }
}
