//! php-cgi as a worker.

use std::collections::BTreeSet;

use super::run::{of, text};
use pushpull_testing::needed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn php_cgi_serves_scripts_and_is_replaced_without_a_loss() {
    if !needed::there(&["php-cgi"]) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("a.php"), "<?php usleep(2000); echo getmypid();").unwrap();
    let (workers, log) = of(&needed::place("php-cgi").unwrap());
    let running = workers.count(2).max_requests(10).start().unwrap();
    let app = running.upstream().root(root.path()).unwrap();
    let mut seen = BTreeSet::new();
    while seen.len() < 6 {
        let ask = || {
            let app = app.clone();
            tokio::spawn(async move { text(&app, "/a.php").await })
        };
        let answers = [ask(), ask(), ask(), ask()];
        for answer in answers {
            seen.insert(answer.await.expect("no request is lost"));
        }
    }
    running.stop();
    running.stopped().await;
    assert_eq!(log.lines("worker "), [""; 0]);
}
