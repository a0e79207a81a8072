//! Single requests.

use std::io::{self, BufRead, ErrorKind, Read};

use bytes::Bytes;
use http::Response;
use pushpull::{Local, Thread};
use pushpull_gateway::fastcgi::{Records, Role, Stream, begin_request, put_pair, records};
use pushpull_gateway::host::fastcgi::Server;
use pushpull_gateway::{PushApp, Script, pull_fn, push_fn, service};

use super::client::{Client, get, request};
use crate::front::Host;

pub fn server() -> Server {
    Server::bind("127.0.0.1:0").unwrap()
}

/// An app that does what the query says.
pub fn app() -> impl PushApp + Send + Sync + Clone {
    push_fn(|inp, out, err, env| {
        out.write_all(b"Content-Type: text/plain\n\n")?;
        match env.get_str("QUERY_STRING").unwrap_or_default() {
            "env" => env.iter().try_for_each(|(name, value)| {
                writeln!(out, "{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
            }),
            // Echoes each piece as it arrives.
            "echo" => loop {
                let length = inp.fill_buf()?.len();
                if length == 0 {
                    break Ok(());
                }
                out.write_all(inp.fill_buf()?)?;
                inp.consume(length);
                out.flush()?;
            },
            "err" => {
                writeln!(err, "a line")?;
                out.write_all(b"said")
            }
            "half" => {
                out.write_all(b"half")?;
                out.flush()?;
                Err(io::Error::other("out of paper"))
            }
            "all" => {
                let mut text = Vec::new();
                let ended = inp.read_to_end(&mut text);
                let kind = ended.as_ref().err().map(io::Error::kind);
                writeln!(out, "{} {kind:?}", text.len())
            }
            _ => out.write_all(b"hello"),
        }
    })
}

pub fn local() -> Host {
    Host::start(server(), || service(Local::new(), app()))
}

#[test]
fn requirement_22_without_path_variables_the_path_is_that_of_the_target() {
    let pairs = [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/a%20b/c?env")];
    let asked = bare(&pairs);
    let answer = Client::connect(local().address).send(asked).answer(1);
    for line in ["SCRIPT_NAME=", "PATH_INFO=/a b/c", "QUERY_STRING=env", "REQUEST_URI=/a%20b/c?env", "REMOTE_PORT="] {
        assert!(answer.text().lines().any(|said| said == line), "{line} is not in {answer:?}");
    }
    let answer =
        Client::connect(local().address).send(bare(&[("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/a#b")])).answer(1);
    assert!(answer.is_complete() && answer.text().starts_with("Status: 400 "), "{answer:?}");
}

#[test]
fn requirement_17_the_server_answers_options_asterisk_and_a_205_has_no_content() {
    let host = Host::start(server(), || {
        service(Local::new(), push_fn(|_inp, out, _err, _env| out.write_all(b"Status: 205\n\nbody")))
    });
    let mut client = Client::connect(host.address);
    let answer = client.send(bare(&[("REQUEST_METHOD", "OPTIONS"), ("REQUEST_URI", "*")])).answer(1);
    assert!(answer.is_complete());
    assert_eq!(answer.text(), "Status: 200 OK\r\ncontent-length: 0\r\n\r\n");
    let answer = client.send(bare(&[("REQUEST_METHOD", "GET")])).answer(1);
    assert!(answer.is_complete());
    assert_eq!(answer.text(), "Status: 205 Reset Content\r\ncontent-length: 0\r\n\r\n");
}

/// Returns a request with only these parameters, on a kept connection.
fn bare(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut text = Vec::new();
    pairs.iter().for_each(|(name, value)| put_pair(&mut text, name.as_bytes(), value.as_bytes()));
    let mut bytes = begin_request(1, Role::Responder, true).to_vec();
    records(Stream::Params, 1, text.into()).put(&mut bytes);
    bytes.extend(Records::end(Stream::Params, 1));
    bytes.extend(Records::end(Stream::Stdin, 1));
    bytes
}

#[test]
fn a_push_app_a_pull_app_and_a_script_are_served() {
    let pulled = || pull_fn(|_req| Ok(Response::new(["he", "llo"].into_iter().map(|part| Ok(Bytes::from(part))))));
    let script = Script::new("sh").unwrap().args(["-c", "printf 'Content-Type: text/plain\\n\\nhello'"]);
    let hosts = [
        local(),
        Host::start(server(), || service(Thread::new(), app())),
        Host::start(server(), move || service(Local::new(), pulled())),
        Host::start(server(), move || script.clone()),
    ];
    for host in hosts {
        let answer = Client::connect(host.address).send(get(1, false, &[])).answer(1);
        assert!(answer.is_complete(), "{answer:?}");
        assert!(
            answer.text().starts_with("Status: 200 OK\r\n") && answer.text().ends_with("\r\n\r\nhello"),
            "{answer:?}"
        );
        host.wait_for("POST /a HTTP/1.1 200 5 ");
    }
}

#[test]
fn requirement_20_the_connection_is_kept_only_on_request() {
    let host = local();
    let mut client = Client::connect(host.address);
    for _ in 0..1000 {
        assert!(client.send(get(1, true, &[])).answer(1).is_complete());
    }
    assert!(client.send(get(7, false, &[])).answer(7).is_complete());
    assert!(client.is_closed());
}

#[test]
fn requirement_20_output_flows_while_input_still_arrives() {
    for host in [local(), Host::start(server(), || service(Thread::new(), app()))] {
        let mut client = Client::connect(host.address);
        client.send(request(1, true, &[("QUERY_STRING", "echo")]));
        let chunk = vec![b'x'; 60_000];
        for _ in 0..20 {
            client.stdin(1, &chunk).until(1, "x");
        }
        client.end_stdin(1);
        assert!(client.answer(1).is_complete());
    }
}

#[test]
fn requirement_20_a_short_body_is_an_error_of_the_read() {
    let host = local();
    let mut client = Client::connect(host.address);
    client.send(request(1, true, &[("QUERY_STRING", "all"), ("CONTENT_LENGTH", "5")])).stdin(1, b"four").end_stdin(1);
    assert!(client.answer(1).text().ends_with(&format!("4 {:?}\n", Some(ErrorKind::UnexpectedEof))));
    // Bytes beyond the length are not read.
    client.send(request(1, true, &[("QUERY_STRING", "all"), ("CONTENT_LENGTH", "3")])).stdin(1, b"four").end_stdin(1);
    assert!(client.answer(1).text().ends_with("3 None\n"));
}

#[test]
fn requirement_20_an_abort_ends_the_request_and_a_vanished_front_server_the_app() {
    let host = local();
    let mut client = Client::connect(host.address);
    client.send(request(1, true, &[("QUERY_STRING", "echo")])).stdin(1, b"first").until(1, "first");
    client.send(pushpull_gateway::fastcgi::abort(1));
    assert!(client.answer(1).is_complete());
    host.wait_for(" gone");
    assert!(client.send(get(1, true, &[])).answer(1).is_complete());
    client.send(request(2, true, &[("QUERY_STRING", "echo"), ("REQUEST_URI", "/second")])).stdin(2, b"x").until(2, "x");
    drop(client);
    host.wait_for("/second HTTP/1.1 200 1 ");
}

#[test]
fn requirement_15_a_failure_after_the_head_has_no_end() {
    let host = local();
    for keep in [true, false] {
        let answer = Client::connect(host.address).send(get(1, keep, &[("QUERY_STRING", "half")])).answer(1);
        assert!(answer.text().ends_with("half"), "{answer:?}");
        assert_eq!(answer.end, None);
        assert_eq!(answer.stderr, b"POST /a: out of paper\n");
    }
    host.wait_for(" cut");
}

#[test]
fn the_error_stream_of_an_app_is_a_record_and_a_log_line() {
    let host = local();
    let answer = Client::connect(host.address).send(get(1, true, &[("QUERY_STRING", "err")])).answer(1);
    assert_eq!(answer.stderr, b"a line\n");
    assert!(answer.is_complete());
    host.wait_for("a line");
}

#[test]
fn requirement_21_an_unread_body_is_drained() {
    let host = local();
    let mut client = Client::connect(host.address);
    client.send(request(1, false, &[]));
    for _ in 0..100 {
        client.stdin(1, &[b'x'; 60_000]);
    }
    let answer = client.end_stdin(1).answer(1);
    assert!(answer.is_complete() && answer.text().ends_with("hello"));
    assert!(client.is_closed());
}

#[test]
fn requirement_23_parameters_are_filtered_and_some_are_accepted() {
    let env = |server: Server| {
        let host = Host::start(server, || service(Local::new(), app()));
        let extra = [
            ("QUERY_STRING", "env"),
            ("LD_PRELOAD", "x"),
            ("DOCUMENT_ROOT", "/srv"),
            ("HTTP_PROXY", "p"),
            ("HTTP_A", "b"),
        ];
        Client::connect(host.address).send(get(1, true, &extra)).answer(1).text().to_owned()
    };
    let text = env(server());
    assert!(
        text.contains("HTTP_A=b\n")
            && !text.contains("LD_PRELOAD")
            && !text.contains("PROXY=")
            && !text.contains("/srv")
    );
    assert!(env(server().accept_param("DOCUMENT_ROOT")).contains("DOCUMENT_ROOT=/srv\n"));
}

#[test]
fn requirement_11_head_has_no_body() {
    let host = local();
    let answer = Client::connect(host.address).send(get(1, true, &[("REQUEST_METHOD", "HEAD")])).answer(1);
    assert!(answer.is_complete() && answer.text().ends_with("\r\n\r\n"), "{answer:?}");
}

#[test]
fn requirement_17_a_running_response_finishes_and_no_other_begins() {
    let host = local();
    let mut client = Client::connect(host.address);
    let mut idle = Client::connect(host.address);
    assert!(idle.send(get(1, true, &[])).answer(1).is_complete());
    client.send(request(1, true, &[("QUERY_STRING", "echo")])).stdin(1, b"first").until(1, "first");
    host.shutdown.begin();
    assert!(idle.is_closed());
    assert!(client.stdin(1, b"last").end_stdin(1).answer(1).is_complete());
    assert!(client.is_closed());
}

#[test]
fn requirement_17_the_first_request_of_an_accepted_connection_is_answered() {
    let host = local();
    let (mut fresh, mut kept) = (Client::connect(host.address), Client::connect(host.address));
    // Accepted later than the other.
    assert!(kept.send(get(1, true, &[])).answer(1).is_complete());
    host.shutdown.begin();
    assert!(kept.is_closed());
    assert!(fresh.send(get(1, true, &[])).answer(1).is_complete());
    assert!(fresh.is_closed());
}
