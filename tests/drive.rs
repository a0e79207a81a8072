//! `drive` and `drive_into`: sinks that fail, take little at a time, or are interrupted.

mod support;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pushpull::{Error, Local, Thread, drive};
use support::guard::guard;
use support::watchdog::within;

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
fn a_sink_that_takes_nothing_is_full_and_not_busy() {
    within(|| {
        let feed = Thread::new().filter(|_, w| {
            // As much as goes past the buffer.
            assert_eq!(w.try_write(&[7; 1 << 20])?, 0);
            w.write_all(&[7; 1 << 20])
        });
        let error = feed.push_into(io::Cursor::new([0; 0])).finish().map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    });
}

#[test]
fn a_sink_that_failed_when_it_was_taken_back_gets_nothing_more() {
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
fn a_sink_that_says_it_took_more_than_it_was_given_is_not_believed() {
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
