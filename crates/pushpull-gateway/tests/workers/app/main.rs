//! A worker as libfcgi makes them: it takes one connection at a time off the socket that is its descriptor 0, and does
//! what the path says. At SIGUSR1 and SIGTERM it finishes its request and ends. With the argument `plain` it catches no
//! signal.

use std::env;
use std::future::pending;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net;
use std::path::Path;
use std::process;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pushpull_gateway::fastcgi::{Decoder, Pairs, ProtocolStatus, Record, Stream, end_request, records};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    eprintln!("in {} with {}", env::current_dir()?.display(), env::var("MARK").unwrap_or_default());
    println!("on standard output");
    let socket = net::UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    let listener = UnixListener::from_std(socket)?;
    let is_plain = env::args().any(|argument| argument == "plain");
    let caught = |kind| if is_plain { None } else { signal(kind).ok() };
    let mut signals = [caught(SignalKind::user_defined1()), caught(SignalKind::terminate())];
    loop {
        let [usr1, term] = &mut signals;
        tokio::select! {
            biased;
            () = received(usr1) => return Ok(()),
            () = received(term) => return Ok(()),
            accepted = listener.accept() => {
                // The other end may have left, which is no failure of a worker.
                let _ = serve(accepted?.0).await;
            }
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => pending().await,
    }
}

/// Answers the request of a connection, which is number 1.
async fn serve(mut stream: UnixStream) -> io::Result<()> {
    let (mut decoder, mut buffer) = (Decoder::new(), BytesMut::new());
    let (mut pairs, mut path, mut query) = (Pairs::new(1 << 20), Bytes::new(), Bytes::new());
    loop {
        match decoder.decode(&mut buffer).map_err(io::Error::other)? {
            Some(Record::Stream { stream: Stream::Params, content, .. }) if !content.is_empty() => {
                pairs.push(content).map_err(io::Error::other)?;
                while let Some((name, value)) = pairs.next().map_err(io::Error::other)? {
                    match &*name {
                        b"PATH_INFO" => path = value,
                        b"QUERY_STRING" => query = value,
                        _ => {}
                    }
                }
            }
            Some(Record::Stream { stream: Stream::Stdin, content, .. }) if content.is_empty() => break,
            Some(_) => {}
            None if stream.read_buf(&mut buffer).await? == 0 => return Ok(()),
            None => {}
        }
    }
    let text = String::from_utf8_lossy(&query).into_owned();
    if &*path == b"/exit" {
        process::exit(3);
    }
    write(&mut stream, Stream::Stdout, "Content-Type: text/plain\n\n".to_owned()).await?;
    match &*path {
        b"/error" => write(&mut stream, Stream::Stderr, "a message of a request\n".to_owned()).await?,
        // Waits until the test lets it go on, by a file.
        b"/wait" => {
            write(&mut stream, Stream::Stdout, "begun ".to_owned()).await?;
            while !Path::new(&text).exists() {
                sleep(Duration::from_millis(5)).await;
            }
        }
        b"/slow" => sleep(Duration::from_millis(5)).await,
        _ => {}
    }
    write(&mut stream, Stream::Stdout, process::id().to_string()).await?;
    stream.write_all(&end_request(1, 0, ProtocolStatus::RequestComplete)).await
}

async fn write(stream: &mut UnixStream, to: Stream, text: String) -> io::Result<()> {
    for (header, content) in records(to, 1, text.into()) {
        stream.write_all(&header).await?;
        stream.write_all(&content).await?;
    }
    Ok(())
}
