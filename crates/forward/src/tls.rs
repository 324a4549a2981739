//! TLS of the connections to receivers.

use std::path::Path;

use thiserror::Error;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::config::TlsFiles;

/// The files of TLS cannot be used.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct TlsError(String);

/// Sets the implementation of cryptography for the whole process. Later calls have no effect.
pub fn install_provider() {
    // It fails only if one is set already.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
}

/// Returns the configuration of a client. The files are read now.
///
/// # Errors
/// If a file cannot be read or used, or if this machine has no CAs and none are configured.
pub fn client_config(files: &TlsFiles) -> Result<ClientConfig, TlsError> {
    install_provider();
    let mut roots = RootCertStore::empty();
    let trusted = match &files.ca {
        Some(path) => certificates(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(trusted);
    if roots.is_empty() {
        let place = files.ca.as_deref().unwrap_or(Path::new("this machine"));
        let message = format!("{}: there is no certificate of a CA", place.display());
        return Err(TlsError(message));
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let Some((certificate, key)) = &files.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| named(key, &error))?;
    let configured = builder.with_client_auth_cert(certificates(certificate)?, private);
    configured.map_err(|error| named(certificate, &error))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| named(path, &error))?;
    certificates
        .collect::<Result<_, _>>()
        .map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &dyn std::fmt::Display) -> TlsError {
    TlsError(format!("{}: {error}", path.display()))
}
