//! A push app as a CGI program: the calendar for any server that runs such programs.
//!
//! `cargo build --release --example calendar_cgi`, then for instance
//! `QUERY_STRING='year=2026&month=11' target/release/examples/calendar_cgi`, or give the program to a web server

#[path = "calendar/app.rs"]
mod app;

use std::io;

use pushpull_gateway::push_fn;

fn main() -> io::Result<()> {
    pushpull_gateway::host::cgi::run(push_fn(app::calendar))
}
