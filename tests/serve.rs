//! `pushpull serve` as it is built: its command line, its log, its signals, and the faults that it has to survive.

#[path = "serve/command_line.rs"]
mod command_line;
#[path = "serve/faults.rs"]
mod faults;
#[path = "serve/front.rs"]
mod front;
#[path = "http_host/http2.rs"]
#[allow(dead_code, reason = "the tests of the host itself use more of it")]
mod http2;
// The wire needs a deadline of the same name.
#[path = "serve/program.rs"]
mod host;
#[path = "serve/log.rs"]
mod log;
#[path = "support/needed.rs"]
mod needed;
#[path = "serve/protocols.rs"]
mod protocols;
#[path = "serve/scarce.rs"]
mod scarce;
#[path = "serve/signals.rs"]
mod signals;
#[path = "serve/told.rs"]
mod told;
#[path = "serve/upstream.rs"]
mod upstream;
#[path = "http_host/wire.rs"]
#[allow(dead_code, reason = "the tests of the host itself use more of it")]
mod wire;
