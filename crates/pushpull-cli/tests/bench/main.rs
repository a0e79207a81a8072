//! The built `pushpull bench`: its command line, its reports, its verdicts, and its page in a browser. No test here
//! depends on a measured time.

mod command_line;
mod compared;
mod keep;
mod page;
mod program;
mod report;
