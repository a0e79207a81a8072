//! The load: connections that are kept, a thread each, every byte of every body looked at.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const REQUEST: &[u8] =
    b"GET /some/path?and=query HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: load\r\n\r\n";

/// Sends `requests` over so many connections, and checks that each body has `length` bytes and the right ones.
pub fn run(address: SocketAddr, connections: usize, requests: usize, length: usize) {
    let left = AtomicUsize::new(requests);
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut connection = Connection::to(address);
                while take() {
                    connection.ask(length);
                }
            });
        }
    });
}

struct Connection {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
    chunk: Vec<u8>,
}

impl Connection {
    fn to(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Connection { stream: BufReader::with_capacity(64 * 1024, stream), line: Vec::new(), chunk: Vec::new() }
    }

    fn ask(&mut self, length: usize) {
        self.stream.get_mut().write_all(REQUEST).expect("the server reads");
        assert!(self.line().starts_with(b"HTTP/1.1 200 "), "not a 200");
        let mut known = None;
        loop {
            let line = self.line().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix(b"content-length: ") {
                known = Some(number(value, 10));
            }
        }
        let mut seen = 0;
        match known {
            Some(known) => seen += self.take(known),
            None => loop {
                let size = number(self.line(), 16);
                seen += self.take(size);
                assert!(self.line().is_empty(), "a chunk has an end");
                if size == 0 {
                    break;
                }
            },
        }
        assert_eq!(seen, length, "a body of another length");
    }

    fn line(&mut self) -> &[u8] {
        self.line.clear();
        self.stream.read_until(b'\n', &mut self.line).expect("the server answers");
        self.line.trim_ascii_end()
    }

    fn take(&mut self, size: usize) -> usize {
        self.chunk.resize(size, 0);
        self.stream.read_exact(&mut self.chunk).expect("a whole body");
        assert!(self.chunk.iter().all(|byte| *byte == b'x'), "another body");
        size
    }
}

fn number(digits: &[u8], radix: u32) -> usize {
    let digits = std::str::from_utf8(digits).expect("digits");
    usize::from_str_radix(digits, radix).expect("a number")
}
