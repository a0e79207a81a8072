//! Programs that were not written for this: git, PHP, and Python's WSGI.

#[path = "real_programs/git.rs"]
mod git;
#[path = "serve/program.rs"]
#[allow(dead_code, reason = "the tests of the program itself use more of it")]
mod host;
#[path = "support/needed.rs"]
mod needed;
#[path = "real_programs/php.rs"]
mod php;
#[path = "real_programs/python.rs"]
mod python;
#[path = "http_host/wire.rs"]
#[allow(dead_code, reason = "the tests of the host itself use more of it")]
mod wire;
