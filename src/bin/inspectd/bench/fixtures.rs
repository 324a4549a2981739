//! Verdicts without a model, for benchmarks of the journal.

use std::sync::Arc;

use inspectd_core::decision::{AnomalyKind, Decision, Thresholds};
use inspectd_core::maps::Score;
use inspectd_core::record::{ModelId, Outcome, Stamp};
use inspectd_core::verdict::Judgement;

/// The stamp of all verdicts.
pub(super) fn stamp() -> Arc<Stamp> {
    Arc::new(Stamp {
        model: ModelId {
            name: "none".to_owned(),
            version: "1".to_owned(),
            sha256: "0".repeat(64),
            precision: inspectd_core::precision::Precision::F32,
        },
        config_hash: "0".repeat(64),
        provider: "cpu".to_owned(),
        recipe: None,
    })
}

/// A judgement with the given decision.
pub(super) fn judged(decision: Decision) -> Outcome {
    Outcome::Judged(Judgement {
        decision,
        score: Score {
            score: 0.25,
            structural: 0.125,
            logical: 0.125,
        },
        thresholds: Thresholds {
            reject_above: 0.6,
            review_from: None,
        },
        decided_by: None,
        highest: 0.25,
        rules: Vec::new(),
        dominant: AnomalyKind::Structural,
        regions: Vec::new(),
    })
}
