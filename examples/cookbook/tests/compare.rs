//! Tests the claims of `docs/compare.md`: each loss of the other ways to join code that writes to an asynchronous
//! server occurs here, and pushpull does not have it.

#[path = "compare/bridged.rs"]
mod bridged;
#[path = "compare/channel.rs"]
mod channel;
#[path = "compare/duplex.rs"]
mod duplex;
#[path = "compare/pipe.rs"]
mod pipe;
#[path = "compare/upload.rs"]
mod upload;

use std::future::Future;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};

use axum::body::{Body, Bytes};
use futures_util::{FutureExt, StreamExt};

type Program = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

type Way = fn(Program) -> Body;

const DUPLEX: Way = |program| duplex::body(program);
const CHANNEL: Way = |program| channel::body(program);
const PIPE: Way = |program| pipe::body(program).unwrap();
const BRIDGED: Way = |program| bridged::body(move |w| program(w));

/// Reports the end of a program, whatever ends it.
struct Guard(mpsc::Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

/// Returns everything that arrives, and the error that ends it.
async fn read(body: Body) -> (Vec<u8>, Option<axum::Error>) {
    let (mut stream, mut bytes) = (body.into_data_stream(), Vec::new());
    while let Some(item) = stream.next().await {
        match item {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(error) => return (bytes, Some(error)),
        }
    }
    (bytes, None)
}

fn half_and_an_error() -> Program {
    Box::new(|w| {
        w.write_all(b"half")?;
        Err(io::Error::other("disk failure"))
    })
}

fn half_and_a_panic() -> Program {
    Box::new(|w| {
        w.write_all(b"half")?;
        w.flush()?;
        panic!("the disk is on fire");
    })
}

#[test]
fn an_error_reads_as_a_clean_end() {
    within(async {
        for way in [DUPLEX, PIPE] {
            let (bytes, error) = read(way(half_and_an_error())).await;
            assert!(bytes == b"half" && error.is_none(), "{error:?}");
        }
        let (bytes, error) = read(BRIDGED(half_and_an_error())).await;
        assert!(bytes == b"half" && error.unwrap().to_string().contains("disk failure"));
    });
}

#[test]
fn a_panic_reads_as_a_clean_end() {
    within(async {
        for way in [DUPLEX, CHANNEL, PIPE] {
            let (bytes, error) = read(way(half_and_a_panic())).await;
            assert!(bytes == b"half" && error.is_none(), "{error:?}");
        }
        let (bytes, error) = read(BRIDGED(half_and_a_panic())).await;
        assert!(bytes == b"half" && error.unwrap().to_string().contains("on fire"));
    });
}

#[test]
fn what_was_written_before_an_error_comes_after_it() {
    within(async {
        let (bytes, error) = read(CHANNEL(half_and_an_error())).await;
        assert!(bytes.is_empty() && error.is_some(), "{bytes:?}");
        let (bytes, error) = read(BRIDGED(half_and_an_error())).await;
        assert!(bytes == b"half" && error.is_some(), "{bytes:?}");
    });
}

#[test]
fn a_large_write_is_not_bounded() {
    const LEN: usize = 32 << 20;
    let largest = async |way: Way| {
        let stream = way(Box::new(|w| w.write_all(&vec![7; LEN]))).into_data_stream();
        stream.fold(0, async |most, chunk| chunk.unwrap().len().max(most)).await
    };
    within(async {
        assert_eq!(largest(CHANNEL).await, LEN);
        assert!(largest(BRIDGED).await <= 256 * 1024);
    });
}

/// Creates a body without reading it. Its program reports that it runs.
fn unasked(way: Way) -> (Body, Receiver<()>) {
    let (runs, seen) = mpsc::channel();
    let body = way(Box::new(move |_| {
        let _ = runs.send(());
        Ok(())
    }));
    (body, seen)
}

#[test]
fn it_runs_before_the_first_read() {
    within(async {
        for way in [DUPLEX, CHANNEL, PIPE] {
            let (_body, runs) = unasked(way);
            runs.recv().expect("it runs");
        }
        let (body, runs) = unasked(BRIDGED);
        drop(body);
        runs.recv().expect_err("it never ran");
    });
}

#[test]
fn a_program_that_ignores_errors_runs_on_after_a_disconnect() {
    within(async {
        for (way, goes_on) in [(DUPLEX, true), (CHANNEL, true), (PIPE, true), (BRIDGED, false)] {
            let (over, writes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let (ended, end) = mpsc::channel();
            let (told, counted) = (over.clone(), writes.clone());
            let body = way(Box::new(move |w| {
                let _guard = Guard(ended);
                while !told.load(Ordering::Relaxed) {
                    // As code does that logs an error and tries the next row.
                    let _ = w.write_all(&[7; 64 * 1024]);
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }));
            let mut stream = body.into_data_stream();
            stream.next().await.unwrap().unwrap();
            drop(stream);
            if goes_on {
                let before = writes.load(Ordering::Relaxed);
                while writes.load(Ordering::Relaxed) < before + 10_000 {
                    std::thread::yield_now();
                }
                over.store(true, Ordering::Relaxed);
            }
            end.recv().unwrap();
        }
    });
}

/// Starts an endless program, which reports its start. Its client does not read.
fn endless(way: Way, started: mpsc::Sender<()>) -> Body {
    way(Box::new(move |w| {
        let _ = started.send(());
        loop {
            w.write_all(&[7; 64 * 1024])?;
        }
    }))
}

#[test]
fn stalled_clients_use_up_the_threads() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        for way in [DUPLEX, CHANNEL] {
            let (started, starts) = mpsc::channel();
            let stalled = [endless(way, started.clone()), endless(way, started.clone())];
            starts.recv().unwrap();
            starts.recv().unwrap();
            // Both threads are taken: a third program starts only after a client has disconnected.
            let mut third = endless(way, started).into_data_stream();
            assert!(third.next().now_or_never().is_none());
            starts.try_recv().unwrap_err();
            drop(stalled);
            third.next().await.unwrap().unwrap();
        }
    });
    let pool = pushpull::Pool::new(1);
    within(async {
        let mut stalled = Vec::new();
        for _ in 0..1000 {
            let chunks = pool.clone().capacity(1024).pull(|w| {
                loop {
                    w.write_all(&[7; 1024])?;
                }
            });
            let mut stream = Body::new(chunks.into_body()).into_data_stream();
            stream.next().await.unwrap().unwrap();
            stalled.push(stream);
        }
    });
}

#[test]
fn uploads_are_read_by_both() {
    let body = || Body::from_stream(futures_util::stream::iter(["one\ntw", "o\nthree\n"].map(io::Result::Ok)));
    within(async {
        assert_eq!(upload::upload(body(), |r| Ok(BufReader::new(r).lines().count())).await.unwrap(), 3);
        assert_eq!(bridged::upload(body(), |r| Ok(r.lines().count())).await.unwrap(), 3);
        let panics = || -> io::Result<()> { panic!("the parser is on fire") };
        upload::upload(body(), move |_| panics()).await.unwrap_err();
        let error = bridged::upload(body(), move |_| panics()).await.unwrap_err();
        assert!(pushpull::Error::of(&error).is_some_and(pushpull::Error::is_panic));
        // A body that the client did not finish makes the read fail.
        let cut = Body::from_stream(futures_util::stream::iter([
            Ok(Bytes::from("one\n")),
            Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        ]));
        bridged::upload(cut, |r| r.read_to_end(&mut Vec::new())).await.unwrap_err();
    });
}

/// Checks that every block of code on the page is compiled here.
#[test]
fn the_page_shows_what_was_tested() {
    let page = include_str!("../../../docs/compare.md");
    let sources = [
        include_str!("compare/bridged.rs"),
        include_str!("compare/channel.rs"),
        include_str!("compare/duplex.rs"),
        include_str!("compare/pipe.rs"),
        include_str!("compare/upload.rs"),
    ];
    let mut blocks = 0;
    for block in page.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        assert!(sources.iter().any(|source| source.contains(block)), "this is nowhere compiled:\n{block}");
        blocks += 1;
    }
    assert!(blocks >= 6, "{blocks} blocks of code");
    // Every loss that the page names has a test.
    let tests = include_str!("compare.rs");
    let is_name = |word: &&str| word.len() > 20 && word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
    let mut losses = 0;
    for name in page.split('`').filter(is_name) {
        assert!(tests.contains(&format!("fn {name}()")), "there is no test {name}");
        losses += 1;
    }
    assert!(losses >= 12, "{losses} losses");
}
