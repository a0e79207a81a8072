//! `pushpull bench` as it is built: its command line, what it keeps, its verdicts, and its page in a browser. That it
//! measures, and not what: no test here depends on a time.

mod command_line;
mod compared;
mod keep;
mod page;
mod program;
mod report;
