//! Tests the example that holds a million programs, with fewer programs.
#![cfg(target_os = "linux")]

use pushpull_testing::example::run;

/// Returns the figure in the line that starts with `name`.
fn figure(output: &str, name: &str) -> u64 {
    let line = output.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|line| line.split_whitespace().next());
    figure.unwrap_or_else(|| panic!("no {name:?} in {output}")).parse().unwrap()
}

#[test]
fn law_12_suspended_programs_hold_no_threads_and_little_memory() {
    for workers in ["1", "2"] {
        let (code, out, err) = run("million", &["5000", "--workers", workers]);
        assert_eq!(code, 0, "{err}");
        // The workers, and the thread that pulls.
        assert_eq!(figure(&out, "threads"), workers.parse::<u64>().unwrap() + 1);
        // Debug builds need more stack.
        let most = if cfg!(debug_assertions) { 32 << 10 } else { 8 << 10 };
        assert!(figure(&out, "resident") + figure(&out, "page tables") <= most, "{out}");
        assert!(figure(&out, "checked") > 5000 * 1000, "{out}");
        assert!(figure(&out, "created") > 0 && figure(&out, "resumed") > 0);
    }
}

#[test]
fn mistakes_are_reported_in_one_line() {
    for arguments in [&["0"][..], &["many"], &["1", "2"], &["--workers", "0"], &["--workers"], &["--frobnicate"]] {
        let (code, out, err) = run("million", arguments);
        assert_eq!((code, &out[..], err.lines().count()), (2, "", 1), "{arguments:?}: {err}");
        assert!(err.starts_with("million: "), "{err}");
    }
    let (code, out, _) = run("million", &["--help"]);
    assert!(code == 0 && out.contains("Examples:"));
}
