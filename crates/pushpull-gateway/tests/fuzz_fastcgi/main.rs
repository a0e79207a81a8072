//! Mutates the corpus and runs the record codec on it, for one second or for `FUZZ_SECONDS`. A failing input is written
//! to `tests/corpus/fastcgi`, to be kept.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use pushpull_gateway::fastcgi::{Decoder, MAX_PARAMS, Malformed, Pairs, Record, Stream};

/// A reproducible random number generator: xorshift64 (Marsaglia).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
}

fn mutate(bytes: &mut Vec<u8>, others: &[Vec<u8>], dice: &mut Dice) {
    for _ in 0..=dice.roll(6) {
        let at = dice.roll(bytes.len() + 1);
        match dice.roll(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, dice.roll(256) as u8),
            2 => bytes.splice(at..at, others[dice.roll(others.len())].iter().copied()).for_each(drop),
            3 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            4 if at < bytes.len() => bytes[at] = [0, 1, 4, 5, 8, 0x7f, 0x80, 0xff][dice.roll(8)],
            _ if at < bytes.len() => drop(bytes.remove(at)),
            _ => {}
        }
    }
    bytes.truncate(8192);
}

/// The records, the parameters in them, and how the input ended.
type Read = (Vec<Record>, Vec<(Bytes, Bytes)>, Result<(), Malformed>);

/// Reads all records in pieces of this size, and the pairs in them.
fn read(bytes: &[u8], size: usize) -> Read {
    let (mut decoder, mut buffer, mut pairs) = (Decoder::new(), BytesMut::new(), Pairs::new(MAX_PARAMS));
    let (mut records, mut found) = (Vec::<Record>::new(), Vec::new());
    for piece in bytes.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(record)) => {
                    if let Record::Stream { stream: Stream::Params, content, .. } = &record {
                        if pairs.push(content.clone()).is_ok() {
                            while let Ok(Some(pair)) = pairs.next() {
                                found.push(pair);
                            }
                        }
                        continue;
                    }
                    if !matches!(record, Record::Stream { .. }) {
                        records.push(record);
                    }
                }
                Ok(None) => break,
                Err(malformed) => return (records, found, Err(malformed)),
            }
        }
        assert!(buffer.len() <= size.saturating_add(65_535), "bytes pile up");
    }
    let ended = decoder.finish(&buffer);
    (records, found, ended)
}

#[test]
fn requirement_24_mutated_records_are_read_the_same_however_they_are_split() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/fastcgi");
    let mut seeds: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(!seeds.is_empty(), "there is no corpus");
    let seconds = std::env::var("FUZZ_SECONDS").map_or(1, |text| text.parse().unwrap());
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut dice, mut rounds) = (Dice(0x9e37_79b9_7f4a_7c15), 0_u64);
    // The corpus itself, then mutations of it until the time is over.
    while rounds < seeds.len() as u64 || Instant::now() < until {
        let mut bytes = seeds[rounds as usize % seeds.len()].clone();
        if rounds >= seeds.len() as u64 {
            mutate(&mut bytes, &seeds, &mut dice);
        }
        rounds += 1;
        let size = 1 + dice.roll(64);
        let same = catch_unwind(AssertUnwindSafe(|| assert_eq!(read(&bytes, usize::MAX >> 1), read(&bytes, size))));
        if let Err(panic) = same {
            fs::write(corpus.join(format!("found-{rounds}")), &bytes).unwrap();
            std::panic::resume_unwind(panic);
        }
    }
    println!("{rounds} inputs");
}
