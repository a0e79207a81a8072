//! Several requests on one connection, and management records.

use pushpull::Local;
use pushpull_gateway::fastcgi::{Header, ProtocolStatus, Record, Role, begin_request, get_values, get_values_result};
use pushpull_gateway::service;

use super::client::{Client, get, request};
use super::requests::{app, local, server};
use crate::front::Host;

#[test]
fn requirement_20_requests_are_answered_side_by_side() {
    let host = local();
    let mut client = Client::connect(host.address);
    client.send(request(1, true, &[("QUERY_STRING", "echo")])).stdin(1, b"slow").until(1, "slow");
    for id in 2..50 {
        assert!(client.send(get(id, true, &[])).answer(id).is_complete());
    }
    let answer = client.stdin(1, b"er").end_stdin(1).answer(1);
    assert!(answer.is_complete() && answer.text() == "er");
}

#[test]
fn requirement_23_without_multiplexing_a_second_request_is_refused() {
    let host = Host::start(server().multiplex(false), || service(Local::new(), app()));
    let mut client = Client::connect(host.address);
    client.send(request(1, true, &[("QUERY_STRING", "echo")])).send(get(2, true, &[]));
    assert_eq!(client.answer(2).end, Some((0, ProtocolStatus::CantMpxConn)));
    assert!(client.end_stdin(1).answer(1).is_complete());
}

#[test]
fn requirement_23_a_body_that_would_block_others_is_spooled() {
    let host = local();
    let mut client = Client::connect(host.address);
    // The first request echoes. Its output is not read, so its input is not read either.
    client.send(request(1, true, &[("QUERY_STRING", "echo")])).send(request(2, true, &[("QUERY_STRING", "all")]));
    client.stdin(1, &vec![b'x'; 4 << 20]).end_stdin(1).stdin(2, b"12345").end_stdin(2);
    // The response to the second request, sent behind that body, shows that all of the body has arrived.
    let mut echoed = 0;
    let mut ended = 0;
    while ended < 2 {
        match client.record().unwrap() {
            Record::Stream { id: 1, content, .. } => echoed += content.len(),
            Record::End { status, .. } => {
                assert_eq!(status, Some(ProtocolStatus::RequestComplete));
                ended += 1;
            }
            _ => {}
        }
    }
    assert!(echoed > 4 << 20);
}

#[test]
fn requirement_15_a_failure_beside_others_ends_with_overloaded() {
    let host = local();
    let mut client = Client::connect(host.address);
    client.send(request(1, true, &[("QUERY_STRING", "echo")])).send(get(2, true, &[("QUERY_STRING", "half")]));
    let failed = client.answer(2);
    assert!(failed.text().ends_with("half"));
    assert_eq!(failed.end, Some((1, ProtocolStatus::Overloaded)));
    assert_eq!(failed.stderr, b"POST /a: out of paper\n");
    host.wait_for(" cut");
    assert!(client.send(get(3, true, &[])).answer(3).is_complete());
    assert!(client.stdin(1, b"still here").until(1, "still here").end_stdin(1).answer(1).is_complete());
}

#[test]
fn requirement_19_management_records_are_answered() {
    let host = local();
    let mut client = Client::connect(host.address);
    client.send(get_values([&b"FCGI_MPXS_CONNS"[..], b"FCGI_MAX_CONNS", b"OTHER"]));
    let expected = get_values_result([(&b"FCGI_MAX_CONNS"[..], &b"10000"[..]), (b"FCGI_MPXS_CONNS", b"1")]);
    assert_eq!(client.record(), Some(Record::GetValuesResult(expected[8..].to_vec().into())));
    client.send(Header { kind: 99, id: 0, length: 0, padding: 0 }.to_bytes());
    assert_eq!(client.record(), Some(Record::UnknownType(99)));
    for role in [Role::Authorizer, Role::Filter] {
        client.send(begin_request(3, role, true));
        assert_eq!(client.answer(3).end, Some((0, ProtocolStatus::UnknownRole)));
    }
}

#[test]
fn requirement_19_unknown_requests_are_ignored() {
    let host = local();
    let mut client = Client::connect(host.address);
    client.stdin(9, b"whatever").end_stdin(9).send(pushpull_gateway::fastcgi::abort(9));
    assert!(client.send(get(1, true, &[])).answer(1).is_complete());
}
