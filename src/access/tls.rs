//! The TLS configuration: certificate and key of the daemon, certificate authorities of its clients.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use thiserror::Error;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::certificate::Certificate;
use super::reloadable::read;
use crate::config::settings;

/// Why TLS cannot be configured.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{key}: {}: cannot be read: {source}", path.display())]
    Read {
        /// Configuration key of the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// A file has the wrong content.
    #[error("{key}: {}: {reason}; must be {allowed}", path.display())]
    Content {
        /// Configuration key of the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// Expected content.
        allowed: &'static str,
    },
    /// The key does not belong to the certificate.
    #[error("tls.key: {}: does not belong to the certificate {}: {reason}", key.display(), certificate.display())]
    Pair {
        /// File of the key.
        key: PathBuf,
        /// File of the certificate.
        certificate: PathBuf,
        /// Error of rustls.
        reason: String,
    },
    /// The certificate has expired. It does not replace an active one.
    #[error("tls.certificate: {}: has expired ({until})", path.display())]
    Expired {
        /// File of the certificate.
        path: PathBuf,
        /// Last time at which it was valid.
        until: String,
    },
}

/// The TLS configuration of a set of files.
#[derive(Debug)]
pub(super) struct Tls {
    config: Arc<ServerConfig>,
    certificate: Certificate,
    path: PathBuf,
}

impl Tls {
    /// Reads the files.
    pub fn load(files: &settings::Tls) -> Result<Self, TlsError> {
        let chain = certificates("tls.certificate", &files.certificate)?;
        let certificate = Certificate::from_der(&chain[0])
            .ok_or_else(|| not_certificates("tls.certificate", &files.certificate, &"not X.509"))?;
        let key = private_key(&files.key)?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring supports TLS 1.2 and 1.3");
        let builder = match &files.client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => builder.with_client_cert_verifier(verifier(
                file,
                provider,
                files.require_client_certificate,
            )?),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| TlsError::Pair {
                key: files.key.clone(),
                certificate: files.certificate.clone(),
                reason: error.to_string(),
            })?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            certificate,
            path: files.certificate.clone(),
        })
    }

    /// The configuration for a handshake.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Refuses a certificate that has expired.
    pub fn check_validity(&self, now: SystemTime) -> Result<(), TlsError> {
        if now <= self.certificate.not_after {
            return Ok(());
        }
        Err(TlsError::Expired {
            path: self.path.clone(),
            until: self.certificate.valid_until.clone(),
        })
    }

    /// The certificate of the daemon.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

/// All files of the configuration.
pub(super) fn files(files: &settings::Tls) -> Vec<PathBuf> {
    let settings::Tls {
        certificate,
        key,
        client_ca,
        require_client_certificate: _,
    } = files;
    let mut files = vec![certificate.clone(), key.clone()];
    files.extend(client_ca.clone());
    files
}

fn bytes(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    read(path).map_err(|source| TlsError::Read {
        key,
        path: path.to_owned(),
        source,
    })
}

fn not_certificates(key: &'static str, path: &Path, reason: &impl ToString) -> TlsError {
    TlsError::Content {
        key,
        path: path.to_owned(),
        reason: reason.to_string(),
        allowed: "certificates, PEM",
    }
}

/// Reads the certificates of a file, at least one.
fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = bytes(key, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| not_certificates(key, path, &error))?;
    if found.is_empty() {
        return Err(not_certificates(key, path, &"contains none"));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = bytes("tls.key", path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| TlsError::Content {
        key: "tls.key",
        path: path.to_owned(),
        reason: error.to_string(),
        allowed: "a private key without a password, PEM",
    })
}

fn verifier(
    path: &Path,
    provider: Arc<CryptoProvider>,
    required: bool,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    const KEY: &str = "tls.client_ca";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(KEY, path)? {
        let added = roots.add(certificate);
        added.map_err(|error| not_certificates(KEY, path, &error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if required {
        builder
    } else {
        builder.allow_unauthenticated()
    };
    builder
        .build()
        .map_err(|error| not_certificates(KEY, path, &error))
}
