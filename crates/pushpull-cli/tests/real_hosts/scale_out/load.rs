//! Clients that send requests in a loop, and check each response.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::balancer::Balanced;
use crate::client::{Client, Head};
use crate::pattern::Checked;
use crate::server::wait_until;

const CLIENTS: usize = 4;
const SIZE: u64 = 50_000;

/// The numbers of responses by result.
#[derive(Debug, Default)]
pub struct Seen {
    pub whole: usize,
    /// Visibly truncated.
    pub cut: usize,
    /// Refused with an error status.
    pub refused: Vec<u16>,
}

/// Returns how many bytes of the pattern the body contains, and whether it is complete.
pub fn body(client: &mut Client, head: &Head) -> (u64, io::Result<()>) {
    let mut checked = Checked::default();
    let read = io::copy(&mut client.body(head), &mut checked);
    (checked.bytes(), read.map(drop))
}

/// Runs `act` under load: after the first responses, and with many more to follow.
pub fn under_load(balanced: &Balanced, method: &str, act: impl FnOnce()) -> Seen {
    let (done, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let ask = || {
        let mut seen = Seen::default();
        while !is_over.load(Ordering::SeqCst) {
            let mut client = balanced.client();
            client.ask(method, &format!("/app?case=out&size={SIZE}"), (method == "POST").then_some(0));
            let head = client.head();
            match body(&mut client, &head) {
                _ if head.status != 200 => seen.refused.push(head.status),
                (bytes, Ok(())) => {
                    assert_eq!(bytes, SIZE, "silently short");
                    seen.whole += 1;
                }
                (_, Err(error)) => {
                    assert_ne!(error.kind(), io::ErrorKind::InvalidData, "{error}");
                    seen.cut += 1;
                }
            }
            done.fetch_add(1, Ordering::SeqCst);
        }
        seen
    };
    let more = |number: usize| {
        let before = done.load(Ordering::SeqCst);
        wait_until("many are answered", || done.load(Ordering::SeqCst) >= before + number);
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        more(40);
        act();
        more(120);
        is_over.store(true, Ordering::SeqCst);
        let seen = clients.into_iter().map(|client| client.join().unwrap());
        seen.fold(Seen::default(), |mut all, seen| {
            all.whole += seen.whole;
            all.cut += seen.cut;
            all.refused.extend(seen.refused);
            all
        })
    })
}

/// Opens requests whose responses have begun, at least one on each responder.
pub fn begun(balanced: &Balanced, watch: &crate::watch::Watch) -> Vec<Begun> {
    let target = format!("/app?case=begun&control={}", watch.port());
    (0..6)
        .map(|_| {
            let mut client = balanced.client();
            client.ask("GET", &target, None);
            let app = watch.begun();
            let head = client.head();
            Begun { responder: app.said(), app, client, head }
        })
        .collect()
}

pub struct Begun {
    pub responder: u64,
    pub app: crate::watch::Watched,
    client: Client,
    head: Head,
}

impl Begun {
    /// Reads the rest of the responses.
    pub fn end(mut self) -> (u64, io::Result<()>) {
        body(&mut self.client, &self.head)
    }
}
