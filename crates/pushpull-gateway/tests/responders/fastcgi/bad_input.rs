//! Requirement 24: the server survives any input.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use pushpull_gateway::fastcgi::{Header, Kind, Role, Stream, begin_request, put_pair, records};

use super::client::{Client, get, request};
use super::requests::local;
use crate::front::Host;

fn goes_on(host: &Host) {
    assert!(Client::connect(host.address).send(get(1, false, &[])).answer(1).is_complete());
}

#[test]
fn requirement_24_every_truncation_is_survived() {
    let host = local();
    let mut whole = request(1, true, &[("QUERY_STRING", "echo"), ("CONTENT_LENGTH", "4")]);
    records(Stream::Stdin, 1, "body".into()).put(&mut whole);
    for at in 0..whole.len() {
        Client::connect(host.address).send(&whole[..at]);
    }
    host.wait_for("the connection ended within a record");
    goes_on(&host);
}

#[test]
fn requirement_24_false_lengths_and_garbage_close_the_connection() {
    let host = local();
    for bytes in [
        Header { kind: Kind::BeginRequest as u8, id: 1, length: 9, padding: 0 }.to_bytes().to_vec(),
        begin_request(0, Role::Responder, true).to_vec(),
        [begin_request(1, Role::Responder, true), begin_request(1, Role::Responder, true)].concat(),
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
    ] {
        assert!(Client::connect(host.address).send(&bytes).is_closed(), "{}", bytes.escape_ascii());
        host.wait_for("invalid FastCGI");
    }
    goes_on(&host);
}

#[test]
fn requirement_24_ten_megabytes_of_parameters_are_a_431() {
    let host = local();
    let mut client = Client::connect(host.address);
    client.send(begin_request(1, Role::Responder, true));
    let mut pair = Vec::new();
    put_pair(&mut pair, b"HTTP_A", &[b'x'; 50_000]);
    let mut part = Vec::new();
    records(Stream::Params, 1, pair.into()).put(&mut part);
    for _ in 0..200 {
        client.send(&part);
    }
    let answer = client.answer(1);
    assert!(answer.is_complete() && answer.text().starts_with("Status: 431 "), "{answer:?}");
    assert!(client.send(get(1, true, &[])).answer(1).is_complete());
    host.wait_for("the parameters are longer than 65536 bytes");
    // The request's method and target never arrived.
    host.wait_for("- - - HTTP/1.1 431 ");
}

#[test]
fn requirement_24_parameters_without_a_valid_request_are_a_400() {
    let host = local();
    let mut client = Client::connect(host.address);
    for extra in
        [("REQUEST_METHOD", "G ET"), ("SCRIPT_NAME", "/a/../b"), ("CONTENT_LENGTH", "four"), ("HTTP_A", "a\nb")]
    {
        let answer = client.send(get(1, true, &[extra])).answer(1);
        assert!(answer.text().starts_with("Status: 400 "), "{extra:?}: {answer:?}");
    }
}

#[test]
fn requirement_17_a_refused_request_is_logged_with_what_is_known_of_it() {
    let host = local();
    let mut client = Client::connect(host.address);
    let mut refused = |name, value, line: &str| {
        let answer = client.send(get(1, true, &[("REMOTE_ADDR", "192.0.2.7"), (name, value)])).answer(1);
        let (_, text) = answer.text().split_once("\r\n\r\n").unwrap();
        let said = host.wait_for(&format!("{line} {} ", text.len()));
        assert!(said.ends_with(" done"), "{said}");
    };
    refused("CONTENT_LENGTH", "four", "192.0.2.7 POST /a HTTP/1.1 400");
    refused("SCRIPT_NAME", "/a/../b", "192.0.2.7 POST /a HTTP/1.1 400");
    refused("REQUEST_METHOD", "G ET", "192.0.2.7 - /a HTTP/1.1 400");
    refused("HTTP_A", "a\0b", "192.0.2.7 POST /a HTTP/1.1 400");
    let answer = client.send(get(1, true, &[("REQUEST_METHOD", "HEAD"), ("CONTENT_LENGTH", "four")])).answer(1);
    assert!(answer.text().ends_with("\r\n\r\n"), "{answer:?}");
    host.wait_for("- HEAD /a HTTP/1.1 400 0 ");
}

#[test]
fn requirement_24_a_front_server_that_reads_no_replies_is_disconnected() {
    let host = local();
    let mut client = Client::connect(host.address);
    let ask = pushpull_gateway::fastcgi::get_values([&b"FCGI_MAX_CONNS"[..]]).repeat(1000);
    let until = Instant::now() + Duration::from_secs(60);
    while client.try_send(&ask).is_ok() {
        assert!(Instant::now() < until, "the server still reads");
    }
    host.wait_for("the front server sends management records but does not read the replies");
    goes_on(&host);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn requirement_24_random_records_stop_nothing(
        pieces in proptest::collection::vec((0_u8..13, 0_u16..3, proptest::collection::vec(any::<u8>(), 0..40)), 0..20),
        noise in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        thread_local!(static HOST: Host = local());
        HOST.with(|host| {
            let mut bytes = get(1, true, &[]);
            for (kind, id, content) in pieces {
                bytes.extend(Header { kind, id, length: content.len() as u16, padding: 0 }.to_bytes());
                bytes.extend(content);
            }
            bytes.extend(noise);
            let _ = Client::connect(host.address).try_send(&bytes);
            goes_on(host);
        });
    }
}
