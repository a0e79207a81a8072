//! A push app as a CGI program: the calendar for any server that runs CGI programs.
//!
//! `cargo build --release --example calendar_cgi`, then for example
//! `QUERY_STRING='year=2026&month=11' target/release/examples/calendar_cgi`, or let a web server run the program

#[path = "calendar/app.rs"]
mod app;

use std::io;

use pushpull_gateway::push_fn;

fn main() -> io::Result<()> {
    pushpull_gateway::host::cgi::run(push_fn(app::calendar))
}
