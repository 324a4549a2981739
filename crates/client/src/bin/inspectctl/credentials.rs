//! What shows the daemon who asks, and what shows us that it is the daemon.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use tonic::{Request, Status};

/// The options, and the variables in their place.
#[derive(Debug, Default, Args)]
pub struct Credentials {
    /// The CA of the daemon's certificate, PEM; for https://.
    #[arg(long, global = true, env = "INSPECTD_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// This client's certificate, PEM; with --key.
    #[arg(long, global = true, env = "INSPECTD_CERTIFICATE", value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, global = true, env = "INSPECTD_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
    /// A file with this client's token.
    #[arg(long, global = true, env = "INSPECTD_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Credentials {
    /// TLS as the options say.
    pub fn tls(&self) -> anyhow::Result<ClientTlsConfig> {
        let Some(ca) = &self.ca else {
            bail!("https:// needs --ca FILE (or INSPECTD_CA): the CA of the daemon's certificate");
        };
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(certificates(ca)?));
        match (&self.certificate, &self.key) {
            (None, None) => Ok(tls),
            (Some(certificate), Some(key)) => {
                let identity = Identity::from_pem(certificates(certificate)?, read(key)?);
                Ok(tls.identity(identity))
            }
            _ => bail!("--certificate and --key go together"),
        }
    }

    /// Whether there is anything that only TLS has a use for.
    pub fn needs_tls(&self) -> bool {
        self.ca.is_some() || self.certificate.is_some()
    }

    /// The token, if there is a file of one.
    pub fn bearer(&self) -> anyhow::Result<Bearer> {
        let Some(file) = &self.token_file else {
            return Ok(Bearer(None));
        };
        let text = read(file)?;
        let token = text.trim_ascii();
        ensure!(
            !token.is_empty() && token.iter().all(u8::is_ascii_graphic),
            "{}: must hold a token and nothing else",
            file.display()
        );
        let header = [b"Bearer ", token].concat();
        let mut header =
            MetadataValue::try_from(header.as_slice()).context("a token is plain ASCII")?;
        header.set_sensitive(true);
        Ok(Bearer(Some(header)))
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("{}: cannot be read", file.display()))
}

/// A file's bytes, which hold a certificate at least.
fn certificates(file: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = read(file)?;
    let first = CertificateDer::pem_slice_iter(&bytes).next();
    let holds = first.is_some_and(|first| first.is_ok());
    ensure!(holds, "{}: must hold certificates, PEM", file.display());
    Ok(bytes)
}

/// Puts the token, if there is one, into each call.
#[derive(Clone, Debug)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    /// Whether there is a token.
    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", header.clone());
        }
        Ok(request)
    }
}

/// What a failed handshake, in the words of TLS, means for whoever reads it.
pub fn hint(reason: &str) -> Option<&'static str> {
    const HINTS: [(&str, &str); 10] = [
        (
            "UnknownIssuer",
            "the daemon's certificate is not signed by a CA of --ca",
        ),
        (
            "certificate expired",
            "the daemon's certificate has expired, or the clock here is wrong",
        ),
        (
            "not valid for name",
            "the daemon's certificate is for another name or address than that of --server",
        ),
        (
            "CertificateRequired",
            "the daemon wants a client certificate: --certificate and --key",
        ),
        (
            "UnknownCA",
            "the daemon does not know the CA of --certificate",
        ),
        (
            "CertificateExpired",
            "the certificate of --certificate has expired",
        ),
        (
            "alert: DecryptError",
            "the daemon does not accept the certificate of --certificate: it is signed by another CA",
        ),
        (
            "InvalidContentType",
            "no TLS is spoken there; is it http://?",
        ),
        // The alert came before the call did, and was lost on the way through the client's library.
        (
            "connection closed",
            "the daemon closed the connection as it began: it may not accept the certificate of --certificate, \
             want one, or have no room for another client",
        ),
        (
            "frame with invalid size",
            "no gRPC is spoken there; is it https://?",
        ),
    ];
    let known = HINTS.iter().find(|(words, _)| reason.contains(words));
    known.map(|(_, hint)| *hint)
}
