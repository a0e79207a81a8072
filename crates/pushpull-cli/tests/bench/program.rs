//! Runs the built program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

pub const PUSHPULL: &str = env!("CARGO_BIN_EXE_pushpull");

/// Runs `pushpull bench`. Returns its exit code, standard output and standard error.
pub fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(PUSHPULL).arg("bench").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The output and the files of a quick run.
pub struct Kept {
    pub out: String,
    pub report: Value,
    pub page: String,
    pub picture: String,
}

/// Returns a run of all questions, shared by all tests.
pub fn all() -> &'static Kept {
    static KEPT: LazyLock<Kept> = LazyLock::new(|| {
        let files = Files::new();
        let [json, html, svg] = ["report.json", "report.html", "report.svg"].map(|name| files.name(name));
        let (code, out, err) = run(&["--quick", "--json", &json, "--html", &html, "--svg", &svg]);
        assert_eq!((code, &err[..]), (0, ""), "{out}");
        let [page, picture] = [html, svg].map(|file| std::fs::read_to_string(file).unwrap());
        Kept { out, report: files.json("report.json"), page, picture }
    });
    &KEPT
}

/// A temporary directory, removed after its test.
pub struct Files(TempDir);

impl Files {
    pub fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn name(&self, name: &str) -> String {
        self.at(name).into_os_string().into_string().unwrap()
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.at(name)).unwrap()).unwrap()
    }
}

/// Returns the rows of a report.
pub fn rows(report: &Value) -> &[Value] {
    report["rows"].as_array().unwrap()
}
