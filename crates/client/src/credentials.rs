//! TLS certificates and the token with which a client authenticates.

use std::fmt::{self, Debug, Formatter};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{self, Certificate, ClientTlsConfig, Identity};
use tonic::{Request, Status};

use crate::endpoint::{Endpoint, Scheme};
use crate::root_cause::root_cause;

/// Certificates and a token. The default has neither: enough for a daemon without access control.
#[derive(Clone, Default)]
pub struct Credentials {
    ca: Option<Vec<u8>>,
    identity: Option<Identity>,
    token: BearerToken,
}

/// Shows which credentials are set, not their content.
impl Debug for Credentials {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("ca", &self.ca.is_some())
            .field("identity", &self.identity.is_some())
            .field("token", &self.token.0.is_some())
            .finish()
    }
}

/// The credentials cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// A file or text does not contain a PEM certificate.
    #[error("{name}: must hold certificates, PEM")]
    NotCertificates {
        /// The file, or what the text was given as.
        name: String,
    },
    /// A file or text is not a token.
    #[error("{name}: must hold a token and nothing else")]
    NotAToken {
        /// The file, or what the text was given as.
        name: String,
    },
    /// An `https://` endpoint without the CA of the daemon's certificate.
    #[error("https:// requires the CA of the daemon's certificate")]
    MissingCa,
    /// Certificates with an endpoint that does not use TLS.
    #[error("{address}: certificates require https://")]
    CertificatesWithoutTls {
        /// The endpoint.
        address: String,
    },
    /// A token with an endpoint over which others could read it.
    #[error("{address}: a token is not sent over a network without TLS; use https://")]
    TokenWithoutTls {
        /// The endpoint.
        address: String,
    },
    /// The certificates or the key cannot be used for TLS.
    #[error("the certificates or the key cannot be used: {}", root_cause(.0))]
    Tls(transport::Error),
}

impl Credentials {
    /// Returns credentials without certificates and without a token.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the CA of the daemon's certificate, from a PEM file.
    ///
    /// # Errors
    /// If the file cannot be read or does not contain a certificate.
    pub fn ca_file(self, path: impl AsRef<Path>) -> Result<Self, CredentialsError> {
        let ca = Some(certificates(path.as_ref())?);
        Ok(Self { ca, ..self })
    }

    /// Adds the certificate and the private key of this client, from PEM files.
    ///
    /// # Errors
    /// If a file cannot be read, or the first one does not contain a certificate.
    pub fn identity_files(
        self,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, CredentialsError> {
        let certificate = certificates(certificate.as_ref())?;
        let identity = Some(Identity::from_pem(certificate, read(key.as_ref())?));
        Ok(Self { identity, ..self })
    }

    /// Adds a token, from a file that contains the token and nothing else.
    ///
    /// # Errors
    /// If the file cannot be read or does not contain a token.
    pub fn token_file(self, path: impl AsRef<Path>) -> Result<Self, CredentialsError> {
        let path = path.as_ref();
        let token = BearerToken::parse(&path.display().to_string(), &read(path)?)?;
        Ok(Self { token, ..self })
    }

    /// Adds a token.
    ///
    /// # Errors
    /// If the text is not a token.
    pub fn token(self, token: &str) -> Result<Self, CredentialsError> {
        let token = BearerToken::parse("token", token.as_bytes())?;
        Ok(Self { token, ..self })
    }

    /// Applies the credentials to an endpoint: its transport and the token for each call.
    pub(crate) fn apply(
        self,
        endpoint: &Endpoint,
    ) -> Result<(transport::Endpoint, BearerToken), CredentialsError> {
        let address = || endpoint.address().to_owned();
        if self.token.0.is_some() && !endpoint.is_confidential() {
            return Err(CredentialsError::TokenWithoutTls { address: address() });
        }
        let has_certificates = self.ca.is_some() || self.identity.is_some();
        let transport = match endpoint.scheme() {
            Scheme::Https => {
                let ca = self.ca.ok_or(CredentialsError::MissingCa)?;
                let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
                let tls = match self.identity {
                    Some(identity) => tls.identity(identity),
                    None => tls,
                };
                let transport = endpoint.transport().tls_config(tls);
                transport.map_err(CredentialsError::Tls)?
            }
            Scheme::Http if has_certificates => {
                return Err(CredentialsError::CertificatesWithoutTls { address: address() });
            }
            Scheme::Http | Scheme::Unix => endpoint.transport(),
        };
        Ok((transport, self.token))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    std::fs::read(path).map_err(|error| CredentialsError::Unreadable {
        path: path.to_owned(),
        error,
    })
}

/// The content of a file with at least one certificate.
fn certificates(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    let bytes = read(path)?;
    let first = CertificateDer::pem_slice_iter(&bytes).next();
    if first.is_some_and(|first| first.is_ok()) {
        return Ok(bytes);
    }
    Err(CredentialsError::NotCertificates {
        name: path.display().to_string(),
    })
}

/// Adds the token, if one is configured, to each call.
#[derive(Clone, Debug, Default)]
pub struct BearerToken(Option<MetadataValue<Ascii>>);

impl BearerToken {
    fn parse(name: &str, text: &[u8]) -> Result<Self, CredentialsError> {
        let error = || CredentialsError::NotAToken {
            name: name.to_owned(),
        };
        let token = text.trim_ascii();
        if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
            return Err(error());
        }
        let header = [b"Bearer ", token].concat();
        let mut header = MetadataValue::try_from(header.as_slice()).map_err(|_| error())?;
        header.set_sensitive(true);
        Ok(Self(Some(header)))
    }
}

impl Interceptor for BearerToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", header.clone());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(credentials: Credentials, address: &str) -> Result<(), String> {
        let endpoint = address.parse().expect("a complete address");
        let applied = credentials.apply(&endpoint);
        applied.map(|_| ()).map_err(|error| error.to_string())
    }

    #[test]
    fn token_is_refused_over_plain_tcp_to_another_host() {
        let token = || Credentials::new().token("inspectd_abc").expect("a token");
        let refused = apply(token(), "http://192.0.2.1:50051");
        assert_eq!(
            refused.expect_err("anyone could read the token"),
            "http://192.0.2.1:50051: a token is not sent over a network without TLS; use https://"
        );
        assert_eq!(apply(token(), "http://127.0.0.1:50051"), Ok(()));
        assert_eq!(apply(token(), "unix:/run/inspectd.sock"), Ok(()));
        assert_eq!(apply(Credentials::new(), "http://192.0.2.1:50051"), Ok(()));
    }

    #[test]
    fn https_without_a_ca_is_refused() {
        let refused = apply(Credentials::new(), "https://192.0.2.1:50051");
        let expected = "https:// requires the CA of the daemon's certificate";
        assert_eq!(refused.expect_err("nothing to verify against"), expected);
    }

    #[test]
    fn only_printable_ascii_without_spaces_is_a_token() {
        let check = |text: &str, accepted: bool| {
            let token = Credentials::new().token(text);
            assert_eq!(token.is_ok(), accepted, "{text:?}");
        };
        check("inspectd_abc\n", true);
        check(" ", false);
        check("two words", false);
        check("caf\u{e9}", false);
    }

    #[test]
    fn debug_output_shows_which_credentials_are_set_and_no_secret() {
        let credentials = Credentials::new().token("inspectd_abc").expect("a token");
        assert_eq!(
            format!("{credentials:?}"),
            "Credentials { ca: false, identity: false, token: true }"
        );
    }
}
