//! The options about TLS, and the certificate that they name.

use std::ffi::OsString;
use std::path::PathBuf;

use pushpull_gateway::host::http::Server;
#[cfg(feature = "tls")]
use pushpull_gateway::host::http::{Certificate, Validity};

#[cfg(not(feature = "tls"))]
use self::absent::Certificate;
use super::wrong::Wrong;

#[cfg(not(feature = "tls"))]
pub use self::absent::Tls;
#[cfg(feature = "tls")]
pub use pushpull_gateway::host::http::Tls;

/// The options as given.
#[derive(Default)]
pub struct TlsOptions {
    pub certificate: Option<OsString>,
    pub key: Option<OsString>,
}

/// A certificate, and where it comes from.
#[derive(Clone)]
pub struct Certified {
    chain: PathBuf,
    key: PathBuf,
    certificate: Certificate,
}

impl TlsOptions {
    /// Checks that the options fit together, and reads the certificate if they name one.
    pub fn complete(self, is_http: bool) -> Result<Option<Certified>, Wrong> {
        let wrong = |name, why| Err(Wrong::Use { name, why });
        match (self.certificate, self.key) {
            (None, None) => Ok(None),
            (Some(_), None) => wrong("tls-certificate", "without --tls-key: expected both"),
            (None, Some(_)) => wrong("tls-key", "without --tls-certificate: expected both"),
            (Some(_), Some(_)) if !is_http => wrong("tls-certificate", "with this protocol: expected --protocol http"),
            (Some(chain), Some(key)) => {
                let certified = Certified::read(chain.into(), key.into());
                certified.map(Some).map_err(|what| Wrong::Named { name: "tls-certificate", what })
            }
        }
    }
}

impl Certified {
    fn read(chain: PathBuf, key: PathBuf) -> Result<Certified, String> {
        #[cfg(feature = "tls")]
        let certificate = Certificate::from_pem_files(&chain, &key)
            .map_err(|error| format!("{error}; expected PEM files of a certificate and its key"))?;
        #[cfg(not(feature = "tls"))]
        let certificate = Certificate::read()?;
        Ok(Certified { chain, key, certificate })
    }

    /// Reads the same files again.
    pub fn again(&self) -> Result<Certified, String> {
        Certified::read(self.chain.clone(), self.key.clone())
    }

    /// Returns the file of the certificate, for the log.
    pub fn name(&self) -> String {
        self.chain.display().to_string()
    }
}

#[cfg(feature = "tls")]
impl Certified {
    /// Returns what clients will object to.
    pub fn trouble(&self) -> Option<String> {
        let (what, time) = match self.certificate.validity() {
            Validity::Valid => return None,
            Validity::Expired(since) => ("expired at", since),
            Validity::NotYet(until) => ("is not valid until", until),
        };
        let time = humantime::format_rfc3339_seconds(time);
        Some(format!("the certificate {} {what} {time}: clients will refuse it", self.chain.display()))
    }

    /// Makes a server use the certificate.
    pub fn apply(&self, server: Server) -> (Server, Option<Tls>) {
        let tls = Tls::new(self.certificate.clone());
        (server.tls(tls.clone()), Some(tls))
    }

    /// Makes new connections use the certificate.
    pub fn replace(self, tls: &Tls) {
        tls.replace(self.certificate);
    }
}

/// The same names in a build without TLS. No value of them exists.
#[cfg(not(feature = "tls"))]
mod absent {
    use super::{Certified, Server};

    #[derive(Clone)]
    pub enum Certificate {}

    #[derive(Clone)]
    pub enum Tls {}

    impl Certificate {
        pub fn read() -> Result<Certificate, String> {
            Err("this build has no TLS: expected one with the feature `tls`".to_owned())
        }
    }

    impl Certified {
        pub fn trouble(&self) -> Option<String> {
            match self.certificate {}
        }

        pub fn apply(&self, _: Server) -> (Server, Option<Tls>) {
            match self.certificate {}
        }

        pub fn replace(self, _: &Tls) {
            match self.certificate {}
        }
    }
}
