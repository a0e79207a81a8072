//! A pull app as a CGI program: prime numbers, one block at a time, while the client reads.
//!
//! `cargo build --release --example primes_cgi`, then for example
//! `QUERY_STRING=below=100 target/release/examples/primes_cgi`, or let a web server run the program

use std::io;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use pushpull_gateway::{Input, pull_fn};

/// The number of primes in a block.
const BLOCK: usize = 1000;

fn main() -> io::Result<()> {
    pushpull_gateway::host::cgi::run(pull_fn(primes))
}

/// Answers `below=N` with the primes below `N`; without a query, with endless primes.
fn primes(req: Request<Input>) -> io::Result<Response<Box<dyn Iterator<Item = io::Result<Bytes>>>>> {
    let below = match req.uri().query().filter(|query| !query.is_empty()) {
        None => u64::MAX,
        Some(query) => match query.strip_prefix("below=").and_then(|number| number.parse().ok()) {
            Some(below) => below,
            None => return answer(StatusCode::BAD_REQUEST, std::iter::once("ask for below=1000\n".into())),
        },
    };
    let mut numbers = (2..below).filter(|number| is_prime(*number)).peekable();
    let blocks = std::iter::from_fn(move || {
        numbers.peek()?;
        Some(numbers.by_ref().take(BLOCK).map(|number| format!("{number}\n")).collect::<String>().into())
    });
    answer(StatusCode::OK, blocks)
}

fn is_prime(number: u64) -> bool {
    (2..).take_while(|divisor| divisor * divisor <= number).all(|divisor| !number.is_multiple_of(divisor))
}

fn answer(
    status: StatusCode,
    blocks: impl Iterator<Item = Bytes> + 'static,
) -> io::Result<Response<Box<dyn Iterator<Item = io::Result<Bytes>>>>> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, "text/plain");
    response.body(Box::new(blocks.map(Ok)) as _).map_err(io::Error::other)
}
