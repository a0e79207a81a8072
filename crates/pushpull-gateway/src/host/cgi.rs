//! A host for this process as a CGI program (RFC 3875): a server runs the process for one request, and it answers on
//! standard output. Start with [`run`], with a [`PushApp`](crate::PushApp) or a [`PullApp`](crate::PullApp).

use std::env;
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::iter;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use crate::app::convert::open;
use crate::app::input::Input;
use crate::app::kind::App;
use crate::cgi::environ::Environ;
use crate::cgi::error_stream::ErrorStream;
use crate::cgi::head::{ResponseHead, content_length, has_no_body};
use crate::cgi::refusal::Refusal;
use crate::cgi::request::complete;
use crate::service::answer::MAX_DRAINED;
use crate::sys::environment;
use pushpull::{Error, Local, drive};

/// Answers the request that this process was started for, with an app of either kind. Reads the meta-variables from the
/// environment and the body from standard input. Writes the response to standard output.
///
/// ```no_run
/// use pushpull_gateway::push_fn;
///
/// fn main() -> std::io::Result<()> {
///     pushpull_gateway::host::cgi::run(push_fn(|_inp, out, _err, env| {
///         write!(out, "Content-Type: text/plain\n\nhello, {}\n", env.get_str("REMOTE_ADDR").unwrap_or("you"))
///     }))
/// }
/// ```
///
/// Every chunk is flushed. At most `CONTENT_LENGTH` bytes are read. Without `CONTENT_LENGTH`, a `POST`, `PUT` or
/// `PATCH` request has a body that ends with standard input, and other methods have none. Fields that a program must
/// not send (`Connection`, `Transfer-Encoding` and the like) are omitted.
///
/// # Errors
///
/// Returns the app's error if the app fails after its head was sent. Return that error from `main`, so that the exit
/// status tells the server that the response is truncated. An earlier error is answered with 500 and logged to standard
/// error. If the server disconnects, the app is stopped and `run` returns `Ok`.
pub fn run<A, K>(app: A) -> io::Result<()>
where
    A: App<K>,
{
    let environ = environ()?;
    let input = environment::input()?;
    let may_last = !input.is_terminal();
    answer(app, &environ, input, may_last, &mut io::stdout().lock())
}

/// Returns the meta-variables of this process: its environment.
fn environ() -> io::Result<Environ> {
    let mut environ = Environ::new()
        .with_error_log(ErrorStream::new(|line| eprintln!("{line}")))
        .with_multi_process(true)
        .with_run_once(true);
    for (name, value) in env::vars_os() {
        environ.set(environment::bytes(name), environment::bytes(value))?;
    }
    Ok(environ)
}

/// Answers one request. `may_last`: an input without a length may be read to its end.
fn answer<A, K>(
    app: A,
    environ: &Environ,
    input: impl Read + 'static,
    may_last: bool,
    output: &mut impl Write,
) -> io::Result<()>
where
    A: App<K>,
{
    let mut environ = environ.clone();
    let completed = complete(&mut environ).map_err(io::Error::from);
    let environ = &environ;
    let opened = completed.and_then(|()| body(environ, input, may_last)).and_then(|input| {
        let mut opened = open(&Local::new(), Arc::new(app), input, environ.clone())?;
        // If the head has not been flushed, an error right behind it can still be answered.
        let first = if opened.is_flushed { None } else { opened.chunks.next().transpose()? };
        Ok((opened.head, first, opened.chunks))
    });
    let sent = match opened {
        Ok((head, first, chunks)) => send(head, first, chunks, environ, output),
        Err(error) => {
            writeln!(environ.error_log(), "{error}")?;
            let refusal = Refusal::of_failure(&error).into_response::<String>();
            let (parts, text) = refusal.into_parts();
            send(ResponseHead::of_response(&parts), Some(text.into()), iter::empty(), environ, output)
        }
    };
    match sent {
        Err(error) if is_gone(&error) => Ok(()),
        sent => sent,
    }
}

/// Returns `true` if the server disconnected, as opposed to an app that failed with the same error.
fn is_gone(error: &io::Error) -> bool {
    let is_of_the_sink = Error::of(error).is_some_and(|error| error.bytes_moved().is_some());
    is_of_the_sink && error.kind() == io::ErrorKind::BrokenPipe
}

/// Returns the body of the request, limited to its length.
fn body(environ: &Environ, input: impl Read + 'static, may_last: bool) -> io::Result<Input> {
    let method = environ.get("REQUEST_METHOD").unwrap_or_default();
    match environ.get("CONTENT_LENGTH") {
        Some(length) if !length.is_empty() => match content_length(length) {
            Some(length) => Ok(Input::exact(BufReader::new(input.take(length)), length)),
            None => Err(Refusal::new(StatusCode::BAD_REQUEST, "the content length is not a number").into()),
        },
        _ if may_last && matches!(method, b"POST" | b"PUT" | b"PATCH") => Ok(Input::new(BufReader::new(input))),
        _ => Ok(Input::empty()),
    }
}

/// Writes a response and flushes every chunk.
fn send(
    mut head: ResponseHead,
    first: Option<Bytes>,
    chunks: impl Iterator<Item = io::Result<Bytes>>,
    environ: &Environ,
    output: &mut impl Write,
) -> io::Result<()> {
    let has_none = has_no_body(head.status);
    if first.is_some() && !has_none {
        head.set_unknown_type();
    }
    let mut text = Vec::with_capacity(256);
    head.write(&mut text);
    let body = first.map(Ok).into_iter().chain(chunks);
    if environ.get("REQUEST_METHOD") == Some(b"HEAD") || has_none {
        // Drain the unwanted body, so that the program can end by itself.
        let mut left = MAX_DRAINED;
        for chunk in body {
            left = left.saturating_sub(chunk?.len() as u64);
            if left == 0 {
                break;
            }
        }
        return drive([Ok(text.into())], output).map(drop);
    }
    let response = iter::once(Ok(text.into())).chain(body);
    drive(response, &mut Flushing(output)).map(drop)
}

/// A sink that flushes every write.
struct Flushing<'a, W>(&'a mut W);

impl<W: Write> Write for Flushing<'_, W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.0.write(buf)?;
        self.0.flush()?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::cell::Cell;
    use std::rc::Rc;

    use crate::app::kind::Push;
    use crate::app::shapes::{pull_fn, push_fn};
    use http::Response;

    fn environ(method: &str, length: &str) -> Environ {
        let mut environ = Environ::new().with_error_log(ErrorStream::new(|_| ()));
        environ.set("REQUEST_METHOD", method).unwrap();
        environ.set("CONTENT_LENGTH", length).unwrap();
        environ
    }

    /// Returns what an app answers to four bytes of a longer input, and how it ended.
    fn run<A: App<K>, K>(app: A, method: &str) -> (String, io::Result<()>) {
        let mut output = Vec::new();
        let ended = answer(app, &environ(method, "4"), &b"body, and more"[..], true, &mut output);
        (String::from_utf8(output).unwrap(), ended)
    }

    fn echo() -> impl App<Push> {
        push_fn(|inp, out, _err, _env| {
            out.write_all(b"Content-Type: text/plain\nConnection: close\nTransfer-Encoding: chunked\n\n")?;
            io::copy(inp, out).map(drop)
        })
    }

    #[test]
    fn requirement_18_status_and_type_are_sent_and_connection_fields_are_not() {
        let expected = "Status: 200 OK\r\ncontent-type: text/plain\r\n\r\nbody";
        assert_eq!(run(echo(), "POST").0, expected);
        let untyped = pull_fn(|_req| Ok(Response::new([Ok("x".into())].into_iter())));
        let expected = "Status: 200 OK\r\ncontent-type: application/octet-stream\r\n\r\nx";
        assert_eq!(run(untyped, "GET").0, expected);
        let bare = pull_fn(|_req| Ok(Response::new(iter::empty())));
        assert_eq!(run(bare, "GET").0, "Status: 200 OK\r\n\r\n");
    }

    #[test]
    fn requirement_18_nothing_is_read_past_the_content_length() {
        struct Watched(Rc<Cell<usize>>);

        impl Read for Watched {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                self.0.set(self.0.get() + into.len());
                into.fill(b'x');
                Ok(into.len())
            }
        }

        let asked = Rc::new(Cell::new(0));
        let mut output = Vec::new();
        answer(echo(), &environ("POST", "100000"), Watched(asked.clone()), true, &mut output).unwrap();
        assert_eq!(asked.get(), 100_000);
        assert!(output.ends_with(&[b'x'; 100_000]));
    }

    #[test]
    fn without_a_length_only_post_put_and_patch_have_a_body() {
        for (method, may_last, body) in [("POST", true, "sent"), ("POST", false, ""), ("GET", true, "")] {
            let mut output = Vec::new();
            answer(echo(), &environ(method, ""), &b"sent"[..], may_last, &mut output).unwrap();
            assert_eq!(String::from_utf8(output).unwrap().split_once("\r\n\r\n").unwrap().1, body, "{method}");
        }
    }

    #[test]
    fn a_failure_is_a_500_before_the_head_is_sent_and_an_error_after_it() {
        let early = push_fn(|_inp, out, _err, _env| {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            Err(io::Error::other("out of paper"))
        });
        let (text, ended) = run(early, "GET");
        assert!(text.starts_with("Status: 500 ") && !text.contains("paper"), "{text}");
        assert!(ended.is_ok());
        let late = push_fn(|_inp, out, _err, _env| {
            out.write_all(b"Content-Type: text/plain\n\nhalf")?;
            Err(io::Error::other("out of paper"))
        });
        let (text, ended) = run(late, "GET");
        assert!(text.ends_with("half"), "{text}");
        assert_eq!(ended.unwrap_err().to_string(), "out of paper");
        let short = push_fn(|inp, out, _err, _env| {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            out.flush()?;
            io::copy(inp, out).map(drop)
        });
        let mut output = Vec::new();
        let ended = answer(short, &environ("POST", "5"), &b"four"[..], true, &mut output);
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_bad_content_length_is_a_400() {
        for length in ["four", "+4", " 4", "4 ", "-4", "99999999999999999999"] {
            let mut output = Vec::new();
            answer(echo(), &environ("POST", length), &b"four"[..], true, &mut output).unwrap();
            assert!(output.starts_with(b"Status: 400 "), "{length:?}");
        }
    }

    #[test]
    fn requirement_17_a_205_has_no_content_and_a_length_of_zero() {
        let app = push_fn(|_inp, out, _err, _env| out.write_all(b"Status: 205\n\nbody"));
        let (text, ended) = run(app, "GET");
        assert_eq!(text, "Status: 205 Reset Content\r\ncontent-length: 0\r\n\r\n");
        assert!(ended.is_ok());
    }

    #[test]
    fn requirement_22_bytes_that_the_server_accepted_are_passed_on_and_form_the_path() {
        let pulled = |target: &[u8]| {
            let mut environ = environ("GET", "");
            environ.set("REQUEST_URI", target).unwrap();
            environ.set("HTTP_A", b"\xe9\x01").unwrap();
            environ.set("REMOTE_ADDR", "::ffff:192.0.2.1").unwrap();
            let app = pull_fn(|request: http::Request<Input>| {
                let env = request.extensions().get::<Environ>().unwrap();
                let mut text = request.uri().to_string().into_bytes();
                for name in ["PATH_INFO", "QUERY_STRING", "REQUEST_URI", "HTTP_A", "REMOTE_ADDR"] {
                    text.extend([b"|", env.get(name).unwrap_or_default()].concat());
                }
                Ok(Response::new(iter::once(Ok(text.into()))))
            });
            let mut output = Vec::new();
            answer(app, &environ, io::empty(), false, &mut output).unwrap();
            output
        };
        let text = pulled(b"/caf\xe9%20?a\xff");
        let expected = b"/caf%E9%20?a%FF|/caf\xe9 |a\xff|/caf\xe9%20?a\xff|\xe9\x01|192.0.2.1";
        assert!(text.ends_with(expected), "{}", text.escape_ascii());
        assert!(pulled(b"/a/../b").starts_with(b"Status: 400 "));
    }

    #[test]
    fn requirement_11_head_has_no_body() {
        let (text, ended) = run(echo(), "HEAD");
        assert_eq!(text, "Status: 200 OK\r\ncontent-type: text/plain\r\n\r\n");
        assert!(ended.is_ok());
    }

    #[test]
    fn requirement_18_a_disconnected_server_stops_the_app() {
        struct Gone(usize);

        impl Write for Gone {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(buf.len()).ok_or(io::ErrorKind::BrokenPipe)?;
                Ok(buf.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let asked = Rc::new(Cell::new(0));
        let count = asked.clone();
        let endless = pull_fn(move |_req| {
            let count = count.clone();
            let block = move |_| {
                count.set(count.get() + 1);
                Ok(Bytes::from_static(&[b'x'; 1000]))
            };
            Ok(Response::new((0..).map(block)))
        });
        answer(endless, &environ("GET", ""), io::empty(), false, &mut Gone(10_000)).unwrap();
        assert!((9..=12).contains(&asked.get()), "{} blocks were pulled", asked.get());
    }

    #[test]
    fn requirement_18_every_chunk_is_flushed() {
        #[derive(Default)]
        struct Flushes(usize, Vec<usize>);

        impl Write for Flushes {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.0 += buf.len();
                Ok(buf.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                self.1.push(self.0);
                Ok(())
            }
        }

        let app = pull_fn(|_req| Ok(Response::new((0..3).map(|_| Ok(Bytes::from_static(b"block"))))));
        let mut output = Flushes::default();
        answer(app, &environ("GET", ""), io::empty(), false, &mut output).unwrap();
        for blocks in 1..=3 {
            assert!(output.1.contains(&(output.0 - 15 + 5 * blocks)), "{:?}", output.1);
        }
    }
}
