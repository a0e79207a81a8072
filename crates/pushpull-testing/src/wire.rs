//! A client on a bare socket: it sends any bytes, valid or not, and reports how the connection ends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::log::DEADLINE;

pub struct Wire(pub TcpStream);

/// Everything received, and the error that ended the connection; `None` for a close.
#[derive(Debug)]
pub struct Got {
    pub text: Vec<u8>,
    pub error: Option<io::ErrorKind>,
}

impl Wire {
    pub fn connect(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Wire(stream)
    }

    /// Connects with a small receive buffer (4 KiB), so that the server soon blocks if the client does not read.
    pub fn narrow(address: SocketAddr) -> Wire {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&address.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Wire(stream)
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Wire {
        self.0.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Reads to the end of the connection.
    pub fn rest(&mut self) -> Got {
        let mut text = Vec::new();
        let error = self.0.read_to_end(&mut text).err().map(|error| error.kind());
        assert_ne!(error, Some(io::ErrorKind::WouldBlock), "timed out after {}", text.escape_ascii());
        Got { text, error }
    }

    /// Reads up to and including `end`.
    pub fn until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            let mut byte = [0];
            match self.0.read(&mut byte) {
                Ok(1) => text.push(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => panic!("{other:?} instead of {end:?} after {}", text.escape_ascii()),
            }
        }
        String::from_utf8(text).unwrap()
    }

    pub fn half_close(&mut self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// Closes the connection with a reset.
    pub fn reset(self) {
        let socket = Socket::from(self.0);
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}

impl Got {
    pub fn status(&self) -> u16 {
        let text = self.text.strip_prefix(b"HTTP/1.").unwrap_or_else(|| panic!("no response: {self:?}"));
        std::str::from_utf8(&text[2..5]).unwrap().parse().unwrap()
    }

    pub fn body(&self) -> &[u8] {
        let end = self.text.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        &self.text[end + 4..]
    }

    /// Returns the same as `chunks`, for a response that may be empty.
    pub fn chunks_if_any(&self) -> (Vec<u8>, bool) {
        if self.text.is_empty() { (Vec::new(), false) } else { self.chunks() }
    }

    /// Returns the body without its chunk framing, and whether it is complete.
    pub fn chunks(&self) -> (Vec<u8>, bool) {
        let (mut rest, mut joined) = (self.body(), Vec::new());
        let head = String::from_utf8_lossy(&self.text[..self.text.len() - rest.len()]).into_owned();
        if !head.contains("\r\ntransfer-encoding: chunked\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            return (rest.to_vec(), length == Some(rest.len()));
        }
        while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
            let len = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
            rest = &rest[at + 2..];
            if len == 0 {
                return (joined, rest == b"\r\n");
            }
            joined.extend_from_slice(&rest[..len.min(rest.len())]);
            rest = rest.get(len + 2..).unwrap_or_default();
        }
        (joined, false)
    }
}

/// Sends one request, and reads to the end of the connection.
pub fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> Got {
    Wire::connect(address).send(request).rest()
}
