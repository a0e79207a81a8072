//! Connections are spread evenly over the threads, whichever thread accepts them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use http::Response;
use http_body_util::Full;
use pushpull_gateway::host::http::ClientLimits;

use super::host::{Answer, Host};
use pushpull_testing::wire::Wire;

#[test]
fn each_thread_has_its_share_of_the_connections() {
    let served = Arc::new(Mutex::new(HashMap::<_, usize>::new()));
    let counts = served.clone();
    let host = Host::start(ClientLimits::new(), move || {
        let counts = counts.clone();
        Answer(move |_| {
            *counts.lock().unwrap().entry(std::thread::current().id()).or_default() += 1;
            async { Response::new(Full::new("hello".into())) }
        })
    });
    // One after another, so that mostly the same thread accepts.
    let kept: Vec<_> = (0..16)
        .map(|_| {
            let mut wire = Wire::connect(host.address);
            wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("hello");
            wire
        })
        .collect();
    let served: Vec<_> = served.lock().unwrap().values().copied().collect();
    assert_eq!(served, [8, 8]);
    drop(kept);
}
