//! An HTTP/1.1 client that can tell the end of a response from a truncation.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::server::DEADLINE;

pub struct Client(BufReader<TcpStream>);

#[derive(Debug)]
pub struct Head {
    pub status: u16,
    /// The names in lower case.
    pub fields: Vec<(String, String)>,
}

impl Head {
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|field| field.0 == name).map(|field| &field.1[..]).collect()
    }

    fn framing(&self) -> Framing {
        if self.all("transfer-encoding").contains(&"chunked") {
            Framing::Chunks { left: 0, is_first: true }
        } else if let [length] = self.all("content-length")[..] {
            Framing::Length(length.parse().unwrap())
        } else {
            Framing::Close
        }
    }
}

enum Framing {
    Chunks { left: u64, is_first: bool },
    Length(u64),
    Close,
    Ended,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        Client::on(TcpStream::connect(address).unwrap())
    }

    /// Connects with a small receive buffer.
    pub fn narrow(address: SocketAddr) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&address.into()).unwrap();
        Client::on(TcpStream::from(socket))
    }

    fn on(stream: TcpStream) -> Client {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Client(BufReader::with_capacity(256 << 10, stream))
    }

    /// Returns the other half, for sending while responses are read.
    pub fn sender(&self) -> TcpStream {
        self.0.get_ref().try_clone().unwrap()
    }

    /// Sends the head of a request. Without a length, the request has no body.
    pub fn ask(&mut self, method: &str, target: &str, length: Option<u64>) {
        let length = length.map_or(String::new(), |length| format!("Content-Length: {length}\r\n"));
        self.send_head(method, target, &length);
    }

    /// Sends a request with `Connection: close`.
    pub fn ask_at_last(&mut self, target: &str) {
        self.send_head("GET", target, "Connection: close\r\n");
    }

    fn send_head(&mut self, method: &str, target: &str, more: &str) {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n");
        self.0.get_mut().write_all(head.as_bytes()).unwrap();
    }

    pub fn head(&mut self) -> Head {
        loop {
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                let read = self.0.read_line(&mut line).unwrap();
                assert_ne!(read, 0, "the connection ends in a head: {lines:?}");
                match line.trim_end() {
                    "" => break,
                    line => lines.push(line.to_owned()),
                }
            }
            let status = lines.remove(0).split(' ').nth(1).unwrap().parse().unwrap();
            let field = |line: String| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_ascii_lowercase(), value.trim().to_owned())
            };
            if status >= 200 {
                return Head { status, fields: lines.into_iter().map(field).collect() };
            }
        }
    }

    /// Returns a reader of the body that follows this head. Its read fails if the response is truncated.
    pub fn body(&mut self, head: &Head) -> Body<'_> {
        Body { from: &mut self.0, framing: head.framing() }
    }

    /// Sends one request without a body, and returns the whole response.
    pub fn get(&mut self, target: &str) -> (Head, io::Result<String>) {
        self.ask("GET", target, None);
        let head = self.head();
        let mut text = String::new();
        let read = self.body(&head).read_to_string(&mut text);
        (head, read.map(|_| text))
    }
}

pub struct Body<'a> {
    from: &'a mut BufReader<TcpStream>,
    framing: Framing,
}

impl Body<'_> {
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        if line.ends_with("\r\n") { Ok(line.trim_end().to_owned()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn part(&mut self, into: &mut [u8], left: u64) -> io::Result<usize> {
        let most = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match self.from.read(&mut into[..most])? {
            0 if most > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.framing {
            Framing::Chunks { left: 0, is_first } => {
                if !is_first && !self.line()?.is_empty() {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                let size = self.line()?;
                let left = u64::from_str_radix(&size, 16).map_err(|_| io::Error::other(format!("no size: {size}")))?;
                self.framing = Framing::Chunks { left, is_first: false };
                if left == 0 {
                    while !self.line()?.is_empty() {}
                    self.framing = Framing::Ended;
                }
                self.read(into)
            }
            Framing::Chunks { left, .. } => {
                let read = self.part(into, left)?;
                self.framing = Framing::Chunks { left: left - read as u64, is_first: false };
                Ok(read)
            }
            Framing::Length(0) | Framing::Ended => Ok(0),
            Framing::Length(left) => {
                let read = self.part(into, left)?;
                self.framing = Framing::Length(left - read as u64);
                Ok(read)
            }
            Framing::Close => self.from.read(into),
        }
    }
}
