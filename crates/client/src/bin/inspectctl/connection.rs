//! The options with which every command connects.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use inspectd_client::{Client, Credentials, CredentialsError, Endpoint, Error};

use crate::failure::Failure;

/// The heading of these options in the help of every command.
const HEADING: &str = "Connection";

/// The daemon's address and the client's credentials.
#[derive(Debug, Args)]
pub struct ConnectionOptions {
    /// Address of the daemon: http://HOST:PORT, https://HOST:PORT or unix:/PATH.
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        env = "INSPECTD_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:50051"
    )]
    server: Endpoint,
    /// CA of the daemon's certificate, PEM; required for https://.
    #[arg(long, global = true, help_heading = HEADING, env = "INSPECTD_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Certificate of this client, PEM; requires --key.
    #[arg(long, global = true, help_heading = HEADING, env = "INSPECTD_CERTIFICATE", value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Private key of the certificate, PEM.
    #[arg(long, global = true, help_heading = HEADING, env = "INSPECTD_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
    /// File with the token of this client.
    #[arg(long, global = true, help_heading = HEADING, env = "INSPECTD_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl ConnectionOptions {
    /// Returns the client. Must be called inside a runtime.
    ///
    /// # Errors
    /// If the credentials cannot be read, or cannot be used with the address.
    pub fn client(&self) -> Result<Client, Failure> {
        if self.certificate.is_some() != self.key.is_some() {
            return Err(anyhow!("--certificate and --key must be given together").into());
        }
        let credentials = self.credentials().map_err(Error::from)?;
        let builder = Client::builder(self.server.clone()).credentials(credentials);
        Ok(builder.build()?)
    }

    fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut credentials = Credentials::new();
        if let Some(token_file) = &self.token_file {
            credentials = credentials.token_file(token_file)?;
        }
        if let Some(ca) = &self.ca {
            credentials = credentials.ca_file(ca)?;
        }
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            credentials = credentials.identity_files(certificate, key)?;
        }
        Ok(credentials)
    }
}
