//! What a service answers: head, body, and failures before anything was sent.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use http::Response;
use pushpull_gateway::{AsPull, AsPush, Input, PullApp, PushApp, pull_fn, push_fn, service};

use super::client::{ask, block_on, collect, get, request, whole};

on_every_engine! {
    /// Status, fields and body arrive. A short response has an exact length where the engine knows it in time.
    fn a_push_app_answers(engine) {
        let app = push_fn(|inp, out, _err, env| {
            let mut body = String::new();
            inp.read_to_string(&mut body)?;
            let path = env.get_str("PATH_INFO").unwrap();
            write!(out, "Status: 201 Made\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n{path}: {body}")
        });
        let answer = block_on(async {
            collect(ask(&mut service(engine, app), request("POST", "/here", whole("hello"))).await).await
        });
        assert_eq!((answer.status.as_u16(), answer.text()), (201, "/here: hello"));
        assert_eq!(answer.fields.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(answer.error.is_none());
    }

    /// Law 4: one write accepts all its bytes, whether head, body, or beyond the body's length.
    fn law_4_a_response_in_one_write_is_whole(engine) {
        for (length, beyond) in [("", 0), ("Content-Length: 300000
", 0), ("Content-Length: 300000
", 100)] {
            for vectored in [false, true] {
                let app = push_fn(move |_inp, out, _err, _env| {
                    let head = format!("{length}Content-Type: text/plain

").into_bytes();
                    let body = vec![b'x'; 300_000 + beyond];
                    let all = [&head[..], &body].concat();
                    let slices = [&head[..], &body].map(io::IoSlice::new);
                    let written = if vectored { out.write_vectored(&slices)? } else { out.write(&all)? };
                    assert_eq!(written, all.len());
                    Ok(())
                });
                let answer = block_on(async { collect(ask(&mut service(engine.clone(), app), get("/")).await).await });
                assert!(answer.error.is_none(), "{:?}", answer.error);
                assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 300_000));
            }
        }
    }

    /// A pull app is a service too, and so is every converted app.
    fn a_pull_app_answers(engine) {
        fn blocks() -> impl PullApp<Output = impl Iterator<Item = io::Result<bytes::Bytes>>> + Clone + Send + Sync {
            pull_fn(|_req| {
                let blocks = ["a", "b", "c"].into_iter().map(|text| Ok(text.into()));
                Ok(Response::builder().status(202).header("x-kind", "pull").body(blocks).unwrap())
            })
        }
        fn check<K: 'static>(app: impl pushpull_gateway::App<K> + Send + Sync, engine: impl Clone + Into<Engine>) {
            let answer = engine.into().answer(app);
            assert_eq!((answer.status.as_u16(), answer.text()), (202, "abc"));
            assert_eq!(answer.fields["x-kind"], "pull");
        }
        check(blocks(), engine.clone());
        check(AsPush(blocks()), engine.clone());
        check(AsPull(AsPush(blocks())), engine.clone());
        check(AsPush(AsPull(AsPush(blocks()))), engine);
    }

    /// An error in the same step as the head is still answered.
    fn a_failure_before_the_body_is_a_500(engine) {
        for (written, status) in [("", 500), ("Content-Type: text/plain\n", 500), ("Content-Type: text/plain\n\n", 500)] {
            let app = push_fn(move |_inp, out, _err, _env| {
                out.write_all(written.as_bytes())?;
                Err(io::Error::other("out of paper"))
            });
            let answer = block_on(async { collect(ask(&mut service(engine.clone(), app), get("/")).await).await });
            assert_eq!(answer.status.as_u16(), status, "after {written:?}");
            assert!(!answer.text().contains("paper"), "a client was told of the inside: {}", answer.text());
            assert!(answer.error.is_none());
        }
        let app = push_fn(|_inp, _out, _err, _env| panic!("a panic that the test wants"));
        let answer = block_on(async { collect(ask(&mut service(engine.clone(), app), get("/")).await).await });
        assert_eq!(answer.status.as_u16(), 500);
        let app = pull_fn(|_req| {
            let fails: Vec<io::Result<bytes::Bytes>> = vec![Err(io::Error::other("no block"))];
            Ok(Response::new(fails.into_iter()))
        });
        let answer = block_on(async { collect(ask(&mut service(engine, app), get("/")).await).await });
        assert_eq!(answer.status.as_u16(), 500);
    }

    /// Requirement 8: an invalid head is a 502, whatever the program does with the error.
    fn requirement_8_an_invalid_head_is_a_502(engine) {
        for head in ["no field\n\nbody", "A: 1\n folded\n\nbody", "Status: 99\n\nbody", "A: 1\n", ""] {
            for insists in [false, true] {
                let app = push_fn(move |_inp, out, _err, _env| {
                    let written = out.write_all(head.as_bytes());
                    if insists { Ok(()) } else { written }
                });
                let answer = block_on(async { collect(ask(&mut service(engine.clone(), app), get("/")).await).await });
                assert_eq!(answer.status.as_u16(), 502, "{head:?}");
            }
        }
        let app = push_fn(|_inp, out, _err, _env| write!(out, "A: {}\n\n", "x".repeat(100)));
        let service = service(engine, app);
        let answer = block_on(async { collect(ask(&mut service.max_head(50), get("/")).await).await });
        assert_eq!(answer.status.as_u16(), 502);
    }

    /// Requirement 11: `HEAD`, 204 and 304 have no body, and the program is not killed.
    fn requirement_11_an_unsent_body_is_drained(engine) {
        for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304)] {
            let ended = Arc::new(AtomicBool::new(false));
            let told = ended.clone();
            let app = push_fn(move |_inp, out, _err, _env| {
                write!(out, "Status: {status}\nContent-Type: text/plain\n\n")?;
                for _ in 0..100 {
                    out.write_all(&[b'x'; 10_000])?;
                }
                told.store(true, SeqCst);
                Ok(())
            });
            let answer = block_on(async {
                collect(ask(&mut service(engine.clone(), app), request(method, "/", whole(""))).await).await
            });
            assert_eq!((answer.status.as_u16(), answer.exact, answer.text()), (status, Some(0), ""));
            assert!(ended.load(SeqCst), "the program was stopped: {method} {status}");
        }
    }

    /// Requirement 11, in any executor: only the limit of time needs tokio.
    fn requirement_11_an_unsent_body_is_drained_outside_of_tokio(engine) {
        let app = push_fn(|_inp, out, _err, _env| {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            // Long enough to be waited for, where the program runs elsewhere.
            (0..100).try_for_each(|_| out.write_all(&[b'x'; 10_000]))
        });
        let answer = pollster::block_on(async {
            collect(ask(&mut service(engine, app), request("HEAD", "/", whole(""))).await).await
        });
        assert_eq!((answer.status.as_u16(), answer.exact), (200, Some(0)));
    }

    /// Requirement 11: an endless program is not drained forever.
    fn requirement_11_the_draining_is_bounded(engine) {
        let app = push_fn(|_inp, out, _err, _env| {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            loop {
                out.write_all(&[b'x'; 100_000])?;
            }
        });
        let answer = block_on(async {
            collect(ask(&mut service(engine, app), request("HEAD", "/", whole(""))).await).await
        });
        assert_eq!((answer.status.as_u16(), answer.exact), (200, Some(0)));
    }

    /// Messages of the program, and its failure, are written to the error stream of the request's environ.
    fn failures_are_written_to_the_error_stream(engine) {
        use pushpull_gateway::{Environ, ErrorStream};

        let lines = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let log = lines.clone();
        let app = push_fn(|_inp, _out, err, _env| {
            write!(err, "about to ")?;
            writeln!(err, "fail")?;
            Err(io::Error::other("out of paper"))
        });
        let mut request = get("/");
        let mut env = Environ::new().with_error_log(ErrorStream::new(move |line| log.lock().push(line.to_owned())));
        env.set("REQUEST_METHOD", "GET").unwrap();
        env.set("REQUEST_URI", "/x").unwrap();
        request.extensions_mut().insert(env);
        let answer = block_on(async { collect(ask(&mut service(engine, app), request).await).await });
        assert_eq!(answer.status.as_u16(), 500);
        assert_eq!(*lines.lock(), ["about to fail", "GET /x: out of paper"]);
    }
}

/// Waiting before the head releases nothing: a later error is still answered.
#[test]
fn a_wait_before_the_head_does_not_release_it() {
    use std::future::Future;
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};
    use std::task::{Context, Wake};

    struct Woken(Sender<()>);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
        }
    }

    pushpull_testing::watchdog::within(|| {
        let ((say, held), (go, gone)) = (channel(), channel::<()>());
        let gone = Mutex::new(gone);
        let app = push_fn(move |inp, out, _err, _env| {
            inp.read_exact(&mut [0])?;
            out.write_all(b"Content-Type: text/plain\n\n")?;
            say.send(()).unwrap();
            // A wait that the bridge cannot see.
            let _ = gone.lock().unwrap().recv();
            Err(io::Error::other("out of paper"))
        });
        let mut service = service(pushpull::Thread::new(), app);
        block_on(async {
            let (sender, body) = super::client::pieces();
            let mut asked = Box::pin(ask(&mut service, request("POST", "/", body)));
            let (wake, woken) = channel();
            let waker = Arc::new(Woken(wake)).into();
            let mut context = Context::from_waker(&waker);
            assert!(asked.as_mut().poll(&mut context).is_pending());
            // The program waits for its input.
            woken.recv().unwrap();
            sender.send(Ok("1".into())).unwrap();
            held.recv().unwrap();
            assert!(asked.as_mut().poll(&mut context).is_pending(), "the head was not held");
            go.send(()).unwrap();
            assert_eq!(asked.await.status(), 500);
        });
    });
}

/// A short response declares its length, so that a server needs no chunked coding.
#[test]
fn a_short_answer_on_local_has_a_length() {
    let app = push_fn(|_inp, out, _err, _env| {
        out.write_all(b"Content-Type: text/plain\n\n")?;
        (0..8).try_for_each(|_| out.write_all(&[b'x'; 1024]))
    });
    let answer = block_on(async { collect(ask(&mut service(pushpull::Local::new(), app), get("/")).await).await });
    assert_eq!((answer.exact, answer.body.len()), (Some(8192), 8192));
    let app = push_fn(|_inp, out, _err, _env| out.write_all(b"Content-Type: text/plain\n\n"));
    let answer = block_on(async { collect(ask(&mut service(pushpull::Local::new(), app), get("/")).await).await });
    assert_eq!(answer.exact, Some(0));
}

/// The same for a pull app that knows which block is its last.
#[test]
fn a_short_pull_app_on_local_has_a_length() {
    let app = pull_fn(|_req| Ok(Response::new(["one ", "two"].into_iter().map(|text| Ok(text.into())))));
    let answer = block_on(async { collect(ask(&mut service(pushpull::Local::new(), app), get("/")).await).await });
    assert_eq!((answer.exact, answer.text()), (None, "one two"));
    let whole = || pull_fn(|_req| Ok(Response::new(std::iter::once(Ok("whole".into())))));
    let answer = block_on(async { collect(ask(&mut service(pushpull::Local::new(), whole()), get("/")).await).await });
    assert_eq!((answer.exact, answer.text()), (Some(5), "whole"));
}

/// On `Local`, an app need be neither `Send` nor `Sync`.
#[test]
fn an_app_on_local_may_keep_what_is_not_send() {
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let seen = count.clone();
    let app = push_fn(move |_inp, out, _err, _env| {
        count.set(count.get() + 1);
        write!(out, "A: 1\n\n{}", count.get())
    });
    let mut service = service(pushpull::Local::new(), app);
    block_on(async {
        assert_eq!(collect(ask(&mut service, get("/")).await).await.text(), "1");
        assert_eq!(collect(ask(&mut service.clone(), get("/")).await).await.text(), "2");
    });
    assert_eq!(seen.get(), 2);
}

/// Structs and shared apps are apps too.
#[test]
fn structs_are_apps() {
    struct Greeting(String);

    impl PushApp for Greeting {
        fn run(
            &self,
            _: &mut Input,
            out: &mut dyn io::Write,
            _: &mut dyn io::Write,
            _: &pushpull_gateway::Environ,
        ) -> io::Result<()> {
            write!(out, "A: 1\n\n{}", self.0)
        }
    }

    let shared: Arc<dyn PushApp + Send + Sync> = Arc::new(Greeting("hello".into()));
    let mut service = service(pushpull::Thread::new(), shared);
    assert_eq!(block_on(async { collect(ask(&mut service, get("/")).await).await }).text(), "hello");
}

/// One of two engines, for tests that run several apps on each.
pub enum Engine {
    Local(pushpull::Local),
    Thread(pushpull::Thread),
    Pool(pushpull::Pool),
}

impl From<pushpull::Local> for Engine {
    fn from(engine: pushpull::Local) -> Engine {
        Engine::Local(engine)
    }
}

impl From<pushpull::Thread> for Engine {
    fn from(engine: pushpull::Thread) -> Engine {
        Engine::Thread(engine)
    }
}

impl From<pushpull::Pool> for Engine {
    fn from(engine: pushpull::Pool) -> Engine {
        Engine::Pool(engine)
    }
}

impl Engine {
    fn answer<K: 'static>(self, app: impl pushpull_gateway::App<K> + Send + Sync) -> super::client::Answer {
        block_on(async {
            match self {
                Engine::Local(engine) => collect(ask(&mut service(engine, app), get("/")).await).await,
                Engine::Pool(engine) => collect(ask(&mut service(engine, app), get("/")).await).await,
                Engine::Thread(engine) => collect(ask(&mut service(engine, app), get("/")).await).await,
            }
        })
    }
}
