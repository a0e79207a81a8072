//! The verdict of `--compare`, by its exit code. What is noise and what is not, on made-up figures, is tested beside
//! the code.

use serde_json::Value;

use super::program::{Files, rows, run};

/// A full run, though a short one.
const FULL: [&str; 3] = ["--time", "1", "handoff"];

/// A report of `handoff` in which all the times of the engines are so many times what they were; as if it had been a
/// full run, for it need not be true.
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

/// Told at once, and not after a minute.
fn assert_refused((code, out, err): (i32, String, String), why: &str) {
    assert_eq!((code, &out[..], err.lines().count()), (2, "", 1), "{err}");
    assert!(err.starts_with("pushpull: --compare ") && err.contains(why), "{err}");
}

#[test]
fn what_got_slower_is_told_and_exits_with_1() {
    let files = Files::new();
    // Nothing is so noisy that a thousand times would not be seen.
    let old = kept(&files, 1e-3);
    let (code, out, err) = compared(&FULL, &old);
    assert_eq!((code, &err[..]), (1, ""), "{out}");
    assert!(out.contains("slower by") && out.contains("Local"), "{out}");
}

#[test]
fn what_got_faster_exits_with_0() {
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
    assert_refused(compared(&FULL, &files.name("new.json")), "was kept with --quick");
}
