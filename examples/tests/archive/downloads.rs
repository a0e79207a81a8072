//! Tests the axum example end to end.

use std::io::{Cursor, Read};
use std::process::Command;

use hyper::StatusCode;
use pushpull_testing::example::{Served, program, run};

use crate::client::get;

fn start() -> Served {
    let mut command = Command::new(program("downloads"));
    command.args(["--listen", "127.0.0.1:0"]);
    Served::start(command)
}

#[test]
fn law_1_what_is_downloaded_is_what_the_encoders_wrote() {
    let server = start();
    let csv = get(server.address, "/readings.csv?rows=100000");
    assert_eq!((csv.status, csv.header("content-type")), (StatusCode::OK, "text/csv"));
    let mut rows = 0;
    for (number, record) in csv::Reader::from_reader(&csv.bytes()[..]).records().enumerate() {
        assert_eq!(record.unwrap()[0], number.to_string());
        rows += 1;
    }
    assert_eq!(rows, 100_000);
    let packed = get(server.address, "/readings.zip?rows=100000");
    let mut zip = zip::ZipArchive::new(Cursor::new(&packed.bytes()[..])).unwrap();
    let mut unpacked = Vec::new();
    zip.by_name("readings.csv").unwrap().read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == csv.bytes()[..], "the archive holds something else");
    assert!(get(server.address, "/").text().contains("href=/readings.zip"));
    assert_eq!(get(server.address, "/readings.csv?rows=many").status, StatusCode::BAD_REQUEST);
}

#[cfg(target_os = "linux")]
#[test]
fn law_12_stalled_clients_cost_no_thread_and_block_no_other_client() {
    use crate::client::stall;
    use pushpull_testing::example::status;

    const CLIENTS: usize = 300;
    let server = start();
    let threads = || status(server.child.id(), "Threads");
    assert_eq!(get(server.address, "/readings.zip?rows=100000").status, StatusCode::OK);
    // By now, every worker of either kind has run.
    let cores = std::thread::available_parallelism().unwrap().get() as u64;
    let clients: Vec<_> = (0..CLIENTS).map(|_| stall(server.address, "/readings.csv?rows=10000000")).collect();
    assert!(threads() <= 1 + 2 * cores, "{} threads", threads());
    assert!(get(server.address, "/readings.csv?rows=1000").bytes().len() > 1000);
    drop(clients);
}

#[test]
fn mistakes_are_reported_in_one_line() {
    for arguments in [&["--listen"][..], &["--listen", "nowhere"], &["--frobnicate"], &["a"]] {
        let (code, out, err) = run("downloads", arguments);
        assert_eq!((code, &out[..], err.lines().count()), (2, "", 1), "{arguments:?}: {err}");
    }
    let (code, out, _) = run("downloads", &["--help"]);
    assert!(code == 0 && out.contains("--listen"));
}
