//! The result of a challenge.

use inspectd_client::proto;
use serde::Serialize;

/// The result of a challenge.
#[derive(Serialize)]
pub struct Challenge<'a> {
    time: Option<String>,
    passed: bool,
    error: &'a str,
    good: u64,
    false_rejects: u64,
    defective: u64,
    misses: u64,
    failures: &'a [String],
}

impl<'a> From<&'a proto::ChallengeResult> for Challenge<'a> {
    fn from(result: &'a proto::ChallengeResult) -> Self {
        Self {
            time: result.time.as_ref().map(ToString::to_string),
            passed: result.passed,
            error: &result.error,
            good: result.good,
            false_rejects: result.false_rejects,
            defective: result.defective,
            misses: result.misses,
            failures: &result.failures,
        }
    }
}
