//! `drive` and `drive_into`: sinks that fail, take little at a time, or are interrupted.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use pushpull::{Error, Feed, Local, Pool, Thread, drive, local, pipe};
use pushpull_testing::guard::guard;
use pushpull_testing::watchdog::within;

#[test]
fn a_sink_that_fails_stops_the_program_and_says_how_far_it_came() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            let len = buf.len().min(self.0).min(7);
            self.0 -= len;
            if len == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(len) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    within(|| {
        let (own, dropped) = guard();
        let chunks = Thread::new().chunk_size(16).pull(move |w| {
            let _own = own;
            loop {
                w.write_all(b"again")?;
            }
        });
        let error = drive(chunks, &mut Full(100)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(Error::of(&error).unwrap().bytes_moved(), Some(100));
        assert_eq!(error.to_string(), format!("the sink failed after 100 bytes: {}", io::ErrorKind::StorageFull));
        dropped.wait();

        let (own, dropped) = guard();
        let mut chunks = Local::new().chunk_size(16).pull(move |w| {
            let _own = own;
            loop {
                w.write_all(&[7; 40])?;
            }
        });
        let error = chunks.drive_into(&mut Full(100)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(dropped.is_gone() && chunks.next().is_none());
    });
}

#[test]
fn drive_survives_interrupted_and_short_writes() {
    struct Fussy(Vec<u8>, usize);
    impl Write for Fussy {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let len = buf.len().min(5);
            self.0.extend_from_slice(&buf[..len]);
            Ok(len)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let chunks = (0..100_u8).map(|n| Ok(Bytes::from(vec![n; n.into()])));
    let mut sink = Fussy(Vec::new(), 0);
    let moved = drive(chunks, &mut sink).unwrap();
    let expected: Vec<u8> = (0..100_u8).flat_map(|n| vec![n; n.into()]).collect();
    assert_eq!((moved, sink.0), (expected.len() as u64, expected));
}

/// A sink whose every second flush is interrupted.
#[derive(Default)]
struct Interrupted {
    bytes: Vec<u8>,
    flushes: usize,
}

impl Write for Interrupted {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushes += 1;
        if self.flushes.is_multiple_of(2) { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
    }
}

#[test]
fn law_15_an_interrupted_flush_is_tried_again() {
    within(|| {
        let mut sink = Interrupted::default();
        assert_eq!(drive([Ok(Bytes::from_static(b"abc"))], &mut sink).unwrap(), 3);
        assert_eq!((&sink.bytes[..], sink.flushes), (&b"abc"[..], 2));

        let mut sink = Interrupted::default();
        assert_eq!(Local::new().pull(|w| w.write_all(b"abc")).drive_into(&mut sink).unwrap(), 3);
        assert_eq!((&sink.bytes[..], sink.flushes), (&b"abc"[..], 2));
    });
}

#[test]
fn laws_1_and_15_an_interrupted_sink_gets_every_byte_once() {
    within(|| {
        let copy = |r: &mut dyn io::Read, w: &mut dyn Write| {
            io::copy(r, w)?;
            w.flush()
        };
        let mut feed = Local::new().unbuffered().filter(move |r, w| copy(r, w)).push_into(Interrupted::default());
        feed.write_all(b"abcdef").unwrap();
        assert_eq!(feed.finish().unwrap().bytes, b"abcdef");
        let mut feed = Thread::new().unbuffered().filter(move |r, w| copy(r, w)).push_into(Interrupted::default());
        feed.write_all(b"abcdef").unwrap();
        assert_eq!(feed.finish().unwrap().bytes, b"abcdef");
    });
}

#[test]
fn law_15_an_interrupted_source_is_not_tried_again() {
    let error = drive([Err(io::ErrorKind::Interrupted.into())], &mut Vec::new()).unwrap_err();
    assert_ne!(error.kind(), io::ErrorKind::Interrupted);
}

#[test]
fn a_sink_that_takes_nothing_fails_with_write_zero() {
    within(|| {
        let feed = Thread::new().filter(|_, w| {
            // A write that is too large for the buffer.
            assert_eq!(w.try_write(&[7; 1 << 20])?, 0);
            w.write_all(&[7; 1 << 20])
        });
        let error = feed.push_into(io::Cursor::new([0; 0])).finish().map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    });
}

#[test]
fn a_sink_that_failed_at_finish_gets_nothing_more() {
    /// Fails once.
    #[derive(Clone, Default)]
    struct Once(Arc<Mutex<(bool, Vec<u8>)>>);
    impl Write for Once {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            let mut state = self.0.lock().unwrap();
            if !std::mem::replace(&mut state.0, true) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            state.1.extend_from_slice(buf);
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let copy = |r: &mut dyn io::Read, w: &mut dyn Write| io::copy(r, w).map(drop);
    let (one, other) = (Once::default(), Once::default());
    let mut feed = Local::new().filter(move |r, w| copy(r, w)).push_into(one.clone());
    feed.write_all(b"hello").unwrap();
    assert_eq!(feed.finish().map(drop).unwrap_err().kind(), io::ErrorKind::TimedOut);
    let mut feed = Thread::new().filter(move |r, w| copy(r, w)).push_into(other.clone());
    feed.write_all(b"hello").unwrap();
    assert_eq!(feed.finish().map(drop).unwrap_err().kind(), io::ErrorKind::TimedOut);
    for sink in [one, other] {
        assert_eq!(sink.0.lock().unwrap().1, b"");
    }
}

#[test]
fn a_sink_that_claims_more_bytes_than_it_was_given_fails() {
    struct Boasts;
    impl Write for Boasts {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            Ok(buf.len() + 7)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = drive([Ok(Bytes::from_static(b"hello"))], &mut Boasts).unwrap_err();
    assert_eq!(error.to_string(), "the sink failed after 0 bytes: the sink says that it took 12 bytes of 5");
}

/// A sink that panics at a given byte, or at a given flush.
struct Panics {
    at: usize,
    at_flush: usize,
    bytes: usize,
    flushes: usize,
}

impl Write for Panics {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.bytes += buf.len();
        if self.bytes > self.at {
            panic::resume_unwind(Box::new("the sink's"));
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushes += 1;
        if self.flushes > self.at_flush {
            panic::resume_unwind(Box::new("the sink's"));
        }
        Ok(())
    }
}

#[test]
fn law_2_chunks_whose_sink_panicked_do_not_end_well() {
    let program = |w: &mut local::Writer| {
        w.write_all(b"a beginning")?;
        w.flush()?;
        (0..4).try_for_each(|n| w.write_all(&[n; 60_000]))?;
        w.write_all(b"an end")
    };
    for (at, at_flush) in
        [(0, 9), (50_000, 9), (100_000, 9), (240_016, 9), (usize::MAX, 0), (usize::MAX, 2), (usize::MAX, 5)]
    {
        let driven = || {
            let (own, dropped) = guard();
            let mut chunks = Local::new().pull(move |w| {
                let _own = own;
                program(w)
            });
            let mut sink = Panics { at, at_flush, bytes: 0, flushes: 0 };
            let unwound = panic::catch_unwind(AssertUnwindSafe(|| chunks.drive_into(&mut sink))).unwrap_err();
            assert_eq!(unwound.downcast_ref(), Some(&"the sink's"));
            assert!(dropped.is_gone(), "law 7: the program was not stopped");
            chunks
        };
        let mut chunks = driven();
        let error = chunks.next().unwrap().unwrap_err();
        assert!(Error::of(&error).unwrap().bytes_moved().is_some_and(|moved| moved <= at as u64));
        assert!(chunks.next().is_none(), "law 3: the error is reported twice");
        assert!(driven().drive_into(&mut Vec::new()).is_err());
        assert!(driven().into_reader().read_to_end(&mut Vec::new()).is_err());
        assert!(driven().head().wait().is_err());
    }
}

/// A sink that would block while its door is closed.
#[derive(Clone, Default)]
struct Door(Arc<Mutex<(bool, Vec<u8>)>>);

impl Door {
    fn open(&self) {
        self.0.lock().unwrap().0 = true;
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().1.clone()
    }
}

impl Write for Door {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let (open, bytes) = &mut *self.0.lock().unwrap();
        if !*open {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        bytes.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn would_block<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[test]
fn a_local_program_whose_sink_would_block_is_suspended_until_its_host_retries() {
    within(|| {
        let door = Door::default();
        let filter = Local::new().chunk_size(4).filter(|r, w| io::copy(r, w).map(drop));
        let mut feed = filter.push_into(door.clone());
        // The program has read everything, and waits for its sink.
        let large = vec![7; 1 << 20];
        assert_eq!(feed.write(&large).unwrap(), large.len());
        for _ in 0..3 {
            assert!(would_block(feed.write(b"refused")));
            assert!(would_block(feed.write_bytes(Bytes::from_static(b"refused"))));
            assert!(would_block(feed.write_vectored(&[io::IoSlice::new(b"refused")])));
            assert!(would_block(feed.flush()));
        }
        assert_eq!(feed.write(b"ab").unwrap(), 2, "a write that only fills the chunk does not need the sink");
        assert_eq!(door.bytes(), b"");
        door.open();
        feed.flush().unwrap();
        assert_eq!(door.bytes().len(), large.len());
        feed.write_all(b"c").unwrap();
        door.0.lock().unwrap().0 = false;
        for _ in 0..3 {
            assert!(would_block(feed.try_finish()));
        }
        door.open();
        feed.try_finish().unwrap();
        assert_eq!(door.bytes(), [&large[..], b"abc"].concat());

        // `finish` waits for the sink.
        let door = Door::default();
        let mut feed = Local::new().filter(|r, w| io::copy(r, w).map(drop)).push_into(door.clone());
        feed.write_all(b"abc").unwrap();
        let (asked, opens) = channel();
        let opener = {
            let door = door.clone();
            thread::spawn(move || opens.recv().map(|()| door.open()).unwrap())
        };
        assert!(would_block(feed.try_finish()));
        asked.send(()).unwrap();
        assert_eq!(feed.finish().unwrap().bytes(), b"abc");
        opener.join().unwrap();

        // Dropping a feed does not wait.
        let (own, dropped) = guard();
        let filter = Local::new().filter(move |r, w| {
            let _own = own;
            io::copy(r, w).map(drop)
        });
        let mut feed = filter.push_into(Door::default());
        feed.write_all(&large).unwrap();
        drop(feed);
        assert!(dropped.is_gone());
    });
}

#[test]
fn a_program_elsewhere_whose_sink_would_block_waits_for_it() {
    fn law(push_into: impl Fn(Door, pushpull_testing::guard::Guard) -> Feed<Door>) {
        let (own, dropped) = guard();
        let door = Door::default();
        let mut feed = push_into(door.clone(), own);
        feed.write_all(b"abc").unwrap();
        // The writer is blocked, because the program waits for its sink and does not read.
        let opener = {
            let door = door.clone();
            thread::spawn(move || door.open())
        };
        feed.write_all(&[7; 1 << 20]).unwrap();
        assert_eq!(feed.finish().unwrap().bytes().len(), (1 << 20) + 3);
        dropped.wait();
        opener.join().unwrap();

        // Dropping the feed ends the wait, whatever the program does with the error.
        let (own, dropped) = guard();
        let mut feed = push_into(Door::default(), own);
        feed.write_all(b"abc").unwrap();
        drop(feed);
        dropped.wait();
    }
    within(|| {
        for ignores in [false, true] {
            let program =
                move |r: &mut pushpull::Reader, w: &mut pushpull::Writer, _own: &pushpull_testing::guard::Guard| loop {
                    let copied = io::copy(r, w);
                    if !ignores || copied.is_ok() {
                        return copied.map(drop);
                    }
                };
            law(|door, own| Thread::new().unbuffered().filter(move |r, w| program(r, w, &own)).push_into(door));
            law(|door, own| Pool::new(1).unbuffered().filter(move |r, w| program(r, w, &own)).push_into(door));
        }
        // Law 12: a program that waits for its sink blocks no worker.
        let pool = Pool::new(1);
        let doors: Vec<_> = (0..10).map(|_| Door::default()).collect();
        let copy = |r: &mut pushpull::Reader, w: &mut pushpull::Writer| io::copy(r, w).map(drop);
        let feeds: Vec<_> = doors
            .iter()
            .map(|door| {
                let mut feed = pool.filter(copy).push_into(door.clone());
                feed.write_all(b"abc").unwrap();
                feed
            })
            .collect();
        assert_eq!(pool.pull(|w| w.write_all(b"meanwhile")).next().unwrap().unwrap(), "meanwhile");
        doors.iter().for_each(Door::open);
        feeds.into_iter().for_each(|feed| assert_eq!(feed.finish().unwrap().bytes(), b"abc"));
    });
}

#[test]
fn drive_into_continues_after_would_block() {
    struct Sips(Vec<u8>, usize);
    impl Write for Sips {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if !self.1.is_multiple_of(3) {
                return Err([io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted][self.1 % 3 % 2].into());
            }
            let len = buf.len().min(3);
            self.0.extend_from_slice(&buf[..len]);
            Ok(len)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let text: Vec<u8> = (0..200).collect();
    let all = text.clone();
    let mut chunks = Local::new().chunk_size(8).pull(move |w| {
        w.write_all(&text[..5])?;
        w.write_bytes(Bytes::copy_from_slice(&text[5..25]))?;
        w.write_all(&text[25..100])?;
        text[100..].chunks(3).try_for_each(|part| w.write_all(part))
    });
    let mut sink = Sips(Vec::new(), 0);
    let mut moved = 0;
    let rest = loop {
        match chunks.drive_into(&mut sink) {
            Ok(rest) => break rest,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                moved += Error::of(&error).unwrap().bytes_moved().unwrap();
                assert_eq!((sink.0.len() as u64, chunks.stats().bytes), (moved, moved));
            }
        }
    };
    assert_eq!((sink.0, moved + rest), (all, 200));
    assert!(chunks.next().is_none());
}

/// A sink that reports its number of bytes at each flush.
struct Flushes(usize, Sender<usize>);

impl Write for Flushes {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0 += buf.len();
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.1.send(self.0);
        Ok(())
    }
}

/// Waits until `bytes` bytes have been flushed.
fn await_flush(flushes: &Receiver<usize>, bytes: usize) {
    while flushes.recv().unwrap() < bytes {}
}

/// Drives a source on a thread of its own. The source gets its next three bytes only when the previous ones are
/// flushed.
fn flushes_before_it_waits(drives: impl FnOnce(Receiver<()>, Flushes) -> u64 + Send + 'static) {
    let (next, nexts) = mpsc::sync_channel(1);
    let (flush, flushes) = channel();
    let driving = thread::spawn(move || drives(nexts, Flushes(0, flush)));
    for n in 1..=5 {
        next.send(()).unwrap();
        await_flush(&flushes, 3 * n);
    }
    drop(next);
    assert_eq!(driving.join().unwrap(), 15);
}

/// Writes three bytes for each message.
fn write_each(nexts: &Receiver<()>, w: &mut dyn Write) -> io::Result<()> {
    nexts.iter().try_for_each(|()| {
        w.write_all(b"abc")?;
        w.flush()
    })
}

#[test]
fn law_5_drive_flushes_its_sink_before_its_source_waits() {
    within(|| {
        flushes_before_it_waits(|nexts, mut sink| {
            drive(nexts.into_iter().map(|()| Ok(Bytes::from_static(b"abc"))), &mut sink).unwrap()
        });
        flushes_before_it_waits(|nexts, mut sink| {
            drive(Local::new().pull(move |w| write_each(&nexts, w)), &mut sink).unwrap()
        });
        flushes_before_it_waits(|nexts, mut sink| {
            Local::new().pull(move |w| write_each(&nexts, w)).drive_into(&mut sink).unwrap()
        });
        flushes_before_it_waits(|nexts, mut sink| {
            drive(Thread::new().pull(move |w| write_each(&nexts, w)), &mut sink).unwrap()
        });
        flushes_before_it_waits(|nexts, mut sink| {
            drive(Pool::new(1).pull(move |w| write_each(&nexts, w)), &mut sink).unwrap()
        });
        flushes_before_it_waits(|nexts, mut sink| {
            let (mut writer, chunks) = pipe(64);
            thread::spawn(move || write_each(&nexts, &mut writer).and_then(|()| writer.finish()));
            drive(chunks, &mut sink).unwrap()
        });
    });
}

#[test]
fn drive_flushes_once_if_the_size_hint_covers_the_whole_source() {
    let (flush, flushes) = channel();
    let source: Vec<_> = (0..100).map(|_| Ok(Bytes::from(vec![7; 10_000]))).collect();
    assert_eq!(drive(source, &mut Flushes(0, flush)).unwrap(), 1_000_000);
    assert_eq!(flushes.iter().collect::<Vec<_>>(), [1_000_000]);
}

#[test]
fn a_sink_that_fails_to_flush_stops_the_program() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    let asked = Rc::new(Cell::new(0));
    let count = asked.clone();
    let endless = std::iter::from_fn(move || {
        count.set(count.get() + 1);
        Some(Ok(Bytes::from_static(b"abc")))
    });
    let error = drive(endless, &mut Full).unwrap_err();
    assert_eq!((error.kind(), Error::of(&error).unwrap().bytes_moved()), (io::ErrorKind::StorageFull, Some(3)));
    assert_eq!(asked.get(), 1);
    let mut chunks = Local::new().chunk_size(4).pull(|w| {
        loop {
            w.write_all(b"again")?;
        }
    });
    assert_eq!(chunks.drive_into(&mut Full).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(chunks.next().is_none());
}
