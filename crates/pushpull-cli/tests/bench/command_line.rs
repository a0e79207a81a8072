//! Mistakes are reported at once, in one line, and an interrupt stops the run cleanly.

use std::fs;

use super::program::{Files, run};

#[test]
fn mistakes_are_reported_in_one_line_with_exit_code_2() {
    let files = Files::new();
    fs::write(files.at("text"), "no report").unwrap();
    fs::write(files.at("future"), r#"{"schema": 999}"#).unwrap();
    fs::write(files.at("part"), r#"{"schema": 1}"#).unwrap();
    let [text, future, part, nowhere, report] =
        ["text", "future", "part", "no/such/file", "report"].map(|name| files.name(name));
    let directory = files.path().to_str().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["thruoghput"], "thruoghput"),
        (&["--loud"], "--loud"),
        (&["-q"], "-q"),
        (&["--time"], "--time"),
        (&["--time", "0"], "--time"),
        (&["--time", "soon"], "--time"),
        (&["--time", "nan"], "--time"),
        (&["--time", "1e9"], "--time"),
        (&["--workload", ""], "--workload"),
        (&["--workload", "write"], "--workload"),
        (&["--workload", "write=0"], "write=0"),
        (&["--workload", "write=1TiB"], "1TiB"),
        (&["--workload", "write=1,write=2"], "each name once"),
        (&["--workload", "bridges=0"], "bridges=0"),
        (&["--workload", "bridges=1000000"], "bridges=1000000"),
        (&["--workload", "reader=fast"], "fast"),
        (&["--workload", "reader=1h"], "10 s"),
        (&["--workload", "colour=red"], "colour"),
        (&["--workload", "writer=10s,bridges=100000"], "would take about"),
        (&["--json", ""], "expected a file"),
        (&["--json", directory], directory),
        (&["--json", &nowhere], &nowhere),
        (&["--html", &nowhere], &nowhere),
        (&["--html"], "--html"),
        (&["--html", &report, "--json", &report], "expected two files"),
        (&["--html", &report, "--svg", &report], "for --html and for --svg: expected two files"),
        (&["--compare", &nowhere], &nowhere),
        (&["--compare", &text], "not a report"),
        (&["--compare", &future], "999"),
        (&["--compare", &part], "not a report"),
    ];
    for (arguments, part) in cases {
        let (code, out, err) = run(arguments);
        assert_eq!((code, &out[..], err.lines().count()), (2, "", 1), "{arguments:?}: {err}");
        assert!(err.starts_with("pushpull: ") && err.contains(part), "{arguments:?}: {err}");
        assert!(err.contains("expected ") || err.contains("; try --help"), "it does not say what is expected: {err}");
    }
}

#[test]
fn help_has_examples_and_fits_a_terminal() {
    for arguments in [&["--help"][..], &["-h"], &["--quick", "--help"]] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, &err[..]), (0, ""));
        assert!(out.contains("Examples:") && out.lines().all(|line| line.chars().count() <= 80), "{out}");
    }
}

/// Whether a run listens for interrupts is seen in `/proc`.
#[cfg(target_os = "linux")]
mod interrupts {
    use std::fs;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::super::program::{Files, PUSHPULL};

    #[test]
    fn an_interrupt_stops_the_run_without_a_report() {
        let files = Files::new();
        let child = started(&["--time", "600", "--json", &files.name("report.json")]);
        interrupt(&child);
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(130), &b""[..]), "{told}");
        assert!(told.ends_with("interrupted; no report was written\n") && told.lines().count() == 2, "{told}");
        assert_eq!(fs::read_dir(files.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_long_run_is_announced_and_reports_an_interrupt() {
        let mut child = started(&["--time", "1", "--workload", "writer=10s"]);
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = told.next().unwrap().unwrap();
        assert!(line.contains("takes about 4m 40s"), "{line}");
        interrupt(&child);
        let line = told.next().unwrap().unwrap();
        assert!(line.contains("after this measurement") && line.contains("second"), "{line}");
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        // The second interrupt ended the run during the measurement.
        assert!(told.next().is_none());
    }

    /// Starts a run and waits until it listens for interrupts.
    fn started(arguments: &[&str]) -> Child {
        let mut child = Command::new(PUSHPULL)
            .arg("bench")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while !listens_for_interrupts(child.id()) {
            assert!(
                Instant::now() < until && child.try_wait().unwrap().is_none(),
                "the run does not listen for interrupts"
            );
            thread::sleep(Duration::from_millis(5));
        }
        child
    }

    fn interrupt(child: &Child) {
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    }

    /// Returns `true` if the process has a handler for SIGINT, signal 2.
    fn listens_for_interrupts(process: u32) -> bool {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught.is_some_and(|caught| u64::from_str_radix(caught.trim(), 16).unwrap() & 2 != 0)
    }
}
