//! Status codes for refusals of the daemon and of the state machine.

use inspectd_client::{Code, Error};
use opcua::types::StatusCode;

use crate::machine::Refusal;

/// Returns the status code of a refusal of the state machine.
pub fn of_refusal(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::WrongState(_) => StatusCode::BadInvalidState,
        Refusal::NotResolved => StatusCode::BadCommunicationError,
    }
}

/// Returns the status code of an error of the daemon.
pub fn of_error(error: &Error) -> StatusCode {
    let Error::Refused(refusal) = error else {
        return match error {
            Error::Unreachable { .. } | Error::Lost { .. } => StatusCode::BadCommunicationError,
            Error::Credentials(_) => StatusCode::BadConfigurationError,
            _ => StatusCode::BadUnexpectedError,
        };
    };
    match refusal.code {
        Code::NotFound | Code::OutOfRange => StatusCode::BadNotFound,
        Code::InvalidArgument => StatusCode::BadInvalidArgument,
        Code::FailedPrecondition | Code::Aborted => StatusCode::BadInvalidState,
        Code::ResourceExhausted => StatusCode::BadResourceUnavailable,
        Code::AlreadyExists => StatusCode::BadEntryExists,
        Code::Unimplemented => StatusCode::BadNotSupported,
        // The token or the certificate of this server, not the user of the client.
        Code::Unauthenticated | Code::PermissionDenied => StatusCode::BadConfigurationError,
        Code::DeadlineExceeded => StatusCode::BadTimeout,
        _ => StatusCode::BadUnexpectedError,
    }
}

#[cfg(test)]
mod tests {
    use inspectd_client::Status;

    use super::*;

    #[test]
    fn refusals_of_the_daemon_have_codes_that_say_what_to_do() {
        let check = |status: Status, expected| {
            let error = Error::from_stream(&status);
            assert_eq!(of_error(&error), expected, "{error}");
        };
        check(Status::not_found("camera x"), StatusCode::BadNotFound);
        check(
            Status::failed_precondition("paused"),
            StatusCode::BadInvalidState,
        );
        check(
            Status::resource_exhausted("full"),
            StatusCode::BadResourceUnavailable,
        );
        check(
            Status::permission_denied("viewer"),
            StatusCode::BadConfigurationError,
        );
        check(
            Status::unauthenticated("no token"),
            StatusCode::BadConfigurationError,
        );
        check(
            Status::unavailable("stopping"),
            StatusCode::BadCommunicationError,
        );
        check(Status::internal("bug"), StatusCode::BadUnexpectedError);
    }
}
