//! A responder is killed under load. Requests without a response are sent to another responder. Responses in flight are
//! visibly truncated.

use rustix::process::Signal;

use super::balancer::{Balanced, VICTIM};
use super::load::{begun, body, under_load};
use crate::client::{Client, Head};
use crate::watch::{Watch, Watched};

/// Sends requests until the victim has one that it has not answered.
fn waiting_at_the_victim(balanced: &Balanced, watch: &Watch, method: &str) -> (Client, Watched) {
    let target = format!("/app?case=waiting&size=10000&control={}", watch.port());
    loop {
        let mut client = balanced.client();
        client.ask(method, &target, (method == "POST").then_some(0));
        let mut app = watch.begun();
        if app.said() == VICTIM {
            return (client, app);
        }
        app.go_on();
        assert!(is_whole(&mut client));
    }
}

fn is_whole(client: &mut Client) -> bool {
    let head: Head = client.head();
    head.status == 200 && matches!(body(client, &head), (10_000, Ok(())))
}

fn a_responder_is_killed(balanced: Option<Balanced>) {
    let Some(mut balanced) = balanced else { return };
    let (gets, posts) = (Watch::new(), Watch::new());
    let in_flight = begun(&balanced, &gets);
    let (on_victim, elsewhere): (Vec<_>, Vec<_>) = in_flight.into_iter().partition(|begun| begun.responder == VICTIM);
    assert!(!on_victim.is_empty() && !elsewhere.is_empty());
    let (mut get, _got) = waiting_at_the_victim(&balanced, &gets, "GET");
    let (mut post, _posted) = waiting_at_the_victim(&balanced, &posts, "POST");
    let seen = {
        let victim = balanced.responders.remove(0);
        let seen = under_load(&balanced, "GET", || victim.signal(Signal::KILL));
        balanced.responders.insert(0, victim);
        seen
    };
    balanced.victim().ended();
    // No client was refused. Each client can have had one response in flight at that moment.
    assert!(seen.refused.is_empty() && seen.cut <= 4 && seen.whole >= 120, "{seen:?}");
    for begun in on_victim {
        let (bytes, end) = begun.end();
        end.expect_err(&format!("a truncated response of {bytes} bytes looks complete"));
    }
    for mut begun in elsewhere {
        begun.app.go_on();
        let (bytes, end) = begun.end();
        assert!(bytes == 65_521 && end.is_ok(), "{bytes} {end:?}");
    }
    // No response had begun: safe requests are sent to another responder, others are refused.
    let mut again = gets.begun();
    assert_ne!(again.said(), VICTIM);
    again.go_on();
    assert!(is_whole(&mut get));
    let status = post.head().status;
    assert!(matches!(status, 502..=504), "{status}");
    assert!(posts.is_quiet(), "a POST was sent twice");
}

#[test]
fn behind_nginx() {
    a_responder_is_killed(Balanced::nginx());
}

#[test]
fn behind_haproxy() {
    a_responder_is_killed(Balanced::haproxy());
}
