//! A panic, wherever it comes from, reaches the other end and nothing else.

use std::fmt;
use std::io::{self, Read, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;

use crate::support::engine::drain;
use bytes::Bytes;
use pushpull::{Error, Local, Pool, Thread};
use pushpull_testing::guard::guard;
use pushpull_testing::watchdog::within;

/// Panics without calling the panic hook.
fn quiet_panic() -> ! {
    panic::resume_unwind(Box::new("quiet"))
}

fn is_quiet_panic(error: io::Error) -> bool {
    let error: Box<Error> = error.into_inner().unwrap().downcast().unwrap();
    error.is_panic() && *error.into_panic().downcast::<&str>().unwrap() == "quiet"
}

#[test]
fn the_message_of_a_panic_is_reported() {
    for end in [
        drain(Local::new().pull(|_| panic!("out of {}", "ink"))).1,
        drain(Thread::new().pull(|_| panic!("out of {}", "ink"))).1,
    ] {
        assert_eq!(end.unwrap().to_string(), "the program panicked: out of ink");
    }
}

#[test]
fn a_panic_in_what_the_program_owns() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            quiet_panic();
        }
    }
    within(|| {
        let panics = Panics;
        let (bytes, end) = drain(Local::new().pull(move |w| {
            let _panics = panics;
            w.write_all(b"written")
        }));
        assert_eq!(bytes, b"written");
        assert!(is_quiet_panic(end.unwrap()));
        let panics = Panics;
        let (bytes, end) = drain(Thread::new().pull(move |w| {
            let _panics = panics;
            w.write_all(b"written")
        }));
        assert_eq!(bytes, b"written");
        assert!(is_quiet_panic(end.unwrap()));
    });
}

#[test]
fn a_program_that_panics_because_it_was_refused() {
    within(|| {
        let (own, dropped) = guard();
        let mut chunks = Local::new().unbuffered().pull(move |w| {
            let _own = own;
            loop {
                w.write_all(b"x").unwrap_or_else(|_| quiet_panic());
            }
        });
        chunks.next().unwrap().unwrap();
        drop(chunks);
        assert!(dropped.is_gone());
        let (own, dropped) = guard();
        let mut chunks = Thread::new().capacity(4).pull(move |w| {
            let _own = own;
            loop {
                w.write_all(b"x").unwrap_or_else(|_| quiet_panic());
            }
        });
        chunks.next().unwrap().unwrap();
        drop(chunks);
        dropped.wait();
    });
}

#[test]
fn a_panic_in_the_source_or_the_sink_of_a_filter() {
    struct Panics;
    impl Write for Panics {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            quiet_panic()
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    fn source() -> impl Iterator<Item = io::Result<Bytes>> + Send {
        std::iter::once_with(|| quiet_panic())
    }
    within(|| {
        let local = || Local::new().filter(|r, w| io::copy(r, w).map(drop));
        let thread = || Thread::new().filter(|r, w| io::copy(r, w).map(drop));
        assert!(is_quiet_panic(drain(local().pull_from(source())).1.unwrap()));
        assert!(is_quiet_panic(drain(thread().pull_from(source())).1.unwrap()));
        let mut feed = local().push_into(Panics);
        let _ = feed.write_all(&[7; 1 << 20]);
        assert!(is_quiet_panic(feed.finish().map(drop).unwrap_err()));
        let mut feed = thread().push_into(Panics);
        let _ = feed.write_all(&[7; 1 << 20]);
        assert!(is_quiet_panic(feed.finish().map(drop).unwrap_err()));
    });
}

#[test]
fn a_host_that_panics_drops_its_bridges() {
    within(|| {
        let (own, dropped) = guard();
        let unwound = panic::catch_unwind(AssertUnwindSafe(|| {
            let mut chunks = Local::new().unbuffered().pull(move |w| {
                let _own = own;
                // Ignores its refused writes while its host unwinds.
                loop {
                    let _ = w.write_all(b"x");
                }
            });
            chunks.next().unwrap().unwrap();
            quiet_panic()
        }));
        assert!(unwound.is_err());
        assert!(dropped.is_gone());
    });
}

#[test]
fn a_panic_inside_a_nested_bridge_is_the_inner_ones() {
    within(|| {
        let (bytes, end) = drain(Local::new().pull(|w| {
            let inner = Local::new().pull(|_| quiet_panic());
            let error = inner.into_iter().next().unwrap().unwrap_err();
            assert!(is_quiet_panic(error));
            w.write_all(b"the outer one goes on")
        }));
        assert_eq!(bytes, b"the outer one goes on");
        assert!(end.is_none());
    });
}

#[test]
fn a_reader_reports_a_panic_too() {
    let mut reader = Thread::new().pull(|_| quiet_panic()).into_reader();
    assert!(is_quiet_panic(reader.read(&mut [0; 8]).unwrap_err()));
    assert_eq!(reader.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::Other);
}

/// An error that panics when it is printed.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        quiet_panic()
    }
}

impl std::error::Error for Unspeakable {}

#[test]
fn laws_2_and_8_an_error_whose_text_panics_is_reported_like_any_other() {
    fn failed() -> io::Error {
        io::Error::new(io::ErrorKind::StorageFull, Unspeakable)
    }
    fn is_told(error: io::Error) {
        assert!(error.get_ref().is_some_and(|source| source.is::<Unspeakable>()));
    }
    fn is_read(mut reader: impl Read) {
        is_told(reader.read(&mut [0; 8]).unwrap_err());
        let again = reader.read(&mut [0; 8]).unwrap_err();
        assert_eq!((again.kind(), &again.to_string()[..]), (io::ErrorKind::StorageFull, "no storage space"));
    }
    within(|| {
        is_read(Local::new().pull(|_| Err(failed())).into_reader());
        is_read(Thread::new().pull(|_| Err(failed())).into_reader());
        is_read(Pool::new(1).pull(|_| Err(failed())).into_reader());
        is_told(Local::new().push(|_| Err::<(), _>(failed())).finish().unwrap_err());
        is_told(Thread::new().push(|_| Err::<(), _>(failed())).finish().unwrap_err());
        is_told(Pool::new(1).push(|_| Err::<(), _>(failed())).finish().unwrap_err());
    });
}

#[test]
fn a_panic_in_what_a_program_that_never_began_owns_is_the_hosts() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            quiet_panic();
        }
    }
    fn panics(host: impl FnOnce(Panics)) {
        let payload = panic::catch_unwind(AssertUnwindSafe(|| host(Panics))).unwrap_err();
        assert_eq!(*payload.downcast::<&str>().unwrap(), "quiet");
    }
    fn reads(owned: Panics) -> io::Result<()> {
        drop(owned);
        Ok(())
    }
    fn pulled(owned: Panics) -> impl FnOnce(&mut dyn Write) -> io::Result<()> {
        move |_| {
            drop(owned);
            Ok(())
        }
    }
    within(|| {
        panics(|owned| drop(Local::new().pull(|w| pulled(owned)(w))));
        panics(|owned| drop(Local::new().pull(|w| pulled(owned)(w)).into_reader()));
        panics(|owned| Local::new().pull_scoped(|w| pulled(owned)(w), |_| ()));
        panics(|owned| drop(Local::new().push(|_| reads(owned))));
        panics(|owned| Local::new().push(|_| reads(owned)).abort(io::ErrorKind::Other.into()));
        panics(|owned| drop(Local::new().filter(|_, w| pulled(owned)(w)).steps()));
        panics(|owned| drop(Thread::new().pull(|w| pulled(owned)(w))));
        panics(|owned| drop(Pool::new(1).pull(|w| pulled(owned)(w))));
    });
}

#[test]
fn what_a_program_that_never_began_owns_may_wait_when_it_is_dropped() {
    struct Waits(Option<pushpull::Chunks>, mpsc::Sender<usize>);
    impl Drop for Waits {
        fn drop(&mut self) {
            self.1.send(drain(self.0.take().unwrap()).0.len()).unwrap();
        }
    }
    within(|| {
        let (told, tells) = mpsc::channel();
        // Also inside a program, which is suspended meanwhile.
        let waits =
            |told: &mpsc::Sender<usize>| Waits(Some(Thread::new().pull(|w| w.write_all(b"four"))), told.clone());
        let owned = waits(&told);
        drop(Local::new().pull(move |_| {
            drop(owned);
            Ok(())
        }));
        let outer = Local::new().pull(move |w| {
            let owned = waits(&told);
            drop(Local::new().pull(move |_| {
                drop(owned);
                Ok(())
            }));
            w.write_all(b"end")
        });
        assert_eq!(drain(outer).0, b"end");
        assert_eq!(tells.iter().collect::<Vec<_>>(), [4, 4]);
    });
}
