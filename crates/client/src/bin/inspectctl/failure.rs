//! The failure of a command: its message and its exit code.

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use inspectd_client::{CredentialsError, Error};
use thiserror::Error as ThisError;

/// `EX_UNAVAILABLE` of sysexits.h.
const UNREACHABLE: u8 = 69;

/// A model that was not activated. 2, 3 and 4 are decisions.
const NOT_ACTIVATED: u8 = 5;

/// Why a command failed.
#[derive(Debug, ThisError)]
pub enum Failure {
    /// The daemon did not answer, went away, or refused.
    #[error("{}", describe(.0))]
    Client(#[from] Error),
    /// A file or an argument cannot be used.
    #[error("{0:#}")]
    Local(#[from] anyhow::Error),
    /// A new model did not pass the challenge.
    #[error("the new model {0}")]
    NotActivated(String),
    /// Standard output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Whether the reader of standard output went away: `inspectctl watch | head`.
    fn is_closed_output(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == ErrorKind::BrokenPipe)
    }

    /// Prints the message on standard error.
    pub fn report(&self) {
        if !self.is_closed_output() {
            note(&format!("inspectctl: {self}"));
        }
    }

    /// Returns the exit code of the process.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            _ if self.is_closed_output() => ExitCode::SUCCESS,
            Self::Client(Error::Unreachable { .. } | Error::Lost { .. }) => {
                ExitCode::from(UNREACHABLE)
            }
            Self::NotActivated(_) => ExitCode::from(NOT_ACTIVATED),
            Self::Client(_) | Self::Local(_) | Self::Output(_) => ExitCode::FAILURE,
        }
    }
}

/// Prints a line on standard error. An error is ignored: it could not be printed either.
pub fn note(line: &str) {
    let _ = io::Write::write_all(&mut anstream::stderr(), format!("{line}\n").as_bytes());
}

/// An error of the library, with the options that may fix it.
fn describe(error: &Error) -> String {
    match error {
        Error::Unreachable { address, reason } => {
            let reason = match tls_hint(reason) {
                Some(hint) => format!("{hint} ({reason})"),
                None => reason.clone(),
            };
            format!(
                "no daemon answers at {address}: {reason} \
                 (is inspectd running there? see --server and INSPECTD_SERVER)"
            )
        }
        Error::Credentials(error) => match options(error) {
            Some(options) => format!("{error} ({options})"),
            None => error.to_string(),
        },
        _ => error.to_string(),
    }
}

/// The options that an error of the credentials concerns.
fn options(error: &CredentialsError) -> Option<&'static str> {
    match error {
        CredentialsError::MissingCa => Some("--ca FILE or INSPECTD_CA"),
        CredentialsError::CertificatesWithoutTls { .. } => Some("--ca and --certificate"),
        CredentialsError::Tls(_) => Some("--ca, --certificate or --key"),
        _ => None,
    }
}

/// The likely cause of a failed handshake.
fn tls_hint(reason: &str) -> Option<&'static str> {
    const HINTS: [(&str, &str); 10] = [
        (
            "UnknownIssuer",
            "the daemon's certificate is not signed by a CA of --ca",
        ),
        (
            "certificate expired",
            "the daemon's certificate has expired, or the clock of this machine is wrong",
        ),
        (
            "not valid for name",
            "the daemon's certificate is for another name or address than that of --server",
        ),
        (
            "CertificateRequired",
            "the daemon requires a client certificate: --certificate and --key",
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
            "the server does not use TLS; is it http://?",
        ),
        // The alert came before the call was sent, and the HTTP/2 library dropped it.
        (
            "connection closed",
            "the daemon closed the connection at once: it may not accept the certificate of --certificate, \
             require one, or have reached its limit of connections",
        ),
        (
            "frame with invalid size",
            "the server does not use gRPC; is it https://?",
        ),
    ];
    let known = HINTS.iter().find(|(words, _)| reason.contains(words));
    known.map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_output_is_a_success_and_a_full_disk_is_not() {
        let check = |kind: ErrorKind, code: ExitCode| {
            let failure = Failure::from(io::Error::from(kind));
            assert_eq!(format!("{:?}", failure.exit_code()), format!("{code:?}"));
        };
        check(ErrorKind::BrokenPipe, ExitCode::SUCCESS);
        check(ErrorKind::StorageFull, ExitCode::FAILURE);
    }

    #[test]
    fn model_that_is_not_activated_has_a_code_of_its_own() {
        let failure =
            Failure::NotActivated("is not activated: 1 of 2 defective parts passed".into());
        assert_eq!(
            failure.to_string(),
            "the new model is not activated: 1 of 2 defective parts passed"
        );
        let expected = ExitCode::from(5);
        assert_eq!(
            format!("{:?}", failure.exit_code()),
            format!("{expected:?}")
        );
    }

    #[test]
    fn unreachable_daemon_names_the_option_and_the_likely_cause() {
        let failure = Failure::from(Error::Unreachable {
            address: "https://box:1".to_owned(),
            reason: "invalid peer certificate: UnknownIssuer".to_owned(),
        });
        assert_eq!(
            failure.to_string(),
            "no daemon answers at https://box:1: the daemon's certificate is not signed by a CA of --ca \
             (invalid peer certificate: UnknownIssuer) \
             (is inspectd running there? see --server and INSPECTD_SERVER)"
        );
    }
}
