//! Either end is dropped, at any point and in any order: the other end is woken, and nothing is left behind.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::mem;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::engine::{drain, is_disconnected};
use bytes::Bytes;
use pushpull::{Error, Local, Thread, Writer, local, pipe};
use pushpull_testing::guard::guard;
use pushpull_testing::watchdog::within;

fn small() -> Local {
    Local::new().chunk_size(4)
}

#[test]
fn law_2_a_bare_writer_says_how_it_ends() {
    within(|| {
        let (mut writer, chunks) = pipe(64);
        writer.write_all(b"abc").unwrap();
        drop(writer);
        let (bytes, end) = drain(chunks);
        assert_eq!(bytes, b"abc");
        assert!(Error::of(&end.unwrap()).unwrap().is_truncated());

        let (mut writer, chunks) = pipe(64);
        writer.write_all(b"abc").unwrap();
        writer.finish().unwrap();
        assert!(matches!(drain(chunks), (bytes, None) if bytes == b"abc"));

        let (mut writer, chunks) = pipe(64);
        writer.write_all(b"abc").unwrap();
        writer.abort(io::ErrorKind::StorageFull.into());
        let (bytes, end) = drain(chunks);
        assert_eq!((&bytes[..], end.unwrap().kind()), (&b"abc"[..], io::ErrorKind::StorageFull));
    });
}

#[test]
fn law_2_a_reader_made_after_the_error_fails_too() {
    fn fails(w: &mut dyn Write) -> io::Result<()> {
        w.write_all(b"abc")?;
        Err(io::ErrorKind::StorageFull.into())
    }
    fn check(mut reader: impl Read) {
        for _ in 0..3 {
            assert_eq!(reader.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
    }
    within(|| {
        let mut chunks = Local::new().pull(|w| fails(w));
        assert!(drain(chunks.by_ref()).1.is_some());
        check(chunks.into_reader());
        let mut chunks = Thread::new().pull(|w| fails(w));
        assert!(drain(chunks.by_ref()).1.is_some());
        check(chunks.into_reader());
        let mut chunks = Local::new().pull(|w| fails(w));
        chunks.drive_into(&mut Vec::new()).unwrap_err();
        check(chunks.into_reader());
        let mut chunks = Local::new().pull(|w| w.write_all(&[7; 1 << 20]));
        chunks.drive_into(&mut io::Cursor::new([0; 8])).unwrap_err();
        assert_eq!(chunks.into_reader().read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WriteZero);
        // After a clean end, a reader reports the end.
        let mut chunks = Thread::new().pull(|_| Ok(()));
        assert!(chunks.next().is_none());
        assert_eq!(chunks.into_reader().read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn law_15_finish_reports_a_dropped_reader() {
    let (writer, chunks) = pipe(64);
    drop(chunks);
    assert!(is_disconnected(&writer.finish().unwrap_err()));
}

#[test]
fn law_7_a_blocked_writer_wakes() {
    within(|| {
        let (own, dropped) = guard();
        let (full, is_full) = channel();
        let mut chunks = Thread::new().chunk_size(4).capacity(8).pull(move |w| {
            let _own = own;
            w.write_all(&[7; 8])?;
            full.send(()).unwrap();
            w.write_all(&[7; 1000])
        });
        assert!(chunks.next().is_some());
        is_full.recv().unwrap();
        drop(chunks);
        dropped.wait();
    });
}

#[test]
fn law_7_a_waiting_reader_wakes() {
    within(|| {
        let (tell, told) = channel();
        let mut feed = Thread::new().push(move |r| {
            let mut bytes = Vec::new();
            tell.send(r.read_to_end(&mut bytes).map_err(|error| error.kind())).unwrap();
            Ok(())
        });
        feed.write_all(b"abc").unwrap();
        drop(feed);
        assert_eq!(told.recv().unwrap(), Err(io::ErrorKind::UnexpectedEof));
    });
}

#[test]
fn law_7_any_bridge_wait_inside_the_program_wakes() {
    within(|| {
        // The inner bridge has no bytes: its writer is kept here.
        let (_inner_writer, mut inner) = pipe(64);
        let (tell, told) = channel();
        let (own, dropped) = guard();
        let mut outer = Thread::new().pull(move |w| {
            let _own = own;
            w.write_all(b"waiting")?;
            let item = inner.next();
            tell.send(item.unwrap().unwrap_err()).unwrap();
            assert!(inner.next().is_none());
            Ok(())
        });
        outer.next().unwrap().unwrap();
        drop(outer);
        assert!(is_disconnected(&told.recv().unwrap()));
        dropped.wait();
    });
}

#[test]
fn law_7_a_wait_inside_a_local_program_that_is_dropped_is_refused() {
    within(|| {
        let (_inner_writer, mut inner) = pipe(64);
        let (tell, told) = channel();
        let mut outer = small().pull(move |w| {
            let refused = w.write_all(b"abcdefgh").and_then(|()| w.flush());
            // The bridge is closing here: a wait would block the thread that drops it.
            tell.send((refused.is_err(), inner.next().unwrap().unwrap_err())).unwrap();
            Ok(())
        });
        outer.next().unwrap().unwrap();
        drop(outer);
        let (refused, waited) = told.recv().unwrap();
        assert!(refused && is_disconnected(&waited));
    });
}

#[test]
fn law_7_every_kind_of_wait_inside_the_program_wakes() {
    fn refused<T>(result: io::Result<T>) -> bool {
        result.is_err_and(|error| is_disconnected(&error))
    }
    type Wait = Box<dyn FnOnce() -> bool + Send>;
    let waits: Vec<fn() -> Wait> = vec![
        || {
            let (_writer, mut chunks) = pipe(64);
            Box::new(move || refused(chunks.next_timeout(Duration::MAX).unwrap()) && _writer.is_closed())
        },
        || {
            let (mut writer, _chunks) = pipe(4);
            Box::new(move || refused(writer.write_all(&[7; 100])) && _chunks.stats().bytes == 0)
        },
        || {
            let (mut writer, _chunks) = pipe(4);
            Box::new(move || refused(writer.write_bytes(vec![7; 100].into())) && _chunks.stats().bytes == 0)
        },
        || {
            let (_keep, kept) = channel::<()>();
            Box::new(move || {
                let feed = Thread::new().push(move |_| Ok(kept.recv().is_ok()));
                let refused = refused(feed.finish());
                drop(_keep);
                refused
            })
        },
        || {
            let (_writer, mut chunks) = pipe(64);
            // Through a program on this thread.
            Box::new(move || {
                let mut local = Local::new().pull(move |w| {
                    let item = chunks.next().unwrap();
                    w.write_all(&[u8::from(refused(item))])
                });
                local.next().unwrap().unwrap() == [1][..] && _writer.is_closed()
            })
        },
    ];
    within(move || {
        for wait in waits {
            let wait = wait();
            let (tell, told) = channel();
            let (own, dropped) = guard();
            let mut outer = Thread::new().pull(move |w| {
                let _own = own;
                w.write_all(b"waiting")?;
                tell.send(wait()).unwrap();
                Ok(())
            });
            outer.next().unwrap().unwrap();
            drop(outer);
            assert!(told.recv().unwrap());
            dropped.wait();
        }
    });
}

#[test]
fn law_7_a_dropped_feed_wakes_every_wait_of_its_program() {
    within(|| {
        let (_inner_writer, mut inner) = pipe(64);
        let (tell, told) = channel();
        let (begun, begins) = channel();
        let mut feed = Thread::new().push(move |r| {
            let read = r.read(&mut [0; 8]);
            begun.send(()).unwrap();
            tell.send((read, inner.next().unwrap())).unwrap();
            Ok(())
        });
        feed.write_all(b"abc").unwrap();
        begins.recv().unwrap();
        drop(feed);
        let (read, item) = told.recv().unwrap();
        assert_eq!(read.unwrap(), 3);
        assert!(is_disconnected(&item.unwrap_err()));
    });
}

#[test]
fn law_7_a_filter_learns_at_its_next_read() {
    /// Returns a source that never ends and never waits.
    fn endless() -> impl Iterator<Item = io::Result<Bytes>> + Send {
        std::iter::repeat_with(|| Ok(Bytes::from_static(b"more")))
    }
    within(|| {
        let (tell, told) = channel();
        let tell_too = tell.clone();
        let program = |r: &mut dyn Read, w: &mut dyn Write, tell: &std::sync::mpsc::Sender<bool>| {
            let _ = w.write_all(b"first").and_then(|()| w.flush());
            let error = io::copy(r, &mut io::sink()).unwrap_err();
            tell.send(is_disconnected(&error)).unwrap();
            // A program that ignores the errors is unwound.
            loop {
                let _ = r.read(&mut [0; 8]);
            }
        };
        let (own, dropped) = guard();
        let threaded = Thread::new().filter(move |r, w| {
            let _own = &own;
            program(r, w, &tell)
        });
        let mut pulled = threaded.pull_from(endless());
        assert_eq!(pulled.next().unwrap().unwrap(), "first");
        drop(pulled);
        assert!(told.recv().unwrap());
        dropped.wait();

        let (own, dropped) = guard();
        let local = Local::new().filter(move |r, w| {
            let _own = &own;
            program(r, w, &tell_too)
        });
        let mut pulled = local.pull_from(endless());
        assert_eq!(pulled.next().unwrap().unwrap(), "first");
        drop(pulled);
        assert!(told.recv().unwrap() && dropped.is_gone());
    });
}

#[test]
fn dropping_does_not_wait_for_a_program_that_computes() {
    within(|| {
        let (go, wait) = channel::<()>();
        let (own, dropped) = guard();
        let mut chunks = Thread::new().pull(move |w| {
            let _own = own;
            w.write_all(b"x")?;
            wait.recv().unwrap();
            assert!(w.is_closed());
            Ok(())
        });
        chunks.next().unwrap().unwrap();
        drop(chunks);
        assert!(!dropped.is_gone());
        go.send(()).unwrap();
        dropped.wait();
    });
}

#[test]
fn join_waits_until_the_program_is_gone() {
    within(|| {
        for pulls in 0..3 {
            let (own, dropped) = guard();
            let mut chunks = Thread::new().chunk_size(4).capacity(8).pull(move |w| {
                let _own = own;
                loop {
                    w.write_all(b"again")?;
                }
            });
            for _ in 0..pulls {
                chunks.next().unwrap().unwrap();
            }
            chunks.join();
            assert!(dropped.is_gone());
        }
    });
}

#[test]
fn join_survives_what_panics_when_it_is_dropped() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("dropped"));
        }
    }
    within(|| {
        let mut chunks = Thread::new().pull(|w| {
            w.write_all(b"x")?;
            while !w.is_closed() {
                thread::yield_now();
            }
            // The reader is gone, so the payload is dropped on the program's side.
            std::panic::resume_unwind(Box::new(Panics))
        });
        chunks.next().unwrap().unwrap();
        chunks.join();
    });
}

#[test]
fn an_error_may_hold_the_writer_of_its_own_bridge() {
    #[derive(Debug)]
    struct Holds(Arc<Mutex<Writer>>);
    impl std::fmt::Display for Holds {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("holds the writer")
        }
    }
    impl std::error::Error for Holds {}
    within(|| {
        let (tell, told) = channel();
        let mut chunks = Thread::new().pull(move |w| {
            w.write_all(b"x")?;
            w.flush()?;
            let (other, _) = pipe(1);
            let own = Holds(Arc::new(Mutex::new(mem::replace(w, other))));
            tell.send(own.0.clone()).unwrap();
            Err(io::Error::other(own))
        });
        chunks.next().unwrap().unwrap();
        let writer = told.recv().unwrap();
        while !writer.lock().unwrap().is_closed() {
            thread::yield_now();
        }
        // Only the bridge holds the error now, and only the error holds the writer.
        drop(writer);
        drop(chunks);
    });
}

#[test]
fn a_writer_moved_out_of_its_program_is_refused() {
    within(|| {
        let (away, got) = channel();
        let chunks = Thread::new().pull(move |w| {
            let (mut other, _) = pipe(1);
            mem::swap(w, &mut other);
            other.write_all(b"written by it")?;
            away.send(other).unwrap();
            Ok(())
        });
        let (bytes, end) = drain(chunks);
        assert_eq!(bytes, b"written by it");
        assert!(end.is_none(), "the program returned Ok");
        let mut writer: Writer = got.recv().unwrap();
        assert!(writer.is_closed());
        assert!(is_disconnected(&writer.write_all(b"too late").unwrap_err()));
        // Every later write is refused too, and does not unwind this thread, whose program it is not.
        for _ in 0..200 {
            assert!(writer.write_all(b"too late").is_err());
        }
        drop(writer);
    });
}

#[test]
fn an_outer_writer_works_inside_an_inner_program() {
    within(|| {
        let outer = small().pull(|w| {
            w.write_all(b"1234")?;
            // The inner program's write suspends the outer program, and the inner one with it.
            small().pull_scoped(
                |inner| {
                    w.write_all(b"from inside, ")?;
                    inner.write_all(b"inner bytes")?;
                    w.write_all(b"and again")
                },
                |chunks| assert_eq!(drain(chunks).0, b"inner bytes"),
            );
            w.write_all(b"5678")
        });
        assert!(matches!(drain(outer), (bytes, None) if bytes == b"1234from inside, and again5678"));
    });
}

#[test]
fn an_outer_bridge_dropped_inside_an_inner_program() {
    within(|| {
        for pulls in 1..8 {
            let (own, dropped) = guard();
            let mut outer = small().pull(move |w| {
                let _own = own;
                small().pull_scoped(
                    |inner| loop {
                        w.write_all(b"outer")?;
                        inner.write_all(b"inner")?;
                    },
                    |chunks| drop(drain(chunks)),
                );
                Ok(())
            });
            for _ in 0..pulls {
                outer.next().unwrap().unwrap();
            }
            drop(outer);
            assert!(dropped.is_gone());
        }
    });
}

#[test]
fn swapped_writers_write_to_their_own_bridges() {
    within(|| {
        let outer = small().pull(|w| {
            let inner = small().pull_scoped(
                |inner| {
                    mem::swap(w, inner);
                    inner.write_all(b"to the outer")?;
                    w.write_all(b"to the inner")
                },
                |chunks| drain(chunks).0,
            );
            assert_eq!(inner, b"to the inner");
            // The writer that is left here belongs to a program that has ended.
            assert!(w.is_closed() && is_disconnected(&w.write_all(b"lost").unwrap_err()));
            // Every later write is refused too: ignoring the errors unwinds the writer's own program, and not this one.
            for _ in 0..200 {
                assert!(w.write_all(b"lost").is_err());
            }
            Ok(())
        });
        assert!(matches!(drain(outer), (bytes, None) if bytes == b"to the outer"));
    });
}

#[test]
fn bridges_made_inside_a_program_may_outlive_it() {
    within(|| {
        let made: Rc<RefCell<Vec<local::Chunks>>> = Rc::default();
        let keep = made.clone();
        let mut outer = small().pull(move |w| {
            let mut inner = small().pull(|w| w.write_all(b"inner bytes"));
            let first = inner.next().unwrap()?;
            keep.borrow_mut().push(inner);
            w.write_bytes(first)
        });
        assert_eq!(outer.next().unwrap().unwrap(), "inner bytes");
        drop(outer);
        let mut inner = made.borrow_mut().pop().unwrap();
        assert!(inner.next().is_none());
    });
}

#[test]
fn a_scoped_program_has_ended_when_the_call_returns() {
    let mut ended = false;
    struct Ends<'a>(&'a mut bool);
    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            *self.0 = true;
        }
    }
    let ends = Ends(&mut ended);
    small().pull_scoped(
        |w| {
            let _ends = ends;
            loop {
                w.write_all(b"again")?;
            }
        },
        |mut chunks| drop(chunks.next()),
    );
    assert!(ended);
}

#[test]
fn a_host_that_panics_ends_a_scoped_program() {
    let (own, dropped) = guard();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        small().pull_scoped(
            |w| {
                let _own = &own;
                w.write_all(b"again and again")
            },
            |mut chunks| {
                chunks.next();
                std::panic::resume_unwind(Box::new("the host's"))
            },
        )
    }));
    assert!(unwound.is_err() && !dropped.is_gone());
}

#[test]
fn law_9_a_refused_program_is_the_first_item() {
    // Larger than any address space.
    let mut chunks = Local::new().stack_size(usize::MAX / 4).pull(|w| w.write_all(b"x"));
    assert!(chunks.next().unwrap().is_err());
    assert!(chunks.next().is_none());
    let mut chunks = Thread::new().stack_size(usize::MAX / 4).pull(|w| w.write_all(b"x"));
    let error = chunks.next().unwrap().unwrap_err();
    // The system's own error is `WouldBlock`, which would promise that a later call succeeds.
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory, "{error}");
    assert!(error.to_string().starts_with("the system has no more threads to give: "), "{error}");
    assert!(chunks.next().is_none());
    chunks.join();
    let mut chunks = Local::new().stack_size(usize::MAX).pull(|w| w.write_all(b"x"));
    assert!(chunks.next().unwrap().is_err());
    let mut chunks = Thread::new().stack_size(usize::MAX).pull(|w| w.write_all(b"x"));
    assert!(chunks.next().unwrap().is_err());
    let mut feed = Thread::new().stack_size(usize::MAX / 4).push(|_| Ok(()));
    let kind = feed.write(b"x").unwrap_err().kind();
    assert_eq!(feed.write(b"x").unwrap_err().kind(), kind);
    assert_eq!(feed.finish().unwrap_err().kind(), kind);
}

#[cfg(target_os = "linux")]
#[test]
fn law_7_threads_come_back() {
    within(|| {
        fn threads() -> usize {
            std::fs::read_dir("/proc/self/task").unwrap().count()
        }
        let bridges = |count: usize| {
            let mut chunks: Vec<pushpull::Chunks> = (0..count)
                .map(|_| {
                    Thread::new().chunk_size(4).pull(|w| {
                        loop {
                            w.write_all(b"again")?;
                        }
                    })
                })
                .collect();
            chunks.iter_mut().for_each(|chunks| drop(chunks.next().unwrap().unwrap()));
            chunks.into_iter().for_each(pushpull::Chunks::join);
        };
        bridges(50);
        let before = threads();
        for _ in 0..20 {
            bridges(50);
        }
        // A few threads are idle, and other tests have theirs. A thousand would be a leak.
        while threads() >= before + 200 {
            // Threads that are not kept end on their own.
            thread::yield_now();
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_thread_is_named_while_in_use() {
    within(|| {
        let mut chunks = Thread::new().name("a name that is too long").pull(|w| {
            let name = std::fs::read_to_string("/proc/thread-self/comm")?;
            w.write_all(name.as_bytes())
        });
        assert_eq!(chunks.next().unwrap().unwrap(), "a name that is \n");
    });
}

#[test]
fn both_ends_of_a_pipe_may_be_dropped_at_once() {
    within(|| {
        for _ in 0..1000 {
            let (mut writer, mut chunks) = pipe(4);
            let puller = thread::spawn(move || {
                chunks.next();
                drop(chunks);
            });
            while writer.write_all(b"abc").is_ok() {}
            drop(writer);
            puller.join().unwrap();
        }
    });
}

#[test]
fn a_chunk_outlives_its_bridge() {
    let (mut writer, mut chunks) = pipe(64);
    writer.write_all(b"abc").unwrap();
    let chunk: Bytes = chunks.next().unwrap().unwrap();
    drop((writer, chunks));
    assert_eq!(chunk, "abc");
}
