//! A load of HTTP requests, in a separate process. Each connection sends a request, reads and checks the whole
//! response, and starts over. Stalled clients send a request and then read nothing.
//!
//! A benchmark's `main` passes its arguments to [`main`] first. If the arguments name a load, the process is that load.
#![allow(dead_code, reason = "each benchmark uses its own part")]

pub mod server;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};

/// The repeated content of a body.
pub const PATTERN: &[u8; 64] = b"pushpull writes these sixty-four bytes here, and then once more\n";

/// The results of a load.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub requests: u64,
    pub seconds: f64,
    /// The 99th percentile of the latency, in microseconds.
    pub slow: u64,
    /// The median of the latency, in microseconds.
    pub middle: u64,
}

/// Runs a load in a separate process.
pub fn ask(address: SocketAddr, path: &str, bytes: usize, connections: usize, time: Duration) -> io::Result<Seen> {
    let output = this()?
        .args(["--load", &address.to_string(), path, &bytes.to_string(), &connections.to_string()])
        .arg(time.as_millis().to_string())
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split_whitespace();
    let seen = (|| {
        Some(Seen {
            requests: words.next()?.parse().ok()?,
            seconds: words.next()?.parse().ok()?,
            slow: words.next()?.parse().ok()?,
            middle: words.next()?.parse().ok()?,
        })
    })();
    seen.ok_or_else(|| io::Error::other(format!("the load failed, its output was {text:?}")))
}

/// Clients that read nothing, until this is dropped.
pub struct Stalled(Child);

impl Stalled {
    /// Starts clients, and returns when all have sent their request.
    pub fn start(address: SocketAddr, path: &str, clients: usize) -> io::Result<Stalled> {
        let mut child = this()?
            .args(["--stall", &address.to_string(), path, &clients.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let read = BufReader::new(child.stdout.take().expect("stdout is piped")).read_line(&mut line);
        let stalled = Stalled(child);
        read?;
        if line.trim() == "stalled" { Ok(stalled) } else { Err(io::Error::other("the clients could not connect")) }
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn this() -> io::Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

/// Runs the load that the arguments name. Returns `false` if they name no load.
pub fn main(arguments: &[String]) -> io::Result<bool> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().map_err(io::Error::other);
    match words[..] {
        ["--load", address, path, bytes, connections, millis] => {
            let address = address.parse().map_err(io::Error::other)?;
            let time = Duration::from_millis(number(millis)? as u64);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let seen = runtime.block_on(load(address, path, number(bytes)?, number(connections)?, time))?;
            println!("{} {} {} {}", seen.requests, seen.seconds, seen.slow, seen.middle);
            Ok(true)
        }
        ["--stall", address, path, clients] => {
            let address = address.parse().map_err(io::Error::other)?;
            let clients = (0..number(clients)?).map(|_| stall(address, path)).collect::<io::Result<Vec<_>>>()?;
            println!("stalled");
            // Runs until the parent process closes the pipe.
            io::stdin().read_to_end(&mut Vec::new())?;
            drop(clients);
            Ok(true)
        }
        _ => Ok(false),
    }
}

async fn load(address: SocketAddr, path: &str, bytes: usize, connections: usize, time: Duration) -> io::Result<Seen> {
    let start = Instant::now();
    let clients = (0..connections).map(|_| client(address, path, bytes, start + time));
    let all = futures_util::future::try_join_all(clients).await?;
    let seconds = start.elapsed().as_secs_f64();
    let mut times = all.concat();
    times.sort_unstable();
    let part = |of_hundred: usize| times.get(times.len() * of_hundred / 100).copied().unwrap_or(u64::MAX);
    Ok(Seen { requests: times.len() as u64, seconds, slow: part(99), middle: part(50) })
}

/// Runs one connection. Returns the latency of each response, in microseconds.
async fn client(address: SocketAddr, path: &str, bytes: usize, until: Instant) -> io::Result<Vec<u64>> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let asking = async {
        let mut times = Vec::new();
        while Instant::now() < until {
            let asked = Instant::now();
            let request = Request::builder().uri(path).header("host", "localhost").body(Empty::<bytes::Bytes>::new());
            let request = request.map_err(io::Error::other)?;
            let answer = async {
                let response = sender.send_request(request).await.map_err(io::Error::other)?;
                if response.status() != StatusCode::OK {
                    return Err(io::Error::other("the response is not 200"));
                }
                check(response, bytes).await
            };
            // A response that is missing or incomplete ends the load.
            match tokio::time::timeout_at((until + Duration::from_secs(1)).into(), answer).await {
                Ok(checked) => checked?,
                Err(_) => break,
            }
            times.push(asked.elapsed().as_micros() as u64);
        }
        Ok(times)
    };
    tokio::select! {
        times = asking => times,
        _ = connection => Err(io::Error::other("the server closed the connection")),
    }
}

/// Compares every byte of the body.
async fn check(response: hyper::Response<hyper::body::Incoming>, bytes: usize) -> io::Result<()> {
    let mut body = response.into_body();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(io::Error::other)?;
        for part in frame.data_ref().into_iter().flat_map(|data| data.chunks(PATTERN.len())) {
            let at = seen % PATTERN.len();
            let first = (PATTERN.len() - at).min(part.len());
            if part[..first] != PATTERN[at..at + first] || part[first..] != PATTERN[..part.len() - first] {
                return Err(io::Error::other("the body has unexpected bytes"));
            }
            seen += part.len();
        }
    }
    if seen == bytes { Ok(()) } else { Err(io::Error::other(format!("the body has {seen} bytes: expected {bytes}"))) }
}

/// Connects a client that sends a request and reads only the first bytes. Its receive window is small.
fn stall(address: SocketAddr, path: &str) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(4096)?;
    socket.connect(&address.into())?;
    let mut stream = TcpStream::from(socket);
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
    Ok(stream)
}
