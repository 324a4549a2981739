//! The connection to the daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use inspectd_client::{Client, Credentials, Endpoint, Error};

use crate::config::Section;

/// Settings of the connection to the daemon: the table `daemon`.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// The address.
    pub server: Endpoint,
    /// CA of the daemon's certificate, PEM.
    pub ca: Option<PathBuf>,
    /// Certificate and private key of this client, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// File with the token of this client.
    pub token_file: Option<PathBuf>,
    /// A daemon that does not answer for this long counts as unreachable.
    pub answer_timeout: Duration,
}

impl Daemon {
    /// Reads the table. `None` only if it has a fault.
    pub fn read(section: Section<'_>, folder: &Path) -> Option<Self> {
        let address = "http://HOST:PORT, https://HOST:PORT or unix:/PATH";
        let server = section.parsed("server", address, |text| text.parse().ok());
        let server = server.or_else(|| "http://127.0.0.1:50051".parse().ok());
        let certificate = section.path("certificate", folder);
        let key = section.path("key", folder);
        if certificate.is_some() != key.is_some() {
            let set = if certificate.is_some() {
                "certificate"
            } else {
                "key"
            };
            section.fault(set, "`certificate` and `key` must be set together");
        }
        let timeout = section.integer("answer_timeout_ms", 200..=60_000);
        let ca = section.path("ca", folder);
        let token_file = section.path("token_file", folder);
        section.finish();
        Some(Self {
            server: server?,
            ca,
            identity: certificate.zip(key),
            token_file,
            answer_timeout: Duration::from_millis(timeout.unwrap_or(2000)),
        })
    }

    /// Returns the client. Must be called inside a runtime.
    ///
    /// # Errors
    /// If the credentials cannot be read, or cannot be used with the address.
    pub fn client(&self) -> Result<Client, Error> {
        let mut credentials = Credentials::new();
        if let Some(file) = &self.token_file {
            credentials = credentials.token_file(file)?;
        }
        if let Some(file) = &self.ca {
            credentials = credentials.ca_file(file)?;
        }
        if let Some((certificate, key)) = &self.identity {
            credentials = credentials.identity_files(certificate, key)?;
        }
        Client::builder(self.server.clone())
            .credentials(credentials)
            .connect_timeout(self.answer_timeout)
            .answer_timeout(self.answer_timeout)
            .build()
    }
}
