//! A responder is stopped under load: it announces the stop and finishes its requests, and no request is lost.

use rustix::process::Signal;

use super::balancer::{Balanced, VICTIM};
use super::load::{begun, under_load};
use crate::watch::Watch;

fn a_responder_is_stopped(balanced: Option<Balanced>, method: &str) {
    let Some(mut balanced) = balanced else { return };
    let watch = Watch::new();
    let in_flight = begun(&balanced, &watch);
    assert!(in_flight.iter().any(|begun| begun.responder == VICTIM));
    let mut victim = balanced.responders.remove(0);
    let seen = under_load(&balanced, method, || victim.signal(Signal::TERM));
    assert!(seen.refused.is_empty() && seen.cut == 0, "{seen:?}");
    for mut begun in in_flight {
        begun.app.go_on();
        let (bytes, end) = begun.end();
        assert!(bytes == 65_521 && end.is_ok(), "{bytes} {end:?}");
    }
    assert_eq!(victim.ended(), Some(0));
}

/// Checks nginx, which has no health checks. A request that arrives while the responder closes its socket is sent to
/// another responder, which is only done for requests that may be repeated.
#[test]
fn behind_nginx() {
    a_responder_is_stopped(Balanced::nginx(), "GET");
}

#[test]
fn behind_haproxy() {
    a_responder_is_stopped(Balanced::haproxy(), "GET");
}

#[test]
fn behind_haproxy_with_requests_that_must_not_be_repeated() {
    a_responder_is_stopped(Balanced::haproxy(), "POST");
}
