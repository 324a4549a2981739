//! The client of the daemon.

use inspectd_client::{Client, Credentials, Error};

use crate::config;

/// Returns the client. Must be called inside a runtime.
///
/// # Errors
/// If the credentials cannot be read, or cannot be used with the address.
pub fn client(settings: &config::Daemon) -> Result<Client, Error> {
    let mut credentials = Credentials::new();
    if let Some(file) = &settings.token_file {
        credentials = credentials.token_file(file)?;
    }
    if let Some(file) = &settings.ca {
        credentials = credentials.ca_file(file)?;
    }
    if let Some((certificate, key)) = &settings.identity {
        credentials = credentials.identity_files(certificate, key)?;
    }
    Client::builder(settings.server.clone())
        .credentials(credentials)
        .connect_timeout(settings.answer_timeout)
        .answer_timeout(settings.answer_timeout)
        .build()
}
