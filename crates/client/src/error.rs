//! Why a call or a stream failed.

use std::fmt::{self, Display, Formatter, Write as _};
use std::time::Duration;

use thiserror::Error;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::credentials::CredentialsError;
use crate::root_cause::root_cause;

/// A failed call or stream.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The daemon did not answer.
    #[error("no daemon answers at {address}: {reason}")]
    Unreachable {
        /// The address of the endpoint.
        address: String,
        /// The error of the system, of TLS or of the connection.
        reason: String,
    },
    /// A stream that was open ended: the daemon stopped, or the connection broke.
    #[error("the stream ended: {reason}")]
    Lost {
        /// The reason.
        reason: String,
    },
    /// The daemon refused the call.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A stream of a consumer received a sequence that it had received before, for another verdict: the folder of the
    /// journal was removed, or the address leads to another daemon. Earlier verdicts that were not received are lost. A
    /// new subscription and a new acknowledger start with the oldest verdict.
    #[error(
        "sequences began again: verdict {sequence} was received before, for another inspection; the journal of the daemon \
         was removed, or this is another daemon"
    )]
    SequencesRestarted {
        /// The sequence.
        sequence: u64,
    },
    /// A field that the protocol requires is not set.
    #[error("the answer of the daemon has no {field}")]
    Incomplete {
        /// The field.
        field: &'static str,
    },
}

/// The daemon's refusal of a call. Its text has one line for each detail.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The gRPC status code.
    pub code: Code,
    /// The message, for people.
    pub message: String,
    /// Fields, preconditions and reasons, for programs.
    pub details: ErrorDetails,
}

impl Error {
    /// Converts the status of a stream that was open.
    pub fn from_stream(status: &Status) -> Self {
        match lost(status) {
            Some(reason) => Self::Lost { reason },
            None => Self::refused(status),
        }
    }

    /// Converts the status of a call.
    pub(crate) fn from_call(address: &str, status: &Status) -> Self {
        match lost(status) {
            Some(reason) => Self::Unreachable {
                address: address.to_owned(),
                reason,
            },
            None => Self::refused(status),
        }
    }

    /// A stream on which nothing was received for so long.
    pub(crate) fn silent(limit: Duration) -> Self {
        Self::Lost {
            reason: format!("no message for {} s", limit.as_secs_f64()),
        }
    }

    /// A call that was not answered in time.
    pub(crate) fn timed_out(address: &str, limit: Duration) -> Self {
        Self::Unreachable {
            address: address.to_owned(),
            reason: format!("no answer within {} s", limit.as_secs_f64()),
        }
    }

    /// Returns the error of a stream that ended without a status.
    pub fn stream_closed() -> Self {
        Self::Lost {
            reason: "the daemon closed it".to_owned(),
        }
    }

    fn refused(status: &Status) -> Self {
        Self::Refused(Box::new(Refusal {
            code: status.code(),
            message: status.message().to_owned(),
            details: status.get_error_details(),
        }))
    }

    /// Returns whether the same call may succeed later without a change to the client or the daemon. `ABORTED` does not
    /// pass: another client made a conflicting change, or opened a stream of the same consumer. Two programs with one
    /// consumer would otherwise end each other's streams for ever.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } => true,
            Self::Refused(refusal) => {
                matches!(refusal.code, Code::ResourceExhausted | Code::Cancelled)
            }
            Self::Credentials(_) | Self::SequencesRestarted { .. } | Self::Incomplete { .. } => {
                false
            }
        }
    }
}

/// Returns why the daemon cannot be reached, if the status says so: either the daemon reports that it is
/// stopping, or the status was made by the connection (then it has a source).
fn lost(status: &Status) -> Option<String> {
    match std::error::Error::source(status) {
        Some(source) => Some(root_cause(source)),
        None if status.code() == Code::Unavailable => Some(status.message().to_owned()),
        None => None,
    }
}

impl std::error::Error for Refusal {}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", code_name(self.code), self.message)?;
        for line in self.detail_lines() {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl Refusal {
    /// Returns the reason in the error info, a constant such as `NOT_KEPT`.
    pub fn reason(&self) -> Option<&str> {
        let info = self.details.error_info()?;
        Some(&info.reason)
    }

    /// Returns a line of text for each detail.
    pub fn detail_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let bad_request = self.details.bad_request().into_iter();
        for violation in bad_request.flat_map(|detail| &detail.field_violations) {
            lines.push(format!("{}: {}", violation.field, violation.description));
        }
        let precondition = self.details.precondition_failure().into_iter();
        for violation in precondition.flat_map(|detail| &detail.violations) {
            let place = [violation.r#type.as_str(), &violation.subject]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" ");
            lines.push(format!("{place}: {}", violation.description));
        }
        if let Some(info) = self.details.error_info() {
            let mut line = format!("reason {} of {}", info.reason, info.domain);
            let mut metadata: Vec<_> = info.metadata.iter().collect();
            metadata.sort();
            for (key, value) in metadata {
                let _ = write!(line, ", {key} = {value}");
            }
            lines.push(line);
        }
        lines
    }
}

/// The name of a code in gRPC's notation, such as `NOT_FOUND`.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::PreconditionViolation;

    use super::*;

    #[test]
    fn codes_are_named_as_in_grpc() {
        let check = |code, name| assert_eq!(code_name(code), name);
        check(Code::NotFound, "NOT_FOUND");
        check(Code::Ok, "OK");
        check(Code::FailedPrecondition, "FAILED_PRECONDITION");
    }

    #[test]
    fn each_detail_of_a_refusal_has_its_line() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("camera_ids[0]", "camera \"x\" is not configured");
        details.set_precondition_failure(vec![
            PreconditionViolation::new("CONFIGURATION", "model.bundle", "no such folder"),
            PreconditionViolation::new("", "verdict.threshold", "must be a number"),
        ]);
        details.set_error_info(
            "RELOAD_REFUSED",
            "inspectd",
            HashMap::from([("b".to_owned(), "2".to_owned()), ("a".into(), "1".into())]),
        );
        let status = Status::with_error_details(Code::FailedPrecondition, "2 errors", details);
        let error = Error::from_stream(&status);
        assert_eq!(
            error.to_string(),
            "FAILED_PRECONDITION: 2 errors\n  \
             camera_ids[0]: camera \"x\" is not configured\n  \
             CONFIGURATION model.bundle: no such folder\n  \
             verdict.threshold: must be a number\n  \
             reason RELOAD_REFUSED of inspectd, a = 1, b = 2"
        );
        let Error::Refused(refusal) = error else {
            panic!("{error:?}")
        };
        assert_eq!(refusal.reason(), Some("RELOAD_REFUSED"));
    }

    #[test]
    fn outages_and_exhaustion_are_transient_and_wrong_requests_are_not() {
        let check = |status: Status, transient| {
            let error = Error::from_stream(&status);
            assert_eq!(error.is_transient(), transient, "{error}");
        };
        check(Status::unavailable("stopping"), true);
        check(Status::from_error("connection reset".into()), true);
        check(Status::resource_exhausted("8 streams are open"), true);
        check(Status::not_found("camera x"), false);
        check(Status::invalid_argument("no decision"), false);
    }
}
