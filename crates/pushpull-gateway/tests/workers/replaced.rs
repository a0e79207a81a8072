//! Workers that are replaced after a number of requests.

use std::collections::BTreeSet;

use super::run::{Log, text, workers};
use pushpull_gateway::{RunningWorkers, Workers};

/// Asks until the workers have been replaced twice, with some clients at a time. Returns the processes that answered.
async fn replaced_twice(running: &RunningWorkers) -> BTreeSet<String> {
    /// No divisor of the number of requests in a round, so that some run when it is reached.
    const CLIENTS: usize = 7;
    let app = running.upstream();
    let mut seen = BTreeSet::new();
    while seen.len() < 6 {
        let answers: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let app = app.clone();
                tokio::spawn(async move { text(&app, "/slow").await })
            })
            .collect();
        for answer in answers {
            seen.insert(answer.await.expect("no request is lost"));
        }
    }
    seen
}

fn of(workers: Workers) -> RunningWorkers {
    workers.count(2).max_requests(20).start().unwrap()
}

async fn stop(running: RunningWorkers, log: &Log) {
    running.stop();
    running.stopped().await;
    assert_eq!(log.lines("worker "), [""; 0], "a replacement is no failure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_know_usr1_are_replaced_under_load() {
    let (workers, log) = workers();
    let running = of(workers);
    replaced_twice(&running).await;
    stop(running, &log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_workers_are_replaced_when_no_request_runs() {
    let (workers, log) = workers();
    let running = of(workers.args(["plain"]));
    replaced_twice(&running).await;
    stop(running, &log).await;
}
