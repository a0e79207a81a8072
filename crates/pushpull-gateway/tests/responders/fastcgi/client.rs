//! A front server that sends what the test wants, valid or not.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::BytesMut;
use pushpull_gateway::fastcgi::{
    Decoder, ProtocolStatus, Record, Records, Role, Stream, begin_request, put_pair, records,
};

use crate::front::DEADLINE;

pub struct Client {
    stream: TcpStream,
    decoder: Decoder,
    buffer: BytesMut,
}

/// The result of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Application status and protocol status, or `None` if the connection was closed before.
    pub end: Option<(u32, ProtocolStatus)>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub fn is_complete(&self) -> bool {
        self.end == Some((0, ProtocolStatus::RequestComplete))
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Client { stream, decoder: Decoder::new(), buffer: BytesMut::new() }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Sends like `send`, but the connection may be closed already.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub fn stdin(&mut self, id: u16, content: &[u8]) -> &mut Client {
        let mut bytes = Vec::new();
        records(Stream::Stdin, id, content.to_vec().into()).put(&mut bytes);
        self.send(bytes)
    }

    pub fn end_stdin(&mut self, id: u16) -> &mut Client {
        self.send(Records::end(Stream::Stdin, id))
    }

    /// Returns the next record, or `None` at the end of the connection.
    pub fn record(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.decoder.decode(&mut self.buffer).unwrap() {
                return Some(record);
            }
            let mut piece = [0; 16 * 1024];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing came, nor the end: {error}"),
            }
        }
    }

    /// Returns the whole response to one request and skips records of others.
    pub fn answer(&mut self, of: u16) -> Answer {
        let mut answer = Answer::default();
        while let Some(record) = self.record() {
            match record {
                Record::Stream { stream: Stream::Stdout, id, content } if id == of => answer.stdout.extend(content),
                Record::Stream { stream: Stream::Stderr, id, content } if id == of => answer.stderr.extend(content),
                Record::End { id, app_status, status } if id == of => {
                    answer.end = Some((app_status, status.unwrap()));
                    break;
                }
                _ => {}
            }
        }
        answer
    }

    /// Reads until the output of a request ends with this text.
    pub fn until(&mut self, of: u16, end: &str) -> &mut Client {
        let mut seen = Vec::new();
        while !seen.ends_with(end.as_bytes()) {
            match self.record() {
                Some(Record::Stream { stream: Stream::Stdout, id, content }) if id == of => seen.extend(content),
                Some(_) => {}
                None => panic!("the connection ended after {}", seen.escape_ascii()),
            }
        }
        self
    }

    /// Returns `true` if the connection was closed.
    pub fn is_closed(&mut self) -> bool {
        self.record().is_none()
    }
}

/// Returns a request up to its body.
pub fn request(id: u16, keep: bool, extra: &[(&str, &str)]) -> Vec<u8> {
    let mut text = Vec::new();
    let usual =
        [("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/a"), ("SCRIPT_NAME", "/a"), ("SERVER_PROTOCOL", "HTTP/1.1")];
    usual.iter().chain(extra).for_each(|(name, value)| put_pair(&mut text, name.as_bytes(), value.as_bytes()));
    let mut bytes = begin_request(id, Role::Responder, keep).to_vec();
    records(Stream::Params, id, text.into()).put(&mut bytes);
    bytes.extend_from_slice(&Records::end(Stream::Params, id));
    bytes
}

/// Returns a request without a body.
pub fn get(id: u16, keep: bool, extra: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = request(id, keep, extra);
    bytes.extend_from_slice(&Records::end(Stream::Stdin, id));
    bytes
}
