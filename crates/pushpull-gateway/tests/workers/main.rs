//! FastCGI applications whose processes are started here.
#![cfg(unix)]

mod ends;
mod failures;
mod php;
mod replaced;
mod requests;
mod run;
