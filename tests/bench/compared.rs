//! The verdict of `--compare`, by its exit code. What is noise and what is not, on made-up figures, is tested beside
//! the code.

use serde_json::Value;

use super::program::{Files, rows, run};

/// A report of `handoff` in which all the times of the engines are so many times what they were.
fn kept(files: &Files, factor: f64) -> String {
    let (code, ..) = run(&["--quick", "handoff", "--json", &files.name("new.json")]);
    assert_eq!(code, 0);
    let mut report = files.json("new.json");
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

#[test]
fn what_got_slower_is_told_and_exits_with_1() {
    let files = Files::new();
    // Nothing is so noisy that a thousand times would not be seen.
    let old = kept(&files, 1e-3);
    let (code, out, err) = run(&["--quick", "handoff", "--compare", &old]);
    assert_eq!((code, &err[..]), (1, ""), "{out}");
    assert!(out.contains("slower by") && out.contains("Local"), "{out}");
}

#[test]
fn what_got_faster_exits_with_0() {
    let files = Files::new();
    let old = kept(&files, 1e3);
    let (code, out, err) = run(&["--quick", "handoff", "--compare", &old]);
    assert_eq!((code, &err[..]), (0, ""), "{out}");
    assert!(out.contains("0 of 3 figures"), "{out}");
}

#[test]
fn a_report_without_a_row_in_common_is_no_fault() {
    let files = Files::new();
    let old = kept(&files, 1.0);
    let (code, out, _) = run(&["--quick", "lifetime", "--compare", &old]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("0 of 0 figures"), "{out}");
    let unchanged: Value = files.json("new.json");
    assert_eq!(rows(&unchanged).len(), 7);
}
