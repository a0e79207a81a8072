//! The application that the tests of real hosts run, under each protocol.

mod control;
#[path = "../pattern.rs"]
mod pattern;
mod push;

use std::io;

use pushpull::gateway::{AsPull, push_fn};

fn main() -> io::Result<()> {
    let is_pull = std::env::var("QUERY_STRING").is_ok_and(|query| query.contains("shape=pull"));
    if is_pull {
        pushpull::host::cgi::run(AsPull(push_fn(push::answer)))
    } else {
        pushpull::host::cgi::run(push_fn(push::answer))
    }
}
