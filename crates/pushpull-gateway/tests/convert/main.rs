//! Converting there and back is the identity: each shape of application, converted to the other and back, answers as
//! before.

use std::io::{self, Read, Write};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use proptest::prelude::*;
use pushpull_gateway::{AsPull, AsPush, Environ, Fed, HeadParser, Input, MAX_HEAD, PullApp, PushApp, pull_fn, push_fn};

/// What an app does.
#[derive(Debug, Clone)]
struct Script {
    status: u16,
    fields: Vec<(&'static str, Vec<u8>)>,
    blocks: Vec<Vec<u8>>,
    fails: Option<Failure>,
}

#[derive(Debug, Clone)]
struct Failure {
    kind: io::ErrorKind,
    /// The number of blocks before the failure, at most all of them. With `None` the app fails before its head is
    /// complete.
    after: Option<usize>,
    panics: bool,
}

/// What an app's caller saw: the part of the response that arrived, and the error.
#[derive(Debug, PartialEq)]
struct Seen {
    head: Option<(StatusCode, HeaderMap)>,
    body: Vec<u8>,
    error: Option<(io::ErrorKind, String)>,
}

fn tell(error: &io::Error) -> (io::ErrorKind, String) {
    (error.kind(), error.to_string())
}

impl Failure {
    fn happen<T>(&self) -> io::Result<T> {
        if self.panics {
            std::panic::resume_unwind(Box::new("a panic that the test wants"));
        }
        Err(io::Error::new(self.kind, "as the test wants"))
    }
}

impl Script {
    fn fails_at(&self, place: Option<usize>) -> Option<&Failure> {
        let last = self.blocks.len();
        self.fails.as_ref().filter(|failure| failure.after.map(|after| after.min(last)) == place)
    }

    fn push(self) -> impl PushApp {
        push_fn(move |inp, out, _err, _env| {
            let mut echo = String::new();
            inp.read_to_string(&mut echo)?;
            write!(out, "Status: {}\nX-Echo: {echo}\n", self.status)?;
            if let Some(failure) = self.fails_at(None) {
                return failure.happen();
            }
            for (name, value) in &self.fields {
                write!(out, "{name}:  ")?;
                out.write_all(value)?;
                out.write_all(b" \r\n")?;
            }
            out.write_all(b"\n")?;
            for (index, block) in self.blocks.iter().enumerate() {
                if let Some(failure) = self.fails_at(Some(index)) {
                    return failure.happen();
                }
                out.write_all(block)?;
            }
            self.fails_at(Some(self.blocks.len())).map_or(Ok(()), Failure::happen)
        })
    }

    fn pull(self) -> impl PullApp {
        pull_fn(move |req: Request<Input>| {
            if let Some(failure) = self.fails_at(None) {
                return failure.happen();
            }
            let mut echo = String::new();
            req.into_body().read_to_string(&mut echo)?;
            let mut response = Response::builder().status(self.status).header("x-echo", echo);
            for (name, value) in &self.fields {
                response = response.header(*name, HeaderValue::from_bytes(value).unwrap());
            }
            let script = self.clone();
            let mut index = 0;
            let mut over = false;
            let blocks = std::iter::from_fn(move || {
                let here = index;
                index += 1;
                if over {
                    return None;
                }
                if let Some(failure) = script.fails_at(Some(here)) {
                    over = true;
                    return Some(failure.happen());
                }
                script.blocks.get(here).map(|block| Ok(Bytes::from(block.clone())))
            });
            Ok(response.body(blocks).unwrap())
        })
    }
}

fn environ() -> Environ {
    let mut env = Environ::new();
    for (name, value) in [("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/a?b"), ("HTTP_HOST", "example.test")] {
        env.set(name, value).unwrap();
    }
    env
}

/// Catches panics of an app that no bridge runs.
fn caught<T>(run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().expect("the test's own panic");
        Err(io::Error::other(format!("the program panicked: {text}")))
    })
}

fn see_push(app: &impl PushApp) -> Seen {
    let mut out = Vec::new();
    let error = caught(|| app.run(&mut Input::new(&b"echo"[..]), &mut out, &mut io::sink(), &environ())).err();
    let (head, body) = match HeadParser::new(MAX_HEAD).feed(&out).unwrap() {
        Fed::Complete(head, used) => (Some((head.status, head.fields)), out.split_off(used)),
        Fed::Wanting => (None, Vec::new()),
    };
    Seen { head, body, error: error.as_ref().map(tell) }
}

fn see_pull(app: &impl PullApp) -> Seen {
    let request = || {
        let mut request = Request::post("/a?b").body(Input::new(&b"echo"[..])).unwrap();
        request.extensions_mut().insert(environ());
        request
    };
    match caught(|| app.handle(request())) {
        Err(error) => Seen { head: None, body: Vec::new(), error: Some(tell(&error)) },
        Ok(response) => {
            let (parts, mut blocks) = response.into_parts();
            let (mut body, mut error) = (Vec::new(), None);
            while error.is_none() {
                match caught(|| blocks.next().transpose()) {
                    Ok(Some(block)) => body.extend_from_slice(&block),
                    Ok(None) => break,
                    Err(failed) => error = Some(tell(&failed)),
                }
            }
            let mut fields = parts.headers;
            if parts.status == StatusCode::RESET_CONTENT {
                // Requirement 17: a service declares that there is no content.
                fields.remove("content-length");
            }
            Seen { head: Some((parts.status, fields)), body, error }
        }
    }
}

fn fields() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let name = prop::sample::select(vec!["content-type", "x-one", "x-two", "set-cookie", "location", "cache-control"]);
    let byte = prop_oneof![8 => 0x21_u8..0x7f, 1 => Just(b' '), 1 => 0x80_u8..];
    let value = prop::collection::vec(byte, 0..20).prop_map(|value| value.trim_ascii().to_vec());
    prop::collection::vec((name, value), 0..6).prop_map(|mut fields| {
        let mut seen: Vec<&str> = Vec::new();
        fields.retain(|(name, _)| {
            let again = seen.contains(name);
            seen.push(*name);
            !again || !matches!(*name, "content-type" | "location")
        });
        fields
    })
}

fn script() -> impl Strategy<Value = Script> {
    let block = (prop_oneof![0..20_usize, 30_000..70_000_usize], any::<u8>())
        .prop_map(|(len, seed)| (0..len).map(|index| seed.wrapping_add((index * 31) as u8)).collect());
    let blocks = prop::collection::vec(block, 0..5);
    let kind = prop::sample::select(vec![io::ErrorKind::Other, io::ErrorKind::TimedOut, io::ErrorKind::StorageFull]);
    let failure = (kind, prop::option::of(0..6_usize), any::<bool>()).prop_map(|(kind, after, panics)| Failure {
        kind,
        after,
        panics,
    });
    (200_u16..600, fields(), blocks, prop::option::of(failure)).prop_map(|(status, fields, mut blocks, fails)| {
        if matches!(status, 204 | 205 | 304) {
            blocks.clear();
        }
        Script { status, fields, blocks, fails }
    })
}

proptest! {
    #[test]
    fn push_there_and_back_is_the_same(script in script()) {
        let plain = see_push(&script.clone().push());
        let back = see_push(&AsPush(AsPull(script.push())));
        prop_assert_eq!(plain, back);
    }

    #[test]
    fn pull_there_and_back_is_the_same(script in script()) {
        let plain = see_pull(&script.clone().pull());
        let back = see_pull(&AsPull(AsPush(script.pull())));
        prop_assert_eq!(plain, back);
    }

    /// Both shapes of one script, and their conversions, behave the same.
    #[test]
    fn the_two_shapes_are_the_same(script in script()) {
        prop_assert_eq!(see_push(&script.clone().push()), see_push(&AsPush(script.clone().pull())));
        prop_assert_eq!(see_pull(&script.clone().pull()), see_pull(&AsPull(script.push())));
    }
}

/// The request survives too: method, URI, fields and the bytes of the body.
#[test]
fn a_request_arrives_whole_on_the_other_side() {
    let app = AsPush(pull_fn(|req: Request<Input>| {
        let about = format!("{} {} {:?} {:?}", req.method(), req.uri(), req.version(), req.headers());
        let inner = req.extensions().get::<Environ>().cloned();
        assert_eq!(inner.unwrap().get_str("X_EXTRA"), Some("kept"));
        let mut body = Vec::new();
        req.into_body().read_to_end(&mut body)?;
        Ok(Response::new([Ok(Bytes::from(about)), Ok(Bytes::from(body))].into_iter()))
    }));
    let mut env = Environ::new();
    for (name, value) in [
        ("REQUEST_METHOD", "PUT"),
        ("SCRIPT_NAME", "/app"),
        ("PATH_INFO", "/a b"),
        ("QUERY_STRING", "x=1"),
        ("SERVER_PROTOCOL", "HTTP/1.0"),
        ("CONTENT_TYPE", "text/plain"),
        ("CONTENT_LENGTH", "4"),
        ("HTTP_X_NAME", "value"),
        ("X_EXTRA", "kept"),
    ] {
        env.set(name, value).unwrap();
    }
    let mut out = Vec::new();
    app.run(&mut Input::new(&b"body"[..]), &mut out, &mut io::sink(), &env).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("PUT /app/a%20b?x=1 HTTP/1.0"), "{text}");
    for name in [HeaderName::from_static("content-type"), HeaderName::from_static("x-name")] {
        assert!(text.contains(name.as_str()), "{text}");
    }
    assert!(text.ends_with("body"));
}

/// A pull app is pulled only as far as its host writes.
#[test]
fn a_push_app_as_a_pull_app_runs_only_when_it_is_pulled() {
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let seen = count.clone();
    let app = AsPull(push_fn(move |_inp, out, _err, _env| {
        out.write_all(b"A: 1\n\n")?;
        for n in 1..=10 {
            count.set(n);
            out.write_all(&[b'x'; 100_000])?;
        }
        Ok(())
    }));
    let mut body = app.handle(Request::get("http://a/").body(Input::empty()).unwrap()).unwrap().into_body();
    assert_eq!(seen.get(), 1);
    body.next().unwrap().unwrap();
    assert!(seen.get() <= 2);
    drop(body);
    assert!(seen.get() <= 3);
}

/// Each block of a pull app is flushed.
#[test]
fn every_block_is_flushed() {
    #[derive(Default)]
    struct Flushes(Vec<u8>, Vec<usize>);

    impl Write for Flushes {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0.write(buf)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.1.push(self.0.len());
            Ok(())
        }
    }

    let app = AsPush(pull_fn(|_req| Ok(Response::new((0..3).map(|_| Ok(Bytes::from_static(b"block")))))));
    let mut out = Flushes::default();
    app.run(&mut Input::empty(), &mut out, &mut io::sink(), &Environ::new()).unwrap();
    let head = out.0.len() - 15;
    assert_eq!(out.1, [head + 5, head + 10, head + 15]);
}
