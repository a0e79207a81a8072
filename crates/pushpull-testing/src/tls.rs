//! Certificates, and a TLS client that trusts them.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::log::DEADLINE;
use crate::wire::Got;

/// A certificate for `localhost` and its key, in files of their own.
pub struct Issued {
    pub directory: TempDir,
    certificate: CertificateDer<'static>,
}

impl Issued {
    pub fn new() -> Issued {
        Issued::until(4000)
    }

    /// Creates a certificate that expires at the beginning of a year.
    pub fn until(year: i32) -> Issued {
        Issued::within(1975, year)
    }

    /// Creates a certificate that is valid from the beginning of a year to that of another.
    pub fn within(from: i32, until: i32) -> Issued {
        let (directory, key) = (tempfile::tempdir().unwrap(), KeyPair::generate().unwrap());
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        (parameters.not_before, parameters.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        let certificate = parameters.self_signed(&key).unwrap();
        let issued = Issued { directory, certificate: certificate.der().clone() };
        fs::write(issued.chain(), certificate.pem()).unwrap();
        fs::write(issued.key(), key.serialize_pem()).unwrap();
        issued
    }

    pub fn chain(&self) -> PathBuf {
        self.directory.path().join("chain.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    /// Returns the settings of a client that trusts this certificate alone.
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// Connects. The handshake takes place with the first bytes.
    pub fn connect(&self, address: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
        self.on(TcpStream::connect(address).unwrap())
    }

    /// Speaks TLS on a connection.
    pub fn on(&self, stream: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        StreamOwned::new(self.session(&["http/1.1"]), stream)
    }

    /// Returns the client's side of a connection.
    pub fn session(&self, protocols: &[&str]) -> ClientConnection {
        ClientConnection::new(self.client(protocols), "localhost".try_into().unwrap()).unwrap()
    }

    /// Sends one request on a connection of its own, and reads to its end. An end without `close_notify` is the error
    /// `UnexpectedEof`.
    ///
    /// # Errors
    ///
    /// Returns an error if the handshake fails.
    pub fn exchange(&self, address: SocketAddr, request: &str) -> io::Result<Got> {
        let mut stream = self.connect(address);
        stream.write_all(request.as_bytes())?;
        let mut text = Vec::new();
        let error = stream.read_to_end(&mut text).err().map(|error| error.kind());
        Ok(Got { text, error })
    }
}

impl Default for Issued {
    fn default() -> Issued {
        Issued::new()
    }
}
