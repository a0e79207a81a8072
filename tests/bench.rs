//! `pushpull bench` as it is built: its command line, what it keeps, its verdicts, and its page in a browser. That it
//! measures, and not what: no test here depends on a time.

#[path = "bench/command_line.rs"]
mod command_line;
#[path = "bench/compared.rs"]
mod compared;
#[path = "bench/keep.rs"]
mod keep;
#[path = "support/needed.rs"]
mod needed;
#[path = "bench/page.rs"]
mod page;
#[path = "bench/program.rs"]
mod program;
#[path = "bench/report.rs"]
mod report;
