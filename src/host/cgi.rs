//! This process as a CGI program (RFC 3875): run by a server for one request, it answers on its standard output.

use std::env;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::iter;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::gateway::{App, Environ, ErrorStream, Head, Input, Refusal, open};
use crate::{Error, Local, drive};

/// How much of an output that a `HEAD` request does not want is taken from its program before that is stopped.
const MOST_DRAINED: usize = 16 << 20;

/// What a body is that says nothing of itself (RFC 9110, 8.3).
const UNKNOWN_TYPE: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Answers the request that this process was started for, with an app of either kind: reads the meta-variables from the
/// environment and the body from standard input, and writes the response to standard output.
///
/// ```no_run
/// use pushpull::gateway::push_fn;
///
/// fn main() -> std::io::Result<()> {
///     pushpull::host::cgi::run(push_fn(|_inp, out, _err, env| {
///         write!(out, "Content-Type: text/plain\n\nhello, {}\n", env.get_str("REMOTE_ADDR").unwrap_or("you"))
///     }))
/// }
/// ```
///
/// Every chunk is flushed. No more than `CONTENT_LENGTH` bytes are read; without one there is no body, except that of a
/// method that sends one (`POST`, `PUT`, `PATCH`), which then lasts up to the end of standard input. Fields that are not a
/// program's to send (`Connection`, `Transfer-Encoding` and the like) are left out.
///
/// # Errors
///
/// The app's, once its head was sent: return it from `main`, so that the exit code tells the server that the response is
/// not whole. An error before that is answered with a 500 and told on standard error. A server that has gone away is
/// no error; the app is stopped.
pub fn run<A, K>(app: A) -> io::Result<()>
where
    A: App<K>,
{
    let environ = environ()?;
    let stdin = io::stdin();
    let may_last = !stdin.is_terminal();
    answer(app, &environ, BufReader::new(stdin), may_last, &mut io::stdout().lock())
}

/// The meta-variables of this process: its environment.
fn environ() -> io::Result<Environ> {
    let mut environ = Environ::new()
        .with_errors(ErrorStream::new(|line| eprintln!("{line}")))
        .with_multi_process(true)
        .with_run_once(true);
    for (name, value) in env::vars_os() {
        environ.set(name.into_vec(), value.into_vec())?;
    }
    Ok(environ)
}

/// Answers one request. `may_last`: an input without a length may be read up to its end.
fn answer<A, K>(
    app: A,
    environ: &Environ,
    input: impl BufRead + 'static,
    may_last: bool,
    output: &mut impl Write,
) -> io::Result<()>
where
    A: App<K>,
{
    let opened = body(environ, input, may_last).and_then(|input| {
        let mut opened = open(&Local::new(), Arc::new(app), input, environ.clone())?;
        // Unless the head was flushed, an error right behind it is still an answer of its own.
        let first = if opened.is_flushed { None } else { opened.chunks.next().transpose()? };
        Ok((opened.head, first, opened.chunks))
    });
    let sent = match opened {
        Ok((head, first, chunks)) => send(head, first, chunks, environ, output),
        Err(error) => {
            writeln!(environ.errors(), "{error}")?;
            let refusal = Refusal::of_failure(&error).into_response::<String>();
            let (parts, text) = refusal.into_parts();
            send(Head::of_response(&parts), Some(text.into()), iter::empty(), environ, output)
        }
    };
    match sent {
        // The server has what it wants.
        Err(error) if Error::of(&error).is_some_and(|error| error.bytes_moved().is_some()) && is_gone(&error) => Ok(()),
        sent => sent,
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// The body of the request, of which no more is read than its length.
fn body(environ: &Environ, input: impl BufRead + 'static, may_last: bool) -> io::Result<Input> {
    let method = environ.get("REQUEST_METHOD").unwrap_or_default();
    match environ.get_str("CONTENT_LENGTH") {
        Some(length) if !length.is_empty() => match length.parse() {
            Ok(length) => Ok(Input::exact(input, length)),
            Err(_) => Err(Refusal::new(StatusCode::BAD_REQUEST, "the content length is no number").into()),
        },
        _ if may_last && matches!(method, b"POST" | b"PUT" | b"PATCH") => Ok(Input::new(input)),
        _ => Ok(Input::empty()),
    }
}

/// Writes a response, every chunk of it flushed.
fn send(
    mut head: Head,
    first: Option<Bytes>,
    chunks: impl Iterator<Item = io::Result<Bytes>>,
    environ: &Environ,
    output: &mut impl Write,
) -> io::Result<()> {
    if first.is_some() && !head.fields.contains_key(CONTENT_TYPE) {
        head.fields.insert(CONTENT_TYPE, UNKNOWN_TYPE);
    }
    let mut text = Vec::with_capacity(256);
    head.write(&mut text);
    let body = first.map(Ok).into_iter().chain(chunks);
    if environ.get("REQUEST_METHOD") == Some(b"HEAD") {
        // What is not wanted is taken all the same, so that the program can end by itself.
        let mut left = MOST_DRAINED;
        for chunk in body {
            left = left.saturating_sub(chunk?.len());
            if left == 0 {
                break;
            }
        }
        return drive([Ok(text.into())], output).map(drop);
    }
    let response = iter::once(Ok(text.into())).chain(body);
    drive(response, &mut Flushing(output)).map(drop)
}

/// A sink that keeps nothing back.
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
