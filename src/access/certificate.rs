//! The names and the validity in an X.509 certificate. The TLS handshake verifies the certificate.

use std::time::{Duration, SystemTime};

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Contents of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Common names of the subject, then the alternative names that are DNS names or URIs.
    pub names: Vec<String>,
    /// Last time at which it is valid.
    pub not_after: SystemTime,
    /// The same as text.
    pub valid_until: String,
}

impl Certificate {
    /// Parses a certificate in DER; `None` if it is not valid.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let common = certificate.subject().iter_common_name();
        let mut names: Vec<String> = common
            .filter_map(|name| name.as_str().ok())
            .map(str::to_owned)
            .collect();
        // A repeated extension is an error: such a certificate is refused.
        let alternative = certificate.subject_alternative_name().ok()?;
        for name in alternative
            .iter()
            .flat_map(|names| &names.value.general_names)
        {
            if let GeneralName::DNSName(name) | GeneralName::URI(name) = name {
                names.push((*name).to_owned());
            }
        }
        names.dedup();
        let not_after = certificate.validity().not_after;
        let seconds = u64::try_from(not_after.timestamp()).unwrap_or(0);
        Some(Self {
            names,
            not_after: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            valid_until: not_after.to_string(),
        })
    }
}
