//! Certificates of an HTTP server (feature `tls`).

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::RwLock;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// A certificate with its chain and its private key.
#[derive(Clone)]
pub struct Certificate(Arc<CertifiedKey>);

/// Whether the time of a certificate has come or is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Clients accept it at this time.
    Valid,
    /// It has been invalid since this time.
    Expired(SystemTime),
    /// It is invalid until this time.
    NotYet(SystemTime),
}

impl Certificate {
    /// Reads two PEM files: the chain, which begins with the server's own certificate, and its key (PKCS #8, PKCS #1 or
    /// SEC 1). Both may be the same file.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read or contains no such item, or if the key is not that of the
    /// certificate. An invalid time is no error: see [`validity`](Certificate::validity).
    pub fn from_pem_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> io::Result<Certificate> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let certificates = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect);
        let certificates: Vec<_> = certificates.map_err(|error| unusable(chain, "certificate", error))?;
        if certificates.is_empty() {
            return Err(unusable(chain, "certificate", pem::Error::NoItemsFound));
        }
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, "private key", error))?;
        let certified = CertifiedKey::from_der(certificates, private, &provider()).map_err(|error| {
            let what = match error {
                Error::InconsistentKeys(_) => format!("the key is not that of the certificate in {}", chain.display()),
                Error::InvalidCertificate(error) => {
                    format!("the certificate in {} is invalid: {error}", chain.display())
                }
                error => format!("the key cannot be used: {error}"),
            };
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", key.display()))
        })?;
        Ok(Certificate(Arc::new(certified)))
    }

    /// Returns whether the certificate is valid now.
    pub fn validity(&self) -> Validity {
        let system = |time: UnixTime| SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs());
        // The time is checked first. Without a trusted root, the check of a certificate that is valid fails later.
        let checked = self.0.end_entity_cert().and_then(|own| {
            let (own, roots) = (ParsedCertificate::try_from(own)?, RootCertStore::empty());
            let algorithms = provider().signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&own, &roots, &[], UnixTime::now(), algorithms)
        });
        match checked {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                Validity::Expired(system(not_after))
            }
            Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
                Validity::NotYet(system(not_before))
            }
            _ => Validity::Valid,
        }
    }
}

fn provider() -> CryptoProvider {
    ring::default_provider()
}

fn unusable(file: &Path, what: &str, error: pem::Error) -> io::Error {
    let (file, kind) = (file.display(), io::ErrorKind::InvalidData);
    match error {
        pem::Error::Io(error) => io::Error::new(error.kind(), format!("{file}: {error}")),
        pem::Error::NoItemsFound => io::Error::new(kind, format!("{file}: it contains no {what} in PEM")),
        error => io::Error::new(kind, format!("{file}: the {what} is not in PEM: {error}")),
    }
}

/// TLS of an HTTP server, with a certificate that can be replaced while the server runs. Clones share the certificate.
///
/// Versions 1.2 and 1.3 are spoken. The client chooses HTTP/2 or HTTP/1.1 in the handshake (ALPN).
///
/// ```no_run
/// use pushpull_gateway::host::http::{Certificate, Server, Tls};
///
/// let certificate = Certificate::from_pem_files("chain.pem", "key.pem")?;
/// let tls = Tls::new(certificate);
/// let server = Server::bind("[::]:443")?.tls(tls.clone());
/// // Later, from any thread:
/// tls.replace(Certificate::from_pem_files("chain.pem", "key.pem")?);
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
}

impl Tls {
    /// Creates the settings with a certificate.
    pub fn new(certificate: Certificate) -> Tls {
        let current = Arc::new(Current(RwLock::new(certificate.0)));
        let config = ServerConfig::builder_with_provider(Arc::new(provider())).with_safe_default_protocol_versions();
        let config = config.expect("the provider supports both versions of TLS");
        let mut config = config.with_no_client_auth().with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Tls { acceptor: TlsAcceptor::from(Arc::new(config)), current }
    }

    /// Replaces the certificate for new connections.
    pub fn replace(&self, certificate: Certificate) {
        *self.current.0.write() = certificate.0;
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

/// The certificate for new connections, whatever name the client asks for.
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}
