//! An application that a test plays, record by record.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use pushpull_gateway::fastcgi::{Decoder, Pairs, ProtocolStatus, Record, Stream, end_request, records};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The number of connections.
pub type Count = Arc<AtomicUsize>;

/// The application's end of one connection.
pub struct Peer {
    pub stream: TcpStream,
    decoder: Decoder,
    buffer: BytesMut,
}

pub struct Asked {
    pub params: BTreeMap<String, String>,
    pub stdin: Vec<u8>,
    pub keep: bool,
}

/// Starts an application whose connections, counted from 0, are handled by `talk`. Returns its address.
pub async fn app<F>(talk: impl Fn(usize, Peer) -> F + 'static) -> (String, Count)
where
    F: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Count::default();
    let counted = count.clone();
    tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let peer = Peer { stream, decoder: Decoder::new(), buffer: BytesMut::new() };
            tokio::task::spawn_local(talk(number, peer));
        }
    });
    (address, count)
}

/// Starts an application that answers each request with this standard output and ends it with this status.
pub async fn canned(out: &'static str, app_status: u32, status: ProtocolStatus) -> (String, Count) {
    app(move |_, mut peer| async move {
        while peer.request().await.is_some() {
            peer.out(out).await;
            peer.end(app_status, status).await;
        }
    })
    .await
}

impl Peer {
    /// Returns the next record, or `None` when the connection is closed in any way.
    pub async fn record(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.decoder.decode(&mut self.buffer).unwrap() {
                return Some(record);
            }
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Reads a request up to the end of its parameters.
    pub async fn begin(&mut self) -> Option<Asked> {
        let Record::Begin { id: 1, role: 1, keep } = self.record().await? else { panic!("no beginning") };
        let (mut pairs, mut params) = (Pairs::new(1 << 20), BTreeMap::new());
        loop {
            let Record::Stream { stream: Stream::Params, id: 1, content } = self.record().await? else { panic!() };
            if content.is_empty() {
                pairs.finish().unwrap();
                return Some(Asked { params, stdin: Vec::new(), keep });
            }
            pairs.push(content).unwrap();
            while let Some((name, value)) = pairs.next().unwrap() {
                let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
                assert!(params.insert(text(name), text(value)).is_none());
            }
        }
    }

    /// Returns the next bytes of standard input; empty at its end.
    pub async fn stdin(&mut self) -> Option<Bytes> {
        let Record::Stream { stream: Stream::Stdin, id: 1, content } = self.record().await? else { panic!() };
        Some(content)
    }

    /// Reads a whole request.
    pub async fn request(&mut self) -> Option<Asked> {
        let mut asked = self.begin().await?;
        loop {
            match self.stdin().await? {
                content if content.is_empty() => return Some(asked),
                content => asked.stdin.extend_from_slice(&content),
            }
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        // The host may have disconnected, which some tests are about.
        let _ = self.stream.write_all(bytes).await;
    }

    pub async fn out(&mut self, text: impl Into<Bytes>) {
        self.stream_of(Stream::Stdout, text.into()).await;
    }

    pub async fn stream_of(&mut self, stream: Stream, content: Bytes) {
        for (header, content) in records(stream, 1, content) {
            self.send(&header).await;
            self.send(&content).await;
        }
    }

    pub async fn end(&mut self, app_status: u32, status: ProtocolStatus) {
        self.send(&end_request(1, app_status, status)).await;
    }

    pub async fn well(&mut self) {
        self.end(0, ProtocolStatus::RequestComplete).await;
    }

    /// Waits until the host has closed the connection.
    pub async fn closed(&mut self) {
        while self.record().await.is_some() {}
    }

    /// Writes standard output until the host reads no more, passes the number of bytes to `told`, and ends the record.
    pub async fn fill(&mut self, most: usize, told: impl FnOnce(usize)) {
        let mut block = Vec::new();
        for (header, content) in records(Stream::Stdout, 1, vec![b'x'; 32 << 10].into()) {
            block.extend_from_slice(&header);
            block.extend_from_slice(&content);
        }
        let (mut sent, mut at, mut refused) = (0, 0, 0);
        while sent < most {
            match self.stream.try_write(&block[at..]) {
                Ok(written) => {
                    (sent, at, refused) = (sent + written, (at + written) % block.len(), 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // All other tasks have run many times, and the system has been polled.
                    refused += 1;
                    if refused == 10_000 {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                Err(_) => break,
            }
        }
        told(sent);
        self.send(&block[at..]).await;
    }
}
