//! The folder of certificates: that of the server, those of trusted clients, and those that were refused.
//!
//! The names of the folders and files are those of the OPC UA library, which reads them too.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inspectd_core::atomic_file;
use opcua::crypto::{CertificateStore, X509, X509Data};
use thiserror::Error;
use tracing::{info, warn};

use crate::config::{Server, Settings};

/// The certificate of the server, DER.
pub const OWN_CERTIFICATE: &str = "own/cert.der";
/// Its private key, PEM.
pub const OWN_KEY: &str = "private/private.pem";
/// The certificates of trusted clients, DER.
pub const TRUSTED: &str = "trusted";
/// Certificates of clients that were refused, DER.
pub const REJECTED: &str = "rejected";

/// The size of the key of the server, in bits. All policies accept it.
const KEY_BITS: u32 = 2048;
/// How long the certificate of the server is valid.
const VALID_DAYS: u32 = 3650;
/// The most refused certificates that are stored: any client can send one.
const MOST_REJECTED: usize = 50;
/// The largest certificate that is stored.
const LARGEST_BYTES: usize = 8192;

/// The folder cannot be used.
#[derive(Debug, Error)]
pub enum PkiError {
    /// A file or folder cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// A file is not a certificate.
    #[error("{}: not a certificate, DER or PEM", .0.display())]
    NotACertificate(PathBuf),
    /// The certificate and its key do not exist together.
    #[error("{}: exists without {}; move it away to make a new certificate", .0.display(), .1.display())]
    Incomplete(PathBuf, PathBuf),
    /// The certificate of the server cannot be made.
    #[error("the certificate of the server cannot be made: {0}")]
    NotMade(String),
}

/// Makes the folders, and the certificate of the server if there is none.
///
/// # Errors
/// If a file cannot be read or written, or one of certificate and key is missing.
pub fn prepare(settings: &Settings) -> Result<(), PkiError> {
    let folder = &settings.pki_folder;
    for name in ["own", "private", TRUSTED, REJECTED] {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(|error| at(&path, error))?;
    }
    let private = folder.join("private");
    fs::set_permissions(&private, Permissions::from_mode(0o700))
        .map_err(|error| at(&private, error))?;
    let certificate = folder.join(OWN_CERTIFICATE);
    let key = folder.join(OWN_KEY);
    match (certificate.exists(), key.exists()) {
        (true, true) => {
            read(&certificate)?;
            CertificateStore::read_pkey(&key).map_err(|_| {
                PkiError::NotMade(format!("{} is not a private key", key.display()))
            })?;
            Ok(())
        }
        (false, false) => create(&settings.server, &certificate, &key),
        (true, false) => Err(PkiError::Incomplete(certificate, key)),
        (false, true) => Err(PkiError::Incomplete(key, certificate)),
    }
}

fn at(path: &Path, error: io::Error) -> PkiError {
    PkiError::Io {
        path: path.to_owned(),
        error,
    }
}

/// Makes the certificate of the server. It takes a second.
fn create(server: &Server, certificate: &Path, key: &Path) -> Result<(), PkiError> {
    let hosts = vec![server.host.trim_matches(['[', ']']).to_owned()];
    let names = X509Data::alt_host_names(&server.application_uri, Some(hosts), true, true, false);
    let data = X509Data {
        key_size: KEY_BITS,
        common_name: server.name.clone(),
        organization: "inspectd".to_owned(),
        organizational_unit: String::new(),
        country: String::new(),
        state: String::new(),
        alt_host_names: names,
        certificate_duration_days: VALID_DAYS,
    };
    let (made, pair) = X509::cert_and_pkey(&data).map_err(PkiError::NotMade)?;
    let not_made = |error: &dyn std::fmt::Display| PkiError::NotMade(error.to_string());
    let key_der = pair.to_der().map_err(|error| not_made(&error))?;
    let pem = pem("PRIVATE KEY", key_der.as_bytes());
    // The key first: a certificate is complete if it exists.
    atomic_file::replace(key, |part| {
        fs::set_permissions(part, Permissions::from_mode(0o600))?;
        fs::write(part, pem)
    })
    .map_err(|error| at(key, error))?;
    let der = made
        .to_der()
        .map_err(|error| not_made(&format!("{error:?}")))?;
    atomic_file::write(certificate, der).map_err(|error| at(certificate, error))?;
    info!(
        certificate = %certificate.display(),
        thumbprint = made.thumbprint().as_hex_string(),
        "own certificate made"
    );
    Ok(())
}

fn pem(label: &str, der: &[u8]) -> String {
    let digits = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in digits.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// Reads a certificate, DER or PEM.
pub fn read(path: &Path) -> Result<X509, PkiError> {
    let bytes = fs::read(path).map_err(|error| at(path, error))?;
    let parsed = X509::from_der(&bytes).or_else(|_| X509::from_pem(&bytes));
    parsed.map_err(|_| PkiError::NotACertificate(path.to_owned()))
}

/// Adds a certificate to the trusted ones. Returns its file.
///
/// # Errors
/// If the file is not a certificate, or the folder cannot be written.
pub fn trust(folder: &Path, file: &Path) -> Result<PathBuf, PkiError> {
    let certificate = read(file)?;
    let name = CertificateStore::cert_file_name(&certificate);
    let trusted = folder.join(TRUSTED);
    fs::create_dir_all(&trusted).map_err(|error| at(&trusted, error))?;
    let path = trusted.join(&name);
    let not_der = |_| PkiError::NotACertificate(file.to_owned());
    let der = certificate.to_der().map_err(not_der)?;
    atomic_file::write(&path, der).map_err(|error| at(&path, error))?;
    let rejected = folder.join(REJECTED).join(&name);
    if rejected.exists() {
        fs::remove_file(&rejected).map_err(|error| at(&rejected, error))?;
    }
    Ok(path)
}

/// The certificates of trusted clients.
#[derive(Clone, Debug)]
pub struct Trust {
    folder: PathBuf,
}

impl Trust {
    /// Returns the certificates in a folder that [`prepare`] has made.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Returns whether a client with this certificate, DER, may connect. Stores a certificate that is not trusted, so
    /// that a person can trust it. The folder is read each time, so that no restart is needed.
    pub fn admits(&self, der: &[u8]) -> bool {
        if der.is_empty() || der.len() > LARGEST_BYTES {
            return false;
        }
        let Ok(certificate) = X509::from_der(der) else {
            return false;
        };
        let name = CertificateStore::cert_file_name(&certificate);
        let rejected = self.folder.join(REJECTED).join(&name);
        if rejected.exists() {
            return false;
        }
        let trusted = self.folder.join(TRUSTED).join(&name);
        if fs::read(&trusted).is_ok_and(|bytes| bytes == der) {
            return true;
        }
        self.keep_rejected(&rejected, der);
        false
    }

    fn keep_rejected(&self, path: &Path, der: &[u8]) {
        let kept = fs::read_dir(self.folder.join(REJECTED)).map(Iterator::count);
        if !kept.is_ok_and(|kept| kept < MOST_REJECTED) {
            warn!(
                "a certificate is not trusted, and not stored: the folder of rejected certificates is full"
            );
            return;
        }
        match atomic_file::write(path, der) {
            Ok(()) => warn!(certificate = %path.display(), "certificate not trusted"),
            Err(error) => {
                warn!(certificate = %path.display(), %error, "certificate not trusted, and not stored");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &Path) -> Settings {
        let hash = crate::password::PasswordHash::create("x")
            .expect("a hash")
            .text();
        let text = format!(
            "[pki]\nfolder = {folder:?}\n[users.a]\nrole = \"viewer\"\npassword_hash = {hash:?}\n\
             [systems.cell]\ncamera = \"top\"\n"
        );
        Settings::parse("opcua.toml", &text).expect("valid settings")
    }

    #[test]
    fn own_certificate_is_made_once_with_a_key_that_others_cannot_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path());
        prepare(&settings).expect("made");
        let certificate = fs::read(folder.path().join(OWN_CERTIFICATE)).expect("a certificate");
        let key = folder.path().join(OWN_KEY);
        let mode = fs::metadata(&key).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        prepare(&settings).expect("read");
        let again = fs::read(folder.path().join(OWN_CERTIFICATE)).expect("a certificate");
        assert_eq!(again, certificate);
        fs::remove_file(&key).expect("removed");
        let error = prepare(&settings).expect_err("the key is missing");
        assert!(matches!(error, PkiError::Incomplete(..)), "{error}");
    }

    #[test]
    fn client_is_admitted_only_after_its_certificate_is_trusted() {
        let folder = tempfile::tempdir().expect("a folder");
        prepare(&settings(folder.path())).expect("made");
        let data = X509Data {
            alt_host_names: X509Data::alt_host_names("urn:client", None, false, false, false),
            ..X509Data::sample_cert()
        };
        let (client, _) = X509::cert_and_pkey(&data).expect("a certificate");
        let der = client.to_der().expect("DER");
        let trust_list = Trust::new(folder.path());
        assert!(!trust_list.admits(&der));
        let name = CertificateStore::cert_file_name(&client);
        let rejected = folder.path().join(REJECTED).join(&name);
        assert!(rejected.exists(), "kept for a person to decide");
        let path = trust(folder.path(), &rejected).expect("trusted");
        assert!(path.exists() && !rejected.exists());
        assert!(trust_list.admits(&der));
        // Another certificate in the file of this one.
        fs::write(&path, b"other").expect("written");
        assert!(!trust_list.admits(&der));
        assert!(!trust_list.admits(b"not a certificate"));
        assert!(!trust_list.admits(b""));
    }

    #[test]
    fn rejected_certificates_do_not_fill_the_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        prepare(&settings(folder.path())).expect("made");
        let rejected = folder.path().join(REJECTED);
        for number in 0..MOST_REJECTED {
            fs::write(rejected.join(number.to_string()), b"").expect("written");
        }
        let (client, _) = X509::cert_and_pkey(&X509Data::sample_cert()).expect("a certificate");
        let trust_list = Trust::new(folder.path());
        assert!(!trust_list.admits(&client.to_der().expect("DER")));
        assert_eq!(
            fs::read_dir(&rejected).expect("a folder").count(),
            MOST_REJECTED
        );
    }
}
