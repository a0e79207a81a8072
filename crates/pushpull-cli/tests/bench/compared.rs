//! The verdict of `--compare`, by its exit code. The unit tests beside the code check what counts as noise.

use serde_json::Value;

use super::program::{Files, rows, run};

/// A full run, but a short one.
const FULL: [&str; 3] = ["--time", "1", "handoff"];

/// Creates a report of `handoff` in which the times of the engines are multiplied by `factor`. The report claims to be
/// of a full run.
fn kept(files: &Files, factor: f64) -> String {
    let (code, ..) = run(&["--quick", "handoff", "--json", &files.name("new.json")]);
    assert_eq!(code, 0);
    let mut report = files.json("new.json");
    report["quick"] = false.into();
    for row in report["rows"].as_array_mut().unwrap() {
        if row["engine"] == true {
            let figure = row["figures"]["time"].as_object_mut().unwrap();
            for name in ["low", "median", "high"] {
                figure[name] = (figure[name].as_f64().unwrap() * factor).into();
            }
        }
    }
    std::fs::write(files.at("old.json"), report.to_string()).unwrap();
    files.name("old.json")
}

fn compared(arguments: &[&str], old: &str) -> (i32, String, String) {
    run(&[arguments, &["--compare", old]].concat())
}

/// Checks that the comparison is refused before anything is measured.
fn assert_refused((code, out, err): (i32, String, String), why: &str) {
    assert_eq!((code, &out[..], err.lines().count()), (2, "", 1), "{err}");
    assert!(err.starts_with("pushpull: --compare ") && err.contains(why), "{err}");
}

#[test]
fn a_slower_engine_is_reported_and_exits_with_1() {
    let files = Files::new();
    // A factor of a thousand exceeds any noise.
    let old = kept(&files, 1e-3);
    let (code, out, err) = compared(&FULL, &old);
    assert_eq!((code, &err[..]), (1, ""), "{out}");
    assert!(out.contains("slower by") && out.contains("Local"), "{out}");
}

#[test]
fn a_faster_engine_exits_with_0() {
    let files = Files::new();
    let old = kept(&files, 1e3);
    let (code, out, err) = compared(&FULL, &old);
    assert_eq!((code, &err[..]), (0, ""), "{out}");
    assert!(out.contains("0 of 3 figures"), "{out}");
}

#[test]
fn there_is_no_verdict_without_a_row_in_common() {
    let files = Files::new();
    let old = kept(&files, 1.0);
    assert_refused(compared(&["--time", "1", "lifetime"], &old), "no engine");
    assert_refused(compared(&["--time", "1", "--workload", "write=1MiB"], &old), "no engine");
    let unchanged: Value = files.json("new.json");
    assert_eq!(rows(&unchanged).len(), 7);
}

#[test]
fn there_is_no_verdict_on_a_quick_run() {
    let files = Files::new();
    let old = kept(&files, 1.0);
    assert_refused(compared(&["--quick", "handoff"], &old), "--quick");
    assert_refused(compared(&FULL, &files.name("new.json")), "was written with --quick");
}
