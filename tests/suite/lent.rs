//! Writes that a program on `Local` lends: whole if the host reads them in place, in pieces if the host keeps them.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use proptest::prelude::*;
use pushpull::local::{Chunks, Step};
use pushpull::{Error, Local};

const PIECE: usize = 64 << 10;

/// Returns bytes in which a shift by a multiple of a power of two is found.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place % 251) as u8).collect()
}

/// Returns the bytes, and a program that writes them in writes of these lengths.
fn written(lens: Vec<usize>) -> (Vec<u8>, impl FnOnce(&mut pushpull::local::Writer) -> io::Result<()>) {
    let all = bytes(lens.iter().sum());
    let mut rest = all.clone();
    (all, move |w| {
        lens.into_iter().try_for_each(|len| {
            let next = rest.split_off(len);
            w.write_all(&std::mem::replace(&mut rest, next))
        })
    })
}

fn next(chunks: &mut Chunks) -> usize {
    chunks.next().map_or(0, |chunk| chunk.unwrap().len())
}

#[test]
fn a_large_write_comes_in_pieces_and_the_program_waits_for_all_of_them() {
    let after = Rc::new(Cell::new(0));
    let told = after.clone();
    let mut chunks = Local::new().pull(move |w| {
        w.write_all(b"first")?;
        w.write_all(&bytes(2 * PIECE + 1))?;
        told.set(told.get() + 1);
        w.write_all(&bytes(2 * PIECE))?;
        told.set(told.get() + 1);
        Ok(())
    });
    let mut taken = Vec::new();
    for (len, writes) in [(5, 0), (PIECE, 0), (PIECE, 0), (1, 0), (PIECE, 1), (PIECE, 1), (0, 2)] {
        assert_eq!((next(&mut chunks), after.get()), (len, writes));
        taken.push(len as u64);
        assert_eq!(chunks.stats().bytes, taken.iter().sum::<u64>());
        assert_eq!(chunks.stats().chunks, taken.iter().filter(|len| **len > 0).count() as u64);
    }
}

#[test]
fn a_piece_is_no_shorter_than_a_chunk() {
    let mut chunks = Local::new().chunk_size(3 * PIECE).pull(|w| w.write_all(&bytes(4 * PIECE)));
    assert_eq!([next(&mut chunks), next(&mut chunks), next(&mut chunks)], [3 * PIECE, PIECE, 0]);
}

#[test]
fn law_5_an_unbuffered_write_is_one_chunk() {
    let mut chunks = Local::new().chunk_size(3 * PIECE).unbuffered().pull(|w| {
        w.write_all(&bytes(4 * PIECE + 1))?;
        w.write_all(b"next")
    });
    assert_eq!([next(&mut chunks), next(&mut chunks), next(&mut chunks)], [4 * PIECE + 1, 4, 0]);
}

#[test]
fn law_7_a_reader_dropped_between_two_pieces_ends_the_write() {
    let end = Rc::new(Cell::new(None));
    let told = end.clone();
    let mut chunks = Local::new().pull(move |w| {
        told.set(Some(w.write_all(&bytes(3 * PIECE))));
        Ok(())
    });
    next(&mut chunks);
    drop(chunks);
    assert!(Error::of(&end.take().unwrap().unwrap_err()).unwrap().is_disconnected());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Every kind of host receives the rest once, however many pieces were pulled before.
    #[test]
    fn law_1_every_host_gets_the_rest(
        lens in proptest::collection::vec(prop_oneof![0..200_usize, PIECE - 2..PIECE + 2, 0..5 * PIECE], 0..6),
        chunk_size in prop_oneof![1..100_usize, Just(PIECE), Just(2 * PIECE)],
        pulled in prop_oneof![0..4_usize, 0..12_usize],
    ) {
        let begun = |taken: &mut Vec<u8>| {
            let (all, program) = written(lens.clone());
            let mut chunks = Local::new().chunk_size(chunk_size).pull(program);
            for chunk in chunks.by_ref().take(pulled) {
                taken.extend_from_slice(&chunk.unwrap());
            }
            (all, chunks)
        };
        let mut taken = Vec::new();
        let (all, chunks) = begun(&mut taken);
        chunks.for_each(|chunk| taken.extend_from_slice(&chunk.unwrap()));
        prop_assert!(taken == all, "pulled");

        let mut taken = Vec::new();
        let (all, chunks) = begun(&mut taken);
        chunks.into_reader().read_to_end(&mut taken).unwrap();
        prop_assert!(taken == all, "read");

        let mut taken = Vec::new();
        let (all, mut chunks) = begun(&mut taken);
        let before = taken.len() as u64;
        prop_assert_eq!(chunks.drive_into(&mut taken).unwrap() + before, all.len() as u64);
        prop_assert!(taken == all, "driven");
        prop_assert_eq!(chunks.stats().bytes, all.len() as u64);

        let mut taken = Vec::new();
        let (all, mut chunks) = begun(&mut taken);
        chunks.head().wait().unwrap();
        chunks.for_each(|chunk| taken.extend_from_slice(&chunk.unwrap()));
        prop_assert!(taken == all, "pulled after a wait for the head");

        let mut taken = Vec::new();
        let (all, program) = written(lens.clone());
        let mut steps = Local::new().chunk_size(chunk_size).filter(|_, w| program(w)).steps();
        while let Step::Chunk(chunk) = steps.step().unwrap() {
            taken.extend_from_slice(&chunk);
        }
        prop_assert!(taken == all, "stepped");
        prop_assert_eq!(steps.stats().bytes, all.len() as u64);
    }
}
