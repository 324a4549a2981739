//! The result of a challenge.

use inspectd_client::proto;
use serde::Serialize;

use super::{Model, RecipeTag, time};

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
    model: Option<Model<'a>>,
    recipe: Option<RecipeTag<'a>>,
}

impl<'a> From<&'a proto::ChallengeResult> for Challenge<'a> {
    fn from(result: &'a proto::ChallengeResult) -> Self {
        Self {
            time: time(result.time.as_ref()),
            passed: result.passed,
            error: &result.error,
            good: result.good,
            false_rejects: result.false_rejects,
            defective: result.defective,
            misses: result.misses,
            failures: &result.failures,
            model: result.model.as_ref().map(Model::from),
            recipe: result.recipe.as_ref().map(RecipeTag::from),
        }
    }
}
