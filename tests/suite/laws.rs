//! The laws that every engine keeps, each stated once.

#[cfg(feature = "stream")]
use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::panic::{self, AssertUnwindSafe};
#[cfg(feature = "stream")]
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
#[cfg(feature = "stream")]
use std::task::{Context, Poll, Waker};

use crate::support::engine::{Engine, Outlet, Pushes, Setup, drain, is_disconnected};
use bytes::Bytes;
#[cfg(feature = "stream")]
use futures_util::Stream;
use pushpull::Error;
#[cfg(feature = "stream")]
use pushpull::{Local, Pool, Thread, pipe};
use pushpull_testing::guard::guard;
use pushpull_testing::watchdog::within;

/// Returns a program that writes in every possible way, and its bytes.
fn every_way() -> (Pushes, Vec<u8>) {
    let program: Pushes = Box::new(|w| {
        w.write_all(b"small ")?;
        w.write_all(b"")?;
        w.write_bytes(Bytes::from_static(b"handed over "))?;
        w.write_bytes(Bytes::new())?;
        w.flush()?;
        w.flush()?;
        w.write_all(&[b'.'; 500])?;
        let parts = [&b"vec"[..], b"", b"tored", &[b'!'; 40]];
        let mut slices = parts.map(IoSlice::new);
        let mut slices = &mut slices[..];
        while !slices.is_empty() {
            let written = w.write_vectored(slices)?;
            IoSlice::advance_slices(&mut slices, written);
        }
        for n in 0..200 {
            write!(w, "{n},")?;
        }
        Ok(())
    });
    let mut expected = b"small handed over ".to_vec();
    expected.extend_from_slice(&[b'.'; 500]);
    expected.extend_from_slice(b"vectored");
    expected.extend_from_slice(&[b'!'; 40]);
    for n in 0..200 {
        write!(expected, "{n},").unwrap();
    }
    (program, expected)
}

fn setups() -> impl Iterator<Item = Setup> {
    [(1, 1), (1, 1000), (7, 3), (16, 64), (4096, 1 << 20)].into_iter().flat_map(|(chunk_size, capacity)| {
        [false, true].map(|unbuffered| Setup { chunk_size, capacity, unbuffered, ..Setup::default() })
    })
}

/// Stands for a C library that calls back for output, and continues if the callback fails.
#[allow(unsafe_code, reason = "a callback is given a pointer")]
mod foreign {
    use std::ffi::{c_int, c_void};
    use std::io::Write;

    pub const CALLS: usize = 1000;

    pub extern "C" fn library(put: extern "C" fn(*mut c_void) -> c_int, context: *mut c_void) -> c_int {
        (0..CALLS).fold(0, |failed, _| failed | put(context))
    }

    pub extern "C" fn put(context: *mut c_void) -> c_int {
        // SAFETY: the caller of the library passes a pointer to a writer, and does not use the writer meanwhile.
        let w = unsafe { &mut *context.cast::<&mut dyn Write>() };
        c_int::from(w.write_all(&[7; 100]).is_err())
    }
}

on_every_engine! {
    /// The chunks, joined, are exactly the accepted writes, in order.
    fn law_1_fidelity<E: Engine>() {
        for setup in setups() {
            let (program, expected) = every_way();
            let (bytes, end) = drain(E::pull(setup, program));
            assert!(end.is_none(), "{end:?}");
            assert_eq!(bytes, expected, "{setup:?}");

            let (program, expected) = every_way();
            let mut bytes = Vec::new();
            E::read(setup, program).read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, expected, "a reader with {setup:?}");

            let (program, expected) = every_way();
            let mut sink = Vec::new();
            let moved = pushpull::drive(E::pull(setup, program), &mut sink).unwrap();
            assert_eq!((moved, sink), (expected.len() as u64, expected), "driven with {setup:?}");
        }
    }

    /// The program reads exactly the pushed bytes.
    fn law_1_fidelity_of_a_feed<E: Engine>() {
        for setup in setups() {
            let mut feed = E::push(setup, Box::new(|r| {
                let mut bytes = Vec::new();
                r.read_to_end(&mut bytes)?;
                Ok(bytes)
            }));
            let mut expected = Vec::new();
            for n in 0..100_usize {
                let piece = vec![n as u8; n];
                if n % 3 == 0 { feed.write_bytes(piece.clone().into()).unwrap() } else { feed.write_all(&piece).unwrap() }
                if n % 7 == 0 { feed.flush().unwrap() }
                expected.extend_from_slice(&piece);
            }
            assert_eq!(feed.finish().unwrap(), expected, "{setup:?}");
        }
    }

    /// Every byte passes through a filter, pulled or pushed.
    fn law_1_fidelity_of_a_filter<E: Engine>() {
        for setup in setups() {
            let source = || (0..50_u8).map(|n| Ok(vec![n; n.into()].into())).collect::<Vec<_>>();
            let expected: Vec<u8> = (0..50_u8).flat_map(|n| vec![n; n.into()]).collect();
            let copy = |r: &mut dyn io::BufRead, w: &mut dyn crate::support::engine::Outlet| io::copy(r, w).map(drop);
            let (bytes, end) = drain(E::pull_from(setup, Box::new(copy), source()));
            assert!(end.is_none());
            assert_eq!(bytes, expected, "pulled with {setup:?}");
            let mut feed = E::push_into(setup, Box::new(copy), Vec::new());
            for chunk in source() {
                feed.write_all(&chunk.unwrap()).unwrap();
            }
            assert_eq!(feed.finish().unwrap(), expected, "pushed with {setup:?}");
        }
    }

    /// A sink that would block, or is interrupted, receives every byte once. A call that returns `WouldBlock` has
    /// accepted nothing, and can be repeated.
    fn law_1_fidelity_into_a_sink_that_would_block<E: Engine>() {
        /// Takes a few bytes at a time, and refuses several times in between.
        struct Reluctant {
            refuses: usize,
            refused: usize,
            bytes: Vec<u8>,
            flushed: usize,
        }
        impl Reluctant {
            fn refuse(&mut self) -> io::Result<()> {
                self.refused += 1;
                if self.refused <= self.refuses {
                    let kinds = [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted];
                    return Err(kinds[self.refused % 2].into());
                }
                self.refused = 0;
                Ok(())
            }
        }
        impl Write for Reluctant {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.refuse()?;
                let len = buf.len().min(30);
                self.bytes.extend_from_slice(&buf[..len]);
                Ok(len)
            }
            fn flush(&mut self) -> io::Result<()> {
                self.refuse()?;
                self.flushed = self.bytes.len();
                Ok(())
            }
        }
        fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> T {
            loop {
                match call() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    called => return called.unwrap(),
                }
            }
        }
        for setup in setups() {
            for refuses in [1, 4] {
                let sink = Reluctant { refuses, refused: 0, bytes: Vec::new(), flushed: 0 };
                let copy = |r: &mut dyn io::BufRead, w: &mut dyn crate::support::engine::Outlet| io::copy(r, w).map(drop);
                let mut feed = E::push_into(setup, Box::new(copy), sink);
                let mut expected = Vec::new();
                for n in 0..20_usize {
                    let piece = vec![n as u8; n];
                    match n % 3 {
                        0 => retried(|| feed.write_bytes(piece.clone().into())),
                        1 => assert_eq!(retried(|| feed.write(&piece)), piece.len()),
                        _ => retried(|| feed.flush()),
                    }
                    if n % 3 < 2 {
                        expected.extend_from_slice(&piece);
                    }
                }
                let sink = feed.finish().unwrap();
                assert!(sink.bytes == expected, "{setup:?}");
                assert_eq!(sink.flushed, expected.len());
            }
        }
    }

    /// After a returned `Err`, all bytes written before it arrive, then that error once, then nothing.
    fn law_2_truncation_cannot_look_like_the_end<E: Engine>() {
        let program = || -> Pushes {
            Box::new(|w| {
                w.write_all(b"a beginning, longer than a chunk")?;
                Err(io::Error::new(io::ErrorKind::StorageFull, "no room"))
            })
        };
        let (bytes, end) = drain(E::pull(Setup::default(), program()));
        let end = end.expect("an error");
        assert_eq!(bytes, b"a beginning, longer than a chunk");
        assert_eq!((end.kind(), &end.to_string()[..]), (io::ErrorKind::StorageFull, "no room"));

        let mut reader = E::read(Setup::default(), program());
        let mut bytes = Vec::new();
        assert_eq!(reader.read_to_end(&mut bytes).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(bytes, b"a beginning, longer than a chunk");
        for _ in 0..3 {
            let again = reader.read(&mut [0; 8]).unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::StorageFull, "a failed reader does not fail again in the same way");
        }
    }

    /// If a feed is dropped unfinished, the program's read fails, after every byte.
    fn law_2_a_dropped_feed_is_no_end<E: Engine>() {
        let (tell, told) = channel();
        let mut feed = E::push(Setup::default(), Box::new(move |r| {
            let mut bytes = Vec::new();
            let error = r.read_to_end(&mut bytes).unwrap_err();
            let again = r.read(&mut [0; 8]).unwrap_err();
            tell.send((bytes, error, again)).unwrap();
            Ok(())
        }));
        feed.write_all(b"a beginning, longer than a chunk").unwrap();
        drop(feed);
        let (bytes, error, again) = told.recv().unwrap();
        assert_eq!(bytes, b"a beginning, longer than a chunk");
        assert!(Error::of(&error).unwrap().is_truncated());
        assert_eq!((error.kind(), again.kind()), (io::ErrorKind::UnexpectedEof, io::ErrorKind::UnexpectedEof));
    }

    /// A sink that panics has failed, also if the program catches the panic and returns `Ok`.
    fn law_2_a_sink_that_panics_is_no_end<E: Engine>() {
        struct Panics(usize);
        impl Write for Panics {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                match self.0.checked_sub(buf.len()) {
                    Some(left) => self.0 = left,
                    // Panics once.
                    None if std::mem::replace(&mut self.0, usize::MAX) < usize::MAX => {
                        panic::resume_unwind(Box::new("the sink's"))
                    }
                    None => {}
                }
                Ok(buf.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for catches in [false, true] {
            for room in [0, 10, 100] {
                let mut feed = E::push_into(Setup::default(), Box::new(move |r, w| {
                    let mut copy = || io::copy(r, w).map(drop);
                    if !catches {
                        return copy();
                    }
                    while panic::catch_unwind(AssertUnwindSafe(&mut copy)).is_err() {}
                    Ok(())
                }), Panics(room));
                // The program may have ended by now.
                let _ = feed.write_all(&[7; 200]);
                assert!(feed.finish().is_err(), "a panic after {room} bytes");
            }
        }
    }

    /// The first reason wins: it is reported once, and nothing later replaces it.
    fn law_3_the_first_reason_wins<E: Engine>() {
        // An aborted feed is dropped too, which alone would be a truncation.
        let (tell, told) = channel();
        let mut feed = E::push(Setup::default(), Box::new(move |r| {
            let error = r.read_to_end(&mut Vec::new()).unwrap_err();
            tell.send(error.kind()).unwrap();
            Ok(())
        }));
        feed.write_all(b"x").unwrap();
        feed.abort(io::ErrorKind::StorageFull.into());
        assert_eq!(told.recv().unwrap(), io::ErrorKind::StorageFull);

        // A program that has failed does not read the rest of its input.
        let (failing, fails) = channel();
        let mut feed = E::push(Setup::default(), Box::new(move |r| -> io::Result<()> {
            let _ = r.read(&mut [0; 8]);
            failing.send(()).unwrap();
            Err(io::ErrorKind::StorageFull.into())
        }));
        feed.write_all(&[7; 20]).unwrap();
        let _ = feed.flush();
        fails.recv().unwrap();
        for _ in 0..100 {
            let _ = feed.write_all(&[7; 50]);
        }
        assert_eq!(feed.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);

        // The program fails on its own, and again while its values are dropped.
        struct Fails;
        impl Drop for Fails {
            fn drop(&mut self) {
                let _ = panic::catch_unwind(|| panic::resume_unwind(Box::new(())));
            }
        }
        let (_, end) = drain(E::pull(Setup::default(), Box::new(|w| {
            let _fails = Fails;
            w.write_all(b"x")?;
            Err(io::ErrorKind::StorageFull.into())
        })));
        assert_eq!(end.unwrap().kind(), io::ErrorKind::StorageFull);
    }

    /// The bytes accepted and not yet pulled never exceed the capacity.
    fn law_4_bounded_by_bytes<E: Engine>() {
        if !E::QUEUED {
            return;
        }
        for capacity in [1, 2, 7, 64, 1000] {
            let accepted = Arc::new(AtomicUsize::new(0));
            let count = accepted.clone();
            let setup = Setup { capacity, ..Setup::default() };
            let mut items = E::pull(setup, Box::new(move |w| {
                for n in 0..300_usize {
                    let piece = vec![7; n % 40 + 1];
                    let mut rest = &piece[..];
                    while !rest.is_empty() {
                        let written = w.write(rest)?;
                        count.fetch_add(written, SeqCst);
                        rest = &rest[written..];
                    }
                }
                // One huge write is split, not refused.
                w.write_all(&vec![7; capacity * 3])
            }));
            let mut pulled = 0;
            for item in items.by_ref() {
                let chunk = item.unwrap();
                assert!(chunk.len() <= capacity);
                pulled += chunk.len();
                let accepted = accepted.load(SeqCst);
                assert!(accepted <= pulled + capacity, "{accepted} accepted, {pulled} pulled, capacity {capacity}");
            }
            assert_eq!(pulled, (0..300).map(|n| n % 40 + 1).sum::<usize>() + capacity * 3);
        }
    }

    /// A blocking write accepts all of its bytes, like a write to a file. Code that ignores the returned count loses no
    /// byte, and code that treats a short write as a failure does not fail.
    fn law_4_a_blocking_write_accepts_all_of_its_bytes<E: Engine>() {
        for setup in setups().chain([Setup { chunk_size: 64, capacity: 100, ..Setup::default() }]) {
            let len = setup.capacity.min(1000) * 3 + 1;
            let (large, small) = (vec![1; len], [2; 3]);
            let expected = [&large[..], &small, &large, &small, &large].concat();
            let check = move |w: &mut dyn Write| {
                assert_eq!(w.write(&large)?, len, "{setup:?}");
                assert_eq!(w.write(&small)?, small.len());
                let slices = [&large[..], b"", &small, &large].map(IoSlice::new);
                assert_eq!(w.write_vectored(&slices)?, 2 * len + small.len(), "{setup:?}");
                Ok(())
            };
            let (bytes, end) = drain(E::pull(setup, Box::new({
                let check = check.clone();
                move |w| check(w)
            })));
            assert!(end.is_none(), "{end:?}");
            assert!(bytes == expected, "pulled with {setup:?}");

            let mut feed = E::push(setup, Box::new(|r| {
                let mut bytes = Vec::new();
                r.read_to_end(&mut bytes).map(|_| bytes)
            }));
            check(&mut feed).unwrap();
            assert!(feed.finish().unwrap() == expected, "pushed with {setup:?}");

            /// Takes a few bytes at a time.
            struct Sips(Vec<u8>);
            impl Write for Sips {
                fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                    let len = buf.len().min(7);
                    self.0.extend_from_slice(&buf[..len]);
                    Ok(len)
                }
                fn flush(&mut self) -> io::Result<()> {
                    Ok(())
                }
            }
            let feed = E::push_into(setup, Box::new(move |_, w| check(w)), Sips(Vec::new()));
            assert!(feed.finish().unwrap().0 == expected, "into a sink with {setup:?}");
        }
    }

    /// If the reader is dropped in the middle of a large write, the write fails, and does not report a part as
    /// accepted.
    fn law_4_a_write_whose_reader_is_dropped_half_way_fails<E: Engine>() {
        for vectored in [false, true] {
            let (tell, told) = channel();
            let mut items = E::pull(Setup { capacity: 64, ..Setup::default() }, Box::new(move |w| {
                let large = vec![7; 1 << 20];
                let slices = [&large[..], &large].map(IoSlice::new);
                let written = if vectored { w.write_vectored(&slices) } else { w.write(&large) };
                tell.send(written.map_err(|error| is_disconnected(&error))).unwrap();
                Ok(())
            }));
            items.next().unwrap().unwrap();
            drop(items);
            assert_eq!(told.recv().unwrap(), Err(true));
        }
    }

    /// A waiting reader receives what was written, flushed or not. Without a queue, it receives what was flushed.
    fn law_5_a_waiting_reader_is_not_starved<E: Engine>() {
        let (go, wait) = channel::<()>();
        let mut items = E::pull(Setup::default(), Box::new(move |w| {
            w.write_all(b"abc")?;
            if !E::QUEUED {
                w.flush()?;
            }
            // Waits until the reader has the bytes.
            wait.recv().unwrap();
            w.write_all(b"def")
        }));
        let mut bytes = Vec::new();
        while bytes.len() < 3 {
            bytes.extend_from_slice(&items.next().unwrap().unwrap());
        }
        assert_eq!(bytes, b"abc");
        go.send(()).unwrap();
        let (rest, end) = drain(items);
        assert!(end.is_none());
        assert_eq!(rest, b"def");
    }

    /// `flush()` ends a chunk, `unbuffered()` makes every write a chunk, and small writes are cut at `chunk_size`.
    fn law_5_where_chunks_are_cut<E: Engine>() {
        if !E::RUNS_PROGRAMS {
            return;
        }
        let lengths = |setup: Setup, program: Pushes| -> Vec<usize> {
            let items = E::pull(setup, Box::new(move |w| {
                // If there is a queue, the reader waits until everything is in it.
                program(w)
            }));
            items.map(|item| item.unwrap().len()).collect()
        };
        // No chunk crosses a boundary, even if a reader takes pieces in between.
        let pieces = lengths(Setup { chunk_size: 100, capacity: 1000, unbuffered: false, ..Setup::default() }, Box::new(|w| {
            for _ in 0..5 {
                w.write_all(&[7; 10])?;
                w.flush()?;
            }
            Ok(())
        }));
        let mut sum = 0;
        let ends: Vec<usize> = pieces.iter().map(|len| { sum += len; sum }).collect();
        assert!([10, 20, 30, 40, 50].iter().all(|end| ends.contains(end)), "{pieces:?}");
        let pieces = lengths(Setup { chunk_size: 100, capacity: 1000, unbuffered: true, ..Setup::default() }, Box::new(|w| {
            (1..=9).try_for_each(|len| w.write_all(&vec![7; len]))
        }));
        let mut sum = 0;
        let ends: Vec<usize> = pieces.iter().map(|len| { sum += len; sum }).collect();
        assert!((1..=9).map(|n| n * (n + 1) / 2).all(|end| ends.contains(&end)), "{pieces:?}");
        let pieces = lengths(Setup { chunk_size: 8, capacity: 1000, unbuffered: false, ..Setup::default() }, Box::new(|w| {
            (0..100).try_for_each(|_| w.write_all(&[7; 3]))
        }));
        assert!(pieces.iter().all(|len| *len <= 8), "{pieces:?}");
        if !E::QUEUED {
            assert!(pieces[..37].iter().all(|len| *len == 8), "{pieces:?}");
            // One large write is one larger chunk, after the pending bytes.
            let large = lengths(Setup { chunk_size: 8, ..Setup::default() }, Box::new(|w| {
                w.write_all(b"ab")?;
                w.write_all(&[7; 50])
            }));
            assert_eq!(large, [2, 50]);
        }
    }

    /// No chunk is empty, whatever zero-length writes or flushes are made.
    fn law_6_no_empty_chunks<E: Engine>() {
        for setup in setups() {
            let (bytes, end) = drain(E::pull(setup, Box::new(|w| {
                for _ in 0..10 {
                    w.flush()?;
                    w.write_all(b"")?;
                    w.write_bytes(Bytes::new())?;
                    let _ = w.write_vectored(&[IoSlice::new(b""), IoSlice::new(b"")])?;
                }
                Ok(())
            })));
            assert!(bytes.is_empty() && end.is_none());
        }
    }

    /// If the reader is dropped, the program's writes are refused, and the program ends and leaves nothing behind.
    fn law_7_a_dropped_reader_stops_the_program<E: Engine>() {
        for pulls in [1, 2, 10] {
            let (own, dropped) = guard();
            let (tell, told) = channel();
            let mut items = E::pull(Setup::default(), Box::new(move |w| {
                let _own = own;
                let error = loop {
                    if let Err(error) = w.write_all(b"again and again ") {
                        break error;
                    }
                };
                tell.send((is_disconnected(&error), w.is_closed())).unwrap();
                Err(error)
            }));
            for _ in 0..pulls {
                items.next().unwrap().unwrap();
            }
            drop(items);
            dropped.wait();
            assert_eq!(told.recv().unwrap(), (true, true));
        }
    }
}

#[cfg(feature = "stream")]
on_every_engine! {
    /// If the reader is dropped, a program that waits for another bridge in its own executor wakes.
    fn law_7_a_wait_by_another_executor_inside_the_program_wakes<E: Engine>() {
        if !E::RUNS_PROGRAMS {
            return;
        }
        // The other bridge has no bytes.
        let (_writer, mut other) = pipe(64);
        let (own, dropped) = guard();
        let (tell, told) = channel();
        let mut items = E::pull(Setup::default(), Box::new(move |w| {
            let _own = own;
            let written = w.write_all(b"a whole chunk, and more").and_then(|()| w.flush());
            let next = poll_fn(|context| Pin::new(&mut other).poll_next(context));
            let item = pollster::block_on(next).unwrap();
            tell.send(is_disconnected(&item.unwrap_err())).unwrap();
            written
        }));
        items.next().unwrap().unwrap();
        drop(items);
        dropped.wait();
        assert!(told.recv().unwrap());
    }
}

on_every_engine! {
    /// A program that ignores 64 refused writes is unwound.
    fn law_7_a_program_that_ignores_refusals_is_unwound<E: Engine>() {
        if !E::RUNS_PROGRAMS {
            return;
        }
        let refused = Arc::new(AtomicUsize::new(0));
        let (own, dropped) = guard();
        let count = refused.clone();
        let mut items = E::pull(Setup::default(), Box::new(move |w| {
            let _own = own;
            loop {
                if w.write_all(b"again and again ").is_err() {
                    count.fetch_add(1, SeqCst);
                }
            }
        }));
        items.next().unwrap().unwrap();
        drop(items);
        dropped.wait();
        assert_eq!(refused.load(SeqCst), 64);
    }

    /// A program that ignores the errors of its reader is unwound too.
    fn law_7_a_program_that_reads_on_is_unwound<E: Engine>() {
        let refused = Arc::new(AtomicUsize::new(0));
        let (own, dropped) = guard();
        let count = refused.clone();
        let mut feed = E::push(Setup::default(), Box::new(move |r| -> io::Result<()> {
            let _own = own;
            loop {
                if r.read(&mut [0; 8]).is_err() {
                    count.fetch_add(1, SeqCst);
                }
            }
        }));
        feed.write_all(&[7; 100]).unwrap();
        drop(feed);
        dropped.wait();
        // The first error is the end of the input itself.
        assert_eq!(refused.load(SeqCst), 65);
    }

    /// If `unwind` is off, a program is not unwound. Its writes are refused until it ends on its own.
    fn law_7_a_program_is_not_unwound_if_unwinding_is_off<E: Engine>() {
        let setup = Setup { unwind: false, ..Setup::default() };
        let (tell, told) = channel();
        let tell_of_reads = tell.clone();
        let mut items = E::pull(setup, Box::new(move |w| {
            tell.send((0..1000).filter(|_| w.write_all(b"again and again ").is_err()).count()).unwrap();
            Ok(())
        }));
        items.next().unwrap().unwrap();
        drop(items);
        assert!(told.recv().expect("the program ends on its own") > 900);

        let mut feed = E::push(setup, Box::new(move |r| {
            tell_of_reads.send((0..1000).filter(|_| r.read(&mut [0; 8]).is_err()).count()).unwrap();
            Ok(())
        }));
        feed.write_all(&[7; 100]).unwrap();
        drop(feed);
        assert!(told.recv().expect("the program ends on its own") > 900);
    }

    /// A program is not unwound through a frame that lets no panic through, such as a C library that calls back for
    /// output. It is unwound only after that frame has returned.
    fn law_7_a_program_is_not_unwound_through_foreign_frames<E: Engine>() {
        if !E::RUNS_PROGRAMS || !cfg!(target_os = "linux") {
            return;
        }
        let refused = Arc::new(AtomicUsize::new(0));
        let (own, dropped) = guard();
        let count = refused.clone();
        let mut items = E::pull(Setup::default(), Box::new(move |w| {
            let _own = own;
            let mut w: &mut dyn Write = w;
            assert_ne!(foreign::library(foreign::put, (&raw mut w).cast()), 0);
            loop {
                if w.write_all(b"again and again ").is_err() {
                    count.fetch_add(1, SeqCst);
                }
            }
        }));
        items.next().unwrap().unwrap();
        drop(items);
        dropped.wait();
        // The next attempt comes after as many refused writes again.
        let refused = refused.load(SeqCst);
        assert!((1..=foreign::CALLS).contains(&refused), "{refused}");
    }

    /// A program that is already unwinding is not unwound again, because that would abort the process.
    fn law_7_a_program_that_is_unwinding_is_not_unwound_again<E: Engine>() {
        struct Stubborn<'a>(&'a mut dyn Outlet);
        impl Drop for Stubborn<'_> {
            fn drop(&mut self) {
                assert!((0..1000).any(|_| self.0.write_all(b"again and again ").is_err()));
                (0..1000).for_each(|_| drop(self.0.write_all(b"again and again ")));
            }
        }
        if !E::RUNS_PROGRAMS {
            return;
        }
        let (own, dropped) = guard();
        let mut items = E::pull(Setup::default(), Box::new(move |w| {
            let _own = own;
            let _stubborn = Stubborn(w);
            panic::resume_unwind(Box::new("unwinding"))
        }));
        let _ = items.next();
        drop(items);
        dropped.wait();
    }

    /// A panic arrives at the other end as an error, after every byte, with its payload.
    fn law_8_a_panic_is_an_error<E: Engine>() {
        if !E::RUNS_PROGRAMS {
            return;
        }
        let (bytes, end) = drain(E::pull(Setup::default(), Box::new(|w| {
            w.write_all(b"a beginning, longer than a chunk")?;
            panic::resume_unwind(Box::new(42_i32))
        })));
        assert_eq!(bytes, b"a beginning, longer than a chunk");
        let end: Box<Error> = end.unwrap().into_inner().unwrap().downcast().unwrap();
        assert!(end.is_panic());
        assert_eq!(*end.into_panic().downcast::<i32>().unwrap(), 42);

        let mut feed = E::push(Setup::default(), Box::new(|r| -> io::Result<()> {
            let _ = r.read(&mut [0; 8]);
            panic::resume_unwind(Box::new("in the reader"))
        }));
        let _ = feed.write_all(&[7; 100]);
        assert!(Error::of(&feed.finish().unwrap_err()).unwrap().is_panic());
    }

    /// Nothing runs before the first pull. If the bridge is dropped before that, nothing of the program runs.
    fn law_9_lazy<E: Engine>() {
        if !E::RUNS_PROGRAMS {
            return;
        }
        let ran = Arc::new(AtomicBool::new(false));
        let (own, dropped) = guard();
        let flag = ran.clone();
        drop(E::pull(Setup::default(), Box::new(move |_| {
            let _own = own;
            flag.store(true, SeqCst);
            Ok(())
        })));
        dropped.wait();
        let (own, dropped) = guard();
        let flag = ran.clone();
        drop(E::push(Setup::default(), Box::new(move |_| {
            let _own = own;
            flag.store(true, SeqCst);
            Ok(())
        })));
        dropped.wait();
        assert!(!ran.load(SeqCst));
    }

    /// `finish` starts the program of a feed, if nothing was written.
    fn law_9_finish_starts_the_program<E: Engine>() {
        let feed = E::push(Setup::default(), Box::new(|r| Ok(r.read(&mut [0; 8])? == 0)));
        assert!(feed.finish().unwrap());
    }

    /// After the end, every pull returns `None`.
    fn law_10_fused<E: Engine>() {
        for result in [Ok(()), Err(io::ErrorKind::StorageFull)] {
            let mut items = E::pull(Setup::default(), Box::new(move |_| result.map_err(Into::into)));
            assert_eq!(items.next().is_some(), result.is_err());
            for _ in 0..10 {
                assert!(items.next().is_none());
            }
        }
    }

    /// Bridges nested on one engine do not deadlock it.
    fn law_12_nested<E: Engine>() {
        if !E::WAITS_IN_PLACE {
            // An executor inside the program blocks the worker.
            return;
        }
        fn nest<E: Engine>(depth: usize) -> Pushes {
            Box::new(move |w| {
                if depth == 0 {
                    return w.write_all(&[7; 1000]);
                }
                for item in E::pull(Setup::default(), nest::<E>(depth - 1)) {
                    w.write_bytes(item?)?;
                }
                Ok(())
            })
        }
        let (bytes, end) = drain(E::pull(Setup::default(), nest::<E>(20)));
        assert!(end.is_none());
        assert_eq!(bytes, [7; 1000]);
    }

    /// A call of unwinding code that would have to wait is refused. Everything written before it arrives.
    fn law_14_unwinding_code_never_suspends<E: Engine>() {
        if !E::RUNS_PROGRAMS {
            return;
        }
        struct WritesWhenDropped<'a>(&'a mut dyn crate::support::engine::Outlet, std::sync::mpsc::Sender<bool>);
        impl Drop for WritesWhenDropped<'_> {
            fn drop(&mut self) {
                let refused = self.0.write_all(&[8; 1000]).is_err();
                let _ = self.1.send(refused);
            }
        }
        let (tell, told) = channel();
        let mut items = E::pull(
            Setup::default(),
            Box::new(move |w| {
                w.write_all(b"before")?;
                w.flush()?;
                let _writes = WritesWhenDropped(w, tell);
                panic::resume_unwind(Box::new("the first panic"))
            }),
        );
        let mut bytes = items.next().unwrap().unwrap().to_vec();
        // With a queue, nothing is pulled while the program unwinds, so that its write would have to wait.
        let ahead = E::QUEUED.then(|| told.recv().unwrap());
        let (rest, end) = drain(items);
        bytes.extend_from_slice(&rest);
        assert!(ahead.unwrap_or_else(|| told.recv().unwrap()), "the write was not refused");
        assert!(bytes.starts_with(b"before"));
        assert!(Error::of(&end.unwrap()).unwrap().is_panic());
    }

    /// A bridge works inside its host's own unwinding.
    fn law_14_a_host_may_be_unwinding<E: Engine>() {
        struct Host<E: Engine>(std::sync::mpsc::Sender<Vec<u8>>, std::marker::PhantomData<E>);
        impl<E: Engine> Drop for Host<E> {
            fn drop(&mut self) {
                assert!(std::thread::panicking());
                let (bytes, end) = drain(E::pull(Setup::default(), every_way().0));
                assert!(end.is_none());
                self.0.send(bytes).unwrap();
                // Also if the bridge is dropped half way.
                E::pull(Setup::default(), every_way().0).next().unwrap().unwrap();
            }
        }
        let (tell, told) = channel();
        let unwound = panic::catch_unwind(AssertUnwindSafe(move || {
            let _host = Host::<E>(tell, std::marker::PhantomData);
            panic::resume_unwind(Box::new("the host's"))
        }));
        assert!(unwound.is_err());
        assert_eq!(told.recv().unwrap(), every_way().1);
    }

    /// `Interrupted` never escapes, because a reader would retry forever.
    fn law_15_interrupted_does_not_escape<E: Engine>() {
        let program = || -> Pushes { Box::new(|_| Err(io::ErrorKind::Interrupted.into())) };
        assert_ne!(drain(E::pull(Setup::default(), program())).1.unwrap().kind(), io::ErrorKind::Interrupted);
        let mut reader = E::read(Setup::default(), program());
        let kind = reader.read_to_end(&mut Vec::new()).unwrap_err().kind();
        assert_ne!(kind, io::ErrorKind::Interrupted);
        assert_eq!(reader.read(&mut [0; 8]).unwrap_err().kind(), kind, "law 2");
        let (_, end) = drain(E::pull_from(
            Setup::default(),
            Box::new(|r, _| r.read_to_end(&mut Vec::new()).map(drop)),
            vec![Err(io::ErrorKind::Interrupted.into())],
        ));
        assert!(end.is_some());
    }

    /// No error is swallowed that `finish()` can report.
    fn law_15_finish_reports_a_swallowed_error<E: Engine>() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        // The program ignores the sink's error.
        let swallow = |r: &mut dyn io::BufRead, w: &mut dyn crate::support::engine::Outlet| {
            let _ = io::copy(r, w);
            Ok(())
        };
        let mut feed = E::push_into(Setup::default(), Box::new(swallow), Full);
        let _ = feed.write_all(&[7; 1000]);
        let error = feed.finish().map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    /// If the program has ended early, writes report why, and `finish` returns the value or the error itself.
    fn a_feed_reports_why_its_program_ended<E: Engine>() {
        let write_until_refused = |feed: &mut dyn Write| loop {
            if let Err(error) = feed.write_all(&[7; 50]) {
                return error;
            }
        };
        let mut feed = E::push(Setup::default(), Box::new(|_| Ok(5)));
        assert!(is_disconnected(&write_until_refused(&mut feed)));
        assert!(feed.is_closed());
        assert_eq!(feed.finish().unwrap(), 5);

        let mut feed = E::push(Setup::default(), Box::new(|_| -> io::Result<()> {
            Err(io::Error::new(io::ErrorKind::InvalidData, "not what I wanted"))
        }));
        let error = write_until_refused(&mut feed);
        assert_eq!((error.kind(), &error.to_string()[..]), (io::ErrorKind::InvalidData, "not what I wanted"));
        assert_eq!(feed.finish().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    /// The program's read returns the error given to `abort`.
    fn a_feed_aborted_fails_its_program<E: Engine>() {
        let (tell, told) = channel();
        let mut feed = E::push(Setup::default(), Box::new(move |r| {
            let mut bytes = Vec::new();
            let error = r.read_to_end(&mut bytes).unwrap_err();
            tell.send((bytes, error.kind())).unwrap();
            Ok(())
        }));
        feed.write_all(b"abc").unwrap();
        feed.abort(io::ErrorKind::StorageFull.into());
        assert_eq!(told.recv().unwrap(), (b"abc".to_vec(), io::ErrorKind::StorageFull));
    }

    /// The program's read returns the source's error, and the program may continue.
    fn a_filter_reads_its_sources_error<E: Engine>() {
        let source = vec![Ok(Bytes::from_static(b"abc")), Err(io::ErrorKind::TimedOut.into())];
        let (bytes, end) = drain(E::pull_from(Setup::default(), Box::new(|r, w| io::copy(r, w).map(drop)), source));
        assert_eq!(bytes, b"abc");
        assert_eq!(end.unwrap().kind(), io::ErrorKind::TimedOut);
    }
}

#[cfg(feature = "stream")]
/// Returns a context whose waker does nothing.
fn idle() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[cfg(feature = "stream")]
#[test]
fn law_13_an_always_ready_bridge_yields() {
    fn in_a_row(mut chunks: impl Stream<Item = io::Result<Bytes>> + Unpin) -> Vec<usize> {
        let next = || match Pin::new(&mut chunks).poll_next(&mut idle()) {
            Poll::Ready(item) => item.map(|item| item.unwrap().len()),
            Poll::Pending => None,
        };
        std::iter::from_fn(next).collect()
    }
    fn most_in_a_row(chunks: impl Stream<Item = io::Result<Bytes>> + Unpin) -> usize {
        in_a_row(chunks).len()
    }
    within(|| {
        let endless = |w: &mut pushpull::local::Writer| loop {
            w.write_bytes(Bytes::from_static(b"x"))?;
        };
        assert!(most_in_a_row(Local::new().pull(endless)) <= 64);
        let large = |w: &mut pushpull::local::Writer| loop {
            w.write_all(&[7; 1 << 20])?;
        };
        let bytes: usize = in_a_row(Local::new().pull(large)).iter().sum();
        assert!((1 << 20..=4 << 20).contains(&bytes), "{bytes}");
        let endless = |w: &mut pushpull::Writer| loop {
            w.write_bytes(Bytes::from_static(b"x"))?;
        };
        assert!(most_in_a_row(Thread::new().pull(endless)) <= 64);
        assert!(most_in_a_row(Pool::new(1).pull(endless)) <= 64);
    });
}
