//! Forgotten chunks leak, and do not affect other bridges. In a file of its own, because a leak checker reports this
//! test.

use std::io::Write;
use std::mem;

use crate::support::engine::drain;
use pushpull::Local;
use pushpull_testing::watchdog::within;

fn small() -> Local {
    Local::new().chunk_size(4)
}

#[test]
fn forgotten_chunks_do_not_affect_other_bridges() {
    within(|| {
        let mut chunks = small().pull(|w| w.write_all(b"never finished"));
        chunks.next().unwrap().unwrap();
        mem::forget(chunks);
        let doc = vec![1, 2, 3];
        let first = small().pull_scoped(
            |w| Ok(serde_json::to_writer(w, &doc)?),
            |mut chunks| {
                let first = chunks.next().unwrap().unwrap();
                #[expect(clippy::forget_non_drop, reason = "that it makes no difference is the point")]
                mem::forget(chunks);
                first
            },
        );
        assert!(first.starts_with(b"[1"));
        let (bytes, _) = drain(small().pull(|w| w.write_all(b"others go on")));
        assert_eq!(bytes, b"others go on");
    });
}
