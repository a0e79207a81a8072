//! Workers that end by themselves, or are killed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::run::{ask, of, sh, signal, text, until, workers};

#[tokio::test]
async fn a_worker_that_ends_at_once_is_started_again_with_growing_pauses() {
    let (workers, log) = sh("exit 7");
    let running = workers.count(1).start().unwrap();
    let lines = log.wait_for("exited with status 7", 3);
    let parts = ["is started again", "is started again in 1 s", "is started again in 2 s"];
    for (line, part) in lines.iter().zip(parts) {
        assert_eq!(*line, format!("worker 1: the program exited with status 7; {part}"));
    }
    // While no worker runs, requests are answered at once.
    let before = Instant::now();
    assert_eq!(ask(&running.upstream(), "/").await.0, 502);
    assert!(before.elapsed() < Duration::from_secs(30));
    running.stop();
    running.stopped().await;
}

#[tokio::test]
async fn a_worker_that_exits_is_replaced_at_once_and_its_request_cut() {
    let (workers, log) = workers();
    let running = workers.count(1).start().unwrap();
    let app = running.upstream();
    let first = text(&app, "/").await;
    assert_eq!(ask(&app, "/exit").await, (502, Some("502 Bad Gateway\n".to_owned())));
    let second = text(&app, "/").await;
    assert_ne!(first, second);
    assert_eq!(log.lines("worker 1"), ["worker 1: the program exited with status 3; is started again"]);
    running.stop();
    running.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_loses_its_own_requests_only() {
    let (workers, log) = workers();
    let running = workers.count(2).start().unwrap();
    let app = running.upstream();
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (app, is_over) = (app.clone(), is_over.clone());
            tokio::spawn(async move {
                let (mut good, mut bad) = (0, 0);
                while !is_over.load(Ordering::Relaxed) {
                    match ask(&app, "/").await {
                        (200, Some(_)) => good += 1,
                        (200, None) | (502, _) => bad += 1,
                        other => panic!("{other:?}"),
                    }
                }
                (good, bad)
            })
        })
        .collect();
    for _ in 0..3 {
        let process = text(&app, "/").await;
        signal(&process, "KILL");
        until("another worker", || !log.lines("by signal 9").is_empty()).await;
    }
    log.wait_for("by signal 9", 3);
    is_over.store(true, Ordering::Relaxed);
    let (mut good, mut bad) = (0, 0);
    for client in clients {
        let (of_one_good, of_one_bad) = client.await.unwrap();
        (good, bad) = (good + of_one_good, bad + of_one_bad);
    }
    assert!(good > 0 && bad <= 3 * 8, "{good} good, {bad} bad");
    running.stop();
    running.stopped().await;
}

#[test]
fn a_program_that_cannot_be_started_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    pushpull_testing::program::write(&program, "#!/no/such/interpreter\n");
    let error = of(&program).0.start().unwrap_err();
    assert!(error.to_string().contains("interpreter"), "{error}");
    assert!(pushpull_gateway::Workers::new(PathBuf::from("/no/such/program")).is_err());
}
