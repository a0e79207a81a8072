//! The built `pushpull serve`: its command line, its log, its signals, the faults that it has to survive, and programs
//! that know nothing of it.

mod behind;
mod command_line;
mod config;
mod described;
mod faults;
mod figures;
mod files;
mod front;
mod host;
// Other systems, and other processors, make other calls.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod injected;
mod log;
mod options;
mod protocols;
mod real_programs;
mod reload;
mod scarce;
#[cfg(target_os = "linux")]
mod service;
mod signals;
#[cfg(feature = "tls")]
mod tls;
mod upstream;
mod workers;
