//! The FastCGI host, tested by a client made of the record codec: requirements 18 to 24.

mod bad_input;
mod client;
mod limits;
mod requests;
mod several;
