//! The FastCGI host, by a client made of the record codec: requirements 18 to 24 of a gateway.

mod bad_input;
mod client;
mod limits;
mod requests;
mod several;
