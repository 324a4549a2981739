//! Errors as gRPC statuses: a code, a message, and `google.rpc` details for programs.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, PreconditionViolation, StatusExt};

use crate::access::permissions::Permission;
use crate::access::{Identity, Unknown};
use crate::control::ChangeError;
use crate::control::model_components::ComponentError;
use crate::control::recipe_cache::RecipeRefusal;
use crate::pipeline::publisher::{AcknowledgeError, Totals};
use crate::pipeline::{InspectError, ResynchronizeError, TriggerError};
use crate::recipe::RecipeError;

/// The domain in `google.rpc.ErrorInfo`.
const DOMAIN: &str = "inspectd";

/// A field of the request is not valid.
pub(super) fn invalid(field: &str, message: impl Into<String>) -> Status {
    let message = message.into();
    let details = ErrorDetails::with_bad_request_violation(field, message.clone());
    let message = format!("{field}: {message}");
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// A named resource does not exist.
pub(super) fn not_found(kind: &str, name: &str, message: &str) -> Status {
    let details = ErrorDetails::with_resource_info(kind, name, "", message);
    Status::with_error_details(Code::NotFound, format!("{kind} {name}: {message}"), details)
}

/// A limit is reached.
pub(super) fn exhausted(subject: &str, message: impl Into<String>) -> Status {
    let message = message.into();
    let details = ErrorDetails::with_quota_failure_violation(subject, message.clone());
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// The daemon is stopping.
pub(super) fn stopping() -> Status {
    let details = ErrorDetails::with_error_info("STOPPING", DOMAIN, [] as [(String, String); 0]);
    Status::with_error_details(Code::Unavailable, "the daemon is stopping", details)
}

/// The consumer has a newer stream.
pub(super) fn superseded() -> Status {
    Status::aborted("replaced by a newer stream of this consumer")
}

/// The client's deadline has passed.
pub(super) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the deadline of the call has passed")
}

/// The client may not use the consumer.
pub(super) fn consumer_denied(message: String) -> Status {
    let details = ErrorDetails::with_error_info("CONSUMER", DOMAIN, [] as [(String, String); 0]);
    Status::with_error_details(Code::PermissionDenied, message, details)
}

/// No journal is configured.
pub(super) fn no_journal() -> Status {
    let text = "no journal is configured: journal.folder is not set";
    let violation = PreconditionViolation::new("JOURNAL", "journal.folder", text);
    let details = ErrorDetails::with_precondition_failure(vec![violation]);
    Status::with_error_details(Code::FailedPrecondition, text, details)
}

/// No shadow is configured.
pub(super) fn no_shadow() -> Status {
    let text = "no shadow is configured: neither shadow.bundle nor shadow.recipe is set";
    let violation = PreconditionViolation::new("SHADOW", "shadow", text);
    let details = ErrorDetails::with_precondition_failure(vec![violation]);
    Status::with_error_details(Code::FailedPrecondition, text, details)
}

/// The journal cannot be read or written.
pub(super) fn journal(error: &impl ToString) -> Status {
    Status::unavailable(error.to_string())
}

/// The disk of the journal takes too long.
pub(super) fn no_answer() -> Status {
    journal(&"the disk of the journal does not answer")
}

/// A requested verdict has aged out or does not exist yet; the details contain the range that is kept.
fn not_kept(text: String, totals: Totals) -> Status {
    let range = [
        ("oldest_sequence".to_owned(), totals.oldest.to_string()),
        ("newest_sequence".to_owned(), totals.sequence.to_string()),
    ];
    let details = ErrorDetails::with_error_info("NOT_KEPT", DOMAIN, range);
    Status::with_error_details(Code::OutOfRange, text, details)
}

/// The verdict with this sequence has aged out.
pub(super) fn aged_out(sequence: u64, totals: Totals) -> Status {
    let Totals {
        oldest,
        sequence: newest,
        ..
    } = totals;
    let text = format!("verdict {sequence} has aged out: {oldest} to {newest} are kept");
    not_kept(text, totals)
}

/// The sequence has not been assigned yet.
pub(super) fn not_assigned(field: &str, sequence: u64, totals: Totals) -> Status {
    let newest = totals.sequence;
    not_kept(
        format!("{field}: {sequence} has not been assigned yet: the newest is {newest}"),
        totals,
    )
}

/// Why verdicts cannot be acknowledged.
pub(super) fn acknowledge(error: &AcknowledgeError) -> Status {
    match error {
        AcknowledgeError::Full => exhausted("consumers", error.to_string()),
        AcknowledgeError::Stalled | AcknowledgeError::NotOpen | AcknowledgeError::Journal(_) => {
            journal(error)
        }
    }
}

/// Why a request for an inspection is refused.
pub(super) fn trigger(error: &TriggerError) -> Status {
    match error {
        TriggerError::NoCamera(id) => not_found("camera", id.as_str(), "is not configured"),
        TriggerError::NoGroup(group) => not_found("group", group, "has no camera"),
        TriggerError::Mode(_) | TriggerError::Paused(_) | TriggerError::CameraSettings { .. } => {
            Status::failed_precondition(error.to_string())
        }
        TriggerError::Busy(_) => exhausted("requests", error.to_string()),
        TriggerError::Key(_) => Status::already_exists(error.to_string()),
        TriggerError::Stopping => stopping(),
        TriggerError::Journal(_) => journal(error),
    }
}

/// Why an image is refused.
pub(super) fn inspect(error: &InspectError) -> Status {
    match error {
        InspectError::Busy => exhausted("images", error.to_string()),
        InspectError::Stopping => stopping(),
        InspectError::NoCamera(id) => not_found("camera", id.as_str(), "is not configured"),
        InspectError::RecipeActive(_) => Status::failed_precondition(error.to_string()),
        InspectError::Size(error) => invalid("image", error.to_string()),
    }
}

/// Why a call about a model component is refused.
pub(super) fn component(error: &ComponentError) -> Status {
    match error {
        ComponentError::Name(_) => invalid("model_component", error.to_string()),
        ComponentError::NotFound(name) => {
            not_found("model component", name, "there is no recipe with this id")
        }
        ComponentError::Status { .. } | ComponentError::Default => {
            Status::failed_precondition(error.to_string())
        }
        ComponentError::Full(_) => exhausted("models", error.to_string()),
        ComponentError::Change(error) => change(error),
    }
}

/// Why a change was refused; each fault is a violation of its own.
pub(super) fn change(error: &ChangeError) -> Status {
    let kind = match error {
        ChangeError::NotLocal => return Status::permission_denied(error.to_string()),
        ChangeError::Recipe(
            RecipeRefusal::Recipe(RecipeError::Absent { .. }) | RecipeRefusal::NoEdition { .. },
        ) => {
            return Status::not_found(error.to_string());
        }
        ChangeError::NoRegion(region) => {
            return not_found("region", region, "is not in the active recipe");
        }
        ChangeError::NoCamera(id) => return not_found("camera", id.as_str(), "is not configured"),
        ChangeError::CameraExists(_) => return Status::already_exists(error.to_string()),
        ChangeError::NotToml(reason) => return invalid("toml", reason),
        ChangeError::Conflict(_) => return Status::aborted(error.to_string()),
        ChangeError::Resynchronize(ResynchronizeError::NoGroup(group)) => {
            return not_found("group", group, "has no cameras that count parts");
        }
        ChangeError::Resynchronize(_) => "GROUP",
        ChangeError::Configuration(_) | ChangeError::Model(_) | ChangeError::NotChanged(_) => {
            "CONFIGURATION"
        }
        ChangeError::Recipe(_) => "RECIPE",
        ChangeError::Locked(_) => "LOCKED",
        ChangeError::Audit(_) | ChangeError::State(_) => "RECORD",
        ChangeError::Camera(_) | ChangeError::Controls(_) | ChangeError::Resume(_) => "CAMERA",
        ChangeError::Threshold(_) => "THRESHOLD",
        ChangeError::NoChallenge | ChangeError::Challenge(_) => "CHALLENGE",
        ChangeError::Candidate(_) | ChangeError::NothingInstalled | ChangeError::NoModelFolder => {
            "MODEL"
        }
        ChangeError::Write { .. } => "FILE",
    };
    let violation = |text: String| PreconditionViolation::new(kind, "", text);
    let violations: Vec<_> = error.faults().into_iter().map(violation).collect();
    let details = ErrorDetails::with_precondition_failure(violations);
    Status::with_error_details(Code::FailedPrecondition, error.to_string(), details)
}

/// The client cannot be authenticated.
pub(super) fn unknown_client(reason: &Unknown) -> Status {
    let details =
        ErrorDetails::with_error_info("UNKNOWN_CLIENT", DOMAIN, [] as [(String, String); 0]);
    Status::with_error_details(Code::Unauthenticated, reason.to_string(), details)
}

/// The client's role does not permit the call.
pub(super) fn role_required(permission: &Permission, identity: &Identity) -> Status {
    let Permission { method, least, .. } = permission;
    let Identity { name, role, .. } = identity;
    let metadata = [
        ("client".to_owned(), name.to_string()),
        ("role".to_owned(), role.to_string()),
        ("needed_role".to_owned(), least.to_string()),
    ];
    let details = ErrorDetails::with_error_info("ROLE_NEEDED", DOMAIN, metadata);
    let message = format!("{method} requires the role {least}; {name} has the role {role}");
    Status::with_error_details(Code::PermissionDenied, message, details)
}

/// The call is not in the table of permissions.
pub(super) fn unknown_call(path: &str) -> Status {
    let path: String = path.chars().take(200).collect();
    Status::unimplemented(format!("the call {path} does not exist"))
}

/// The client exceeds its rate limit.
pub(super) fn rate_limited(identity: &Identity, wait: Duration) -> Status {
    let name = &identity.name;
    let message = format!(
        "{name} exceeds access.requests_per_second; retry in {:.3} s",
        wait.as_secs_f64()
    );
    let mut details = ErrorDetails::with_quota_failure_violation("calls", message.clone());
    details.set_retry_info(Some(wait));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}
