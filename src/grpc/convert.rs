//! Converts shared types of the domain to those of `proto/inspectd/v1`.

use std::time::{Duration, SystemTime};

use inspectd_core::decision::{AnomalyKind, Decision};
use inspectd_core::record::{ModelId, RecipeTag};

use super::proto;

pub(super) fn timestamp(time: SystemTime) -> prost_types::Timestamp {
    time.into()
}

pub(super) fn duration(duration: Duration) -> prost_types::Duration {
    // A prost duration overflows after 292 billion years.
    duration.try_into().unwrap_or_default()
}

/// Converts a decision.
pub(super) fn decision(decision: Decision) -> proto::Decision {
    match decision {
        Decision::Pass => proto::Decision::Pass,
        Decision::Reject => proto::Decision::Reject,
        Decision::Review => proto::Decision::Review,
        Decision::Fault => proto::Decision::Fault,
    }
}

/// Converts a decision of a request; none if it is unspecified or unknown.
pub(super) fn decision_of(value: i32) -> Option<Decision> {
    Decision::ALL
        .into_iter()
        .find(|&known| decision(known) as i32 == value)
}

pub(super) fn anomaly_kind(kind: AnomalyKind) -> proto::AnomalyKind {
    match kind {
        AnomalyKind::Structural => proto::AnomalyKind::Structural,
        AnomalyKind::Logical => proto::AnomalyKind::Logical,
    }
}

/// A single-precision number with the digits that it has, for messages with double precision.
pub(super) fn decimal(value: f32) -> f64 {
    crate::control::threshold::decimal(value)
}

/// Converts the identity of a model.
pub(super) fn model(id: &ModelId) -> proto::Model {
    proto::Model {
        name: id.name.clone(),
        version: id.version.clone(),
        sha256: id.sha256.clone(),
        precision: id.precision.name().to_owned(),
    }
}

/// Converts the identity of a recipe.
pub(super) fn recipe_tag(tag: &RecipeTag) -> proto::RecipeTag {
    proto::RecipeTag {
        id: tag.id.clone(),
        version: tag.version.clone(),
        sha256: tag.sha256.clone(),
    }
}
