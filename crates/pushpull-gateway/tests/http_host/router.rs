//! A router of axum, whose handlers answer from programs on `Local`.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::get;
use pushpull::Local;
use pushpull_gateway::host::http::ClientLimits;
use pushpull_testing::wire::Wire;

use super::host::Host;

async fn letters(Path(length): Path<usize>) -> Body {
    use std::io::Write;
    let program = move |w: &mut pushpull::local::Writer| (0..length).try_for_each(|_| w.write_all(b"x"));
    Body::new(Local::new().pull(program).into_body().into_send())
}

#[test]
fn handlers_answer_from_programs_of_their_own_thread() {
    let app = Router::new().route("/{length}", get(letters));
    let host = Host::start(ClientLimits::new(), move || app.clone());
    // On both threads, several responses under way at once.
    for length in [0, 1, 100_000] {
        let mut wires: Vec<Wire> = (0..8).map(|_| Wire::connect(host.address)).collect();
        for wire in &mut wires {
            wire.send(format!("GET /{length} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        }
        for wire in &mut wires {
            let answer = wire.rest();
            assert_eq!(answer.status(), 200);
            assert!(answer.chunks() == (b"x".repeat(length), true), "{length}");
        }
    }
    assert!(host.said.troubles().is_empty(), "{:?}", host.said.troubles());
}
