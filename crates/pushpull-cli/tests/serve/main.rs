//! `pushpull serve` as it is built: its command line, its log, its signals, the faults that it has to survive, and programs
//! that were not written for it.

mod command_line;
mod faults;
mod front;
mod host;
mod log;
mod protocols;
mod real_programs;
mod scarce;
mod signals;
mod told;
mod upstream;
