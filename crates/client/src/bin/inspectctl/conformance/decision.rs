//! The decisions of verdicts, as the program prints them.

use inspectd_client::proto::Decision;

/// The word for a decision of a message; every value that is not one of the four is `UNKNOWN`.
pub fn word(decision: i32) -> &'static str {
    match Decision::try_from(decision) {
        Ok(Decision::Pass) => "PASS",
        Ok(Decision::Reject) => "REJECT",
        Ok(Decision::Review) => "REVIEW",
        Ok(Decision::Fault) => "FAULT",
        Ok(Decision::Unspecified) | Err(_) => "UNKNOWN",
    }
}
