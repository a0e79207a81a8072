//! The reports of a run: complete, in the documented format, and within the bounds.

use std::collections::BTreeSet;

use serde_json::Value;

use super::program::{Files, Kept, all, rows, run};

/// Checks that a figure has a sample per round, and their quartiles.
fn check_figure(figure: &Value, what: &str) {
    let samples: Vec<f64> = figure["samples"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    let [low, median, high] = ["low", "median", "high"].map(|name| figure[name].as_f64().unwrap());
    assert!(samples.len() >= 2 && low <= median && median <= high, "{what}: {figure}");
    assert!(samples.iter().all(|sample| sample.is_finite() && *sample >= 0.0), "{what}: {figure}");
    let units = ["seconds", "bytes-per-second", "per-mebibyte", "bytes", "part"];
    assert!(units.contains(&figure["unit"].as_str().unwrap()), "{what}: {figure}");
}

#[test]
fn every_question_is_answered_within_the_bounds() {
    let Kept { out, report, .. } = all();
    assert!(out.contains("Recommendation") && out.contains("quick run"), "{out}");
    assert_eq!((&report["schema"], &report["quick"], &report["workload"]), (&1.into(), &true.into(), &Value::Null));
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert!(report["taken"].as_str().unwrap().ends_with('Z'));
    assert!(report["machine"]["processors"].as_u64().unwrap() > 0);
    let mut asked = BTreeSet::new();
    for row in rows(report) {
        let what = format!("{}, {}, {}", row["question"], row["case"], row["contender"]);
        // Both sides count and add up every byte: a lost byte would fail the row.
        assert_eq!(row.get("failed"), None, "{what}");
        let figures = row["figures"].as_object().unwrap();
        assert!(!figures.is_empty(), "{what}");
        figures.values().for_each(|figure| check_figure(figure, &what));
        if let Some(most) = figures.get("in-flight")
            && row["engine"] == true
        {
            let capacity = row["case"]["capacity"].as_f64().unwrap();
            assert!(
                most["samples"].as_array().unwrap().iter().all(|most| most.as_f64().unwrap() <= capacity),
                "{what}"
            );
        }
        asked.insert((row["question"].as_str().unwrap(), row["contender"].as_str().unwrap()));
    }
    for question in ["handoff", "write_size", "lifetime", "backpressure", "fan"] {
        for contender in ["Local", "Thread", "Pool", "crossbeam", "sync_channel", "tokio mpsc"] {
            assert!(asked.contains(&(question, contender)), "{question} of {contender}");
        }
    }
    for contender in ["Thread", "Pool", "pipe()", "crossbeam", "sync_channel", "io::pipe"] {
        assert!(asked.contains(&("busy", contender)), "busy of {contender}");
    }
}

#[test]
fn a_workload_is_measured_alone_and_gets_a_recommendation() {
    let files = Files::new();
    let workload = "write=100,writer=8x100us,reader=50us,bridges=20";
    let (code, out, err) = run(&["--quick", "--workload", workload, "--json", &files.name("report.json")]);
    assert_eq!((code, &err[..]), (0, ""), "{out}");
    let report = files.json("report.json");
    assert_eq!(report["workload"], workload);
    assert!(rows(&report).iter().all(|row| row["question"] == "workload" && row["case"]["bridges"] == 20));
    let advice = out.lines().find(|line| line.contains("For 100 B writes")).unwrap();
    assert!(advice.contains("20 bridges at once") && advice.contains("chunk"), "{advice}");
    assert!(out.contains("By hand, "), "{out}");
}

#[test]
fn a_report_is_replaced_atomically_and_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::new();
    std::fs::write(files.at("report.json"), "old").unwrap();
    std::fs::set_permissions(files.at("report.json"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let (code, ..) = run(&["--quick", "handoff", "--json", &files.name("report.json")]);
    assert_eq!((code, &files.json("report.json")["schema"]), (0, &1.into()));
    let mode = std::fs::metadata(files.at("report.json")).unwrap().permissions().mode();
    assert_eq!((mode & 0o777, std::fs::read_dir(files.path()).unwrap().count()), (0o640, 1));
}

#[test]
fn a_latency_that_was_not_measured_is_left_out() {
    let files = Files::new();
    // Four writes of one byte have no room for a stamp of eight bytes.
    let arguments = ["--quick", "--workload", "write=1,writer=1ms"];
    let (json, html) = (files.name("short.json"), files.name("short.html"));
    let (code, out, err) = run(&[&arguments[..], &["--json", &json, "--html", &html]].concat());
    assert_eq!((code, &err[..]), (0, ""), "{out}");
    for row in rows(&files.json("short.json")) {
        let figures = row["figures"].as_object().unwrap();
        assert!(figures.contains_key("throughput") && !figures.contains_key("latency"), "{row}");
    }
    let local = out.lines().find(|line| line.trim_start().starts_with("Local ")).unwrap();
    assert!(local.split_whitespace().rev().take(2).eq(["·", "·"]), "{out}");
    assert!(!std::fs::read_to_string(html).unwrap().contains("<th scope=\"col\">latency"));
    let (_, advice) = out.split_once("Recommendation").unwrap();
    assert!(advice.contains("For 1 B writes") && !advice.contains("from write to pull"), "{out}");
}

#[test]
fn contenders_left_out_are_reported_with_the_reason() {
    let files = Files::new();
    let arguments = ["--quick", "--workload", "write=1KiB,bridges=600"];
    let (json, html) = (files.name("many.json"), files.name("many.html"));
    let (code, out, err) = run(&[&arguments[..], &["--json", &json, "--html", &html]].concat());
    assert_eq!((code, &err[..]), (0, ""), "{out}");
    let told = "Thread, Pool with a capacity of 1 MiB: 600 bridges may hold more than 512 MiB";
    assert!(out.contains(&format!("  left out: {told}\n")), "{out}");
    assert_eq!(files.json("many.json")["left_out"][0], told);
    assert!(std::fs::read_to_string(html).unwrap().contains(told));
    // A run that leaves nothing out has no such list.
    assert_eq!(all().report.get("left_out"), None);
}

#[test]
fn a_quick_run_shortens_pauses() {
    let files = Files::new();
    let (code, out, err) = run(&["--quick", "--workload", "writer=100ms", "--json", &files.name("paced.json")]);
    assert_eq!((code, &err[..]), (0, ""), "{out}");
    for row in rows(&files.json("paced.json")) {
        // With its full pauses it would be 41 kB/s.
        assert!(row["figures"]["throughput"]["high"].as_f64().unwrap() > 100e3, "{row}");
    }
}
