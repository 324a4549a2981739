//! The first cause of an error.

use std::error::Error;

/// Returns the text of the innermost error.
pub(crate) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
