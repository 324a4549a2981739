//! Why a command could not do what it was asked: what to print, and with which exit code to end.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

use thiserror::Error;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::credentials::hint;

/// `EX_UNAVAILABLE` of sysexits.h.
const UNREACHABLE: u8 = 69;

/// Why a command ends.
#[derive(Debug, Error)]
pub enum Failure {
    /// Nobody answers.
    #[error(
        "no daemon answers at {server}: {reason} (is inspectd running there? see --server and INSPECTD_SERVER)"
    )]
    Unreachable {
        /// The address.
        server: String,
        /// What the system says.
        reason: String,
    },
    /// The daemon, or the way to it, went away.
    #[error("the stream ended: {0}")]
    Lost(String),
    /// The daemon said no.
    #[error("{}", explain(.0).join("\n  "))]
    Refused(Box<Status>),
    /// Something here: a file, an argument.
    #[error("{0:#}")]
    Local(#[from] anyhow::Error),
    /// Standard output takes no more.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// A call was not answered, or with an error.
    pub fn of_call(server: &str, status: Status) -> Self {
        match lost(&status) {
            Some(reason) => Self::Unreachable {
                server: server.to_owned(),
                reason: match hint(&reason) {
                    Some(hint) => format!("{hint} ({reason})"),
                    None => reason,
                },
            },
            None => Self::Refused(Box::new(status)),
        }
    }

    /// A stream that had begun ended with an error.
    pub fn of_stream(status: Status) -> Self {
        match lost(&status) {
            Some(reason) => Self::Lost(reason),
            None => Self::Refused(Box::new(status)),
        }
    }

    /// Whether the same call may succeed later without anybody doing anything about it.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost(_) => true,
            Self::Refused(status) => matches!(
                status.code(),
                Code::ResourceExhausted | Code::Aborted | Code::Cancelled
            ),
            Self::Local(_) | Self::Output(_) => false,
        }
    }

    /// Whether the reader of standard output went away: `inspectctl watch | head`.
    fn is_closed_output(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == ErrorKind::BrokenPipe)
    }

    /// Tells it on standard error.
    pub fn report(&self) {
        if !self.is_closed_output() {
            note(&format!("inspectctl: {self}"));
        }
    }

    /// The process's end.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            _ if self.is_closed_output() => ExitCode::SUCCESS,
            Self::Unreachable { .. } | Self::Lost(_) => ExitCode::from(UNREACHABLE),
            Self::Refused(_) | Self::Local(_) | Self::Output(_) => ExitCode::FAILURE,
        }
    }
}

/// A line on standard error; there is nobody to tell where that fails.
pub fn note(line: &str) {
    let _ = io::Write::write_all(&mut anstream::stderr(), format!("{line}\n").as_bytes());
}

/// Why the daemon cannot be reached, if that is what the status says: either it says so itself as it
/// stops, or the connection made the status up (then it has a source).
fn lost(status: &Status) -> Option<String> {
    match status.source() {
        Some(source) => Some(root_cause(source)),
        None if status.code() == Code::Unavailable => Some(status.message().to_owned()),
        None => None,
    }
}

fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// A refusal, and under it each of its details.
fn explain(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let mut lines = vec![format!(
        "{}: {}",
        code_name(status.code()),
        status.message()
    )];
    for violation in details
        .bad_request()
        .iter()
        .flat_map(|d| &d.field_violations)
    {
        lines.push(format!("{}: {}", violation.field, violation.description));
    }
    for violation in details
        .precondition_failure()
        .iter()
        .flat_map(|d| &d.violations)
    {
        let place = [violation.r#type.as_str(), &violation.subject]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        lines.push(format!("{place}: {}", violation.description));
    }
    if let Some(info) = details.error_info() {
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

/// As gRPC writes it: `NOT_FOUND`.
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

    use tonic_types::{ErrorDetails, PreconditionViolation};

    use super::*;

    #[test]
    fn codes_are_named_as_grpc_names_them() {
        let check = |code, name| assert_eq!(code_name(code), name);
        check(Code::NotFound, "NOT_FOUND");
        check(Code::Ok, "OK");
        check(Code::FailedPrecondition, "FAILED_PRECONDITION");
    }

    #[test]
    fn every_detail_of_a_refusal_has_its_line() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("camera_ids[0]", "no camera \"x\"");
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
        assert_eq!(
            explain(&status),
            [
                "FAILED_PRECONDITION: 2 errors",
                "camera_ids[0]: no camera \"x\"",
                "CONFIGURATION model.bundle: no such folder",
                "verdict.threshold: must be a number",
                "reason RELOAD_REFUSED of inspectd, a = 1, b = 2",
            ]
        );
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let check = |status: Status, may_pass| {
            let failure = Failure::of_stream(status);
            assert_eq!(failure.may_pass(), may_pass, "{failure}");
        };
        check(Status::unavailable("stopping"), true);
        check(Status::from_error("connection reset".into()), true);
        check(Status::resource_exhausted("8 streams are open"), true);
        check(Status::not_found("no camera"), false);
        check(Status::invalid_argument("no decision"), false);
    }

    #[test]
    fn a_closed_output_is_no_failure() {
        let check = |kind: ErrorKind, code: ExitCode| {
            let failure = Failure::from(io::Error::from(kind));
            assert_eq!(format!("{:?}", failure.exit_code()), format!("{code:?}"));
        };
        check(ErrorKind::BrokenPipe, ExitCode::SUCCESS);
        check(ErrorKind::StorageFull, ExitCode::FAILURE);
    }
}
