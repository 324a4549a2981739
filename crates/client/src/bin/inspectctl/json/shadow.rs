//! The shadow and the verdicts that it decides otherwise.

use inspectd_client::proto;
use serde::Serialize;

use super::{Model, RecipeTag, time};
use crate::format;

/// The fields of [`proto::Shadow`].
#[derive(Serialize)]
pub struct Shadow<'a> {
    state: String,
    error: &'a str,
    model: Option<Model<'a>>,
    recipe: Option<RecipeTag<'a>>,
    since_time: Option<String>,
    judged: u64,
    skipped: u64,
    failed: u64,
    disagreements: u64,
    pairs: Vec<DecisionPair>,
    median_ms: f32,
}

/// The fields of [`proto::DecisionPair`].
#[derive(Serialize)]
struct DecisionPair {
    active: String,
    shadow: String,
    count: u64,
}

/// One line of `shadow list --json`: the fields of [`proto::Disagreement`], without the heatmap, which `--save` writes.
#[derive(Serialize)]
pub struct Disagreement<'a> {
    sequence: u64,
    camera_id: &'a str,
    capture_time: Option<String>,
    part_id: &'a str,
    active: String,
    active_score: f32,
    active_threshold: f32,
    shadow: String,
    shadow_score: f32,
    shadow_threshold: f32,
    shadow_region: &'a str,
}

impl<'a> From<&'a proto::Shadow> for Shadow<'a> {
    fn from(shadow: &'a proto::Shadow) -> Self {
        Self {
            state: format::shadow_state(shadow.state()),
            error: &shadow.error,
            model: shadow.model.as_ref().map(Model::from),
            recipe: shadow.recipe.as_ref().map(RecipeTag::from),
            since_time: time(shadow.since_time.as_ref()),
            judged: shadow.judged,
            skipped: shadow.skipped,
            failed: shadow.failed,
            disagreements: shadow.disagreements,
            pairs: shadow.pairs.iter().map(DecisionPair::from).collect(),
            median_ms: shadow.median_ms,
        }
    }
}

impl From<&proto::DecisionPair> for DecisionPair {
    fn from(pair: &proto::DecisionPair) -> Self {
        Self {
            active: format::decision(pair.active()),
            shadow: format::decision(pair.shadow()),
            count: pair.count,
        }
    }
}

impl<'a> From<&'a proto::Disagreement> for Disagreement<'a> {
    fn from(one: &'a proto::Disagreement) -> Self {
        Self {
            sequence: one.sequence,
            camera_id: &one.camera_id,
            capture_time: time(one.capture_time.as_ref()),
            part_id: &one.part_id,
            active: format::decision(one.active()),
            active_score: one.active_score,
            active_threshold: one.active_threshold,
            shadow: format::decision(one.shadow()),
            shadow_score: one.shadow_score,
            shadow_threshold: one.shadow_threshold,
            shadow_region: &one.shadow_region,
        }
    }
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::{Decision, ShadowState};
    use serde_json::json;

    use super::*;

    #[test]
    fn shadow_has_the_field_names_of_the_proto() {
        let shadow = proto::Shadow {
            state: ShadowState::Running.into(),
            judged: 9,
            disagreements: 2,
            pairs: vec![proto::DecisionPair {
                active: Decision::Pass.into(),
                shadow: Decision::Reject.into(),
                count: 2,
            }],
            median_ms: 12.5,
            ..proto::Shadow::default()
        };
        assert_eq!(
            serde_json::to_value(Shadow::from(&shadow)).expect("plain data"),
            json!({"state": "running", "error": "", "model": null, "recipe": null, "since_time": null,
                "judged": 9, "skipped": 0, "failed": 0, "disagreements": 2,
                "pairs": [{"active": "pass", "shadow": "reject", "count": 2}], "median_ms": 12.5})
        );
    }

    #[test]
    fn disagreement_is_printed_without_its_heatmap() {
        let one = proto::Disagreement {
            sequence: 7,
            camera_id: "top".to_owned(),
            active: Decision::Pass.into(),
            active_score: 0.25,
            active_threshold: 0.5,
            shadow: Decision::Review.into(),
            shadow_score: 0.75,
            shadow_threshold: 1.0,
            heatmap: vec![1, 2, 3],
            ..proto::Disagreement::default()
        };
        assert_eq!(
            serde_json::to_value(Disagreement::from(&one)).expect("plain data"),
            json!({"sequence": 7, "camera_id": "top", "capture_time": null, "part_id": "",
                "active": "pass", "active_score": 0.25, "active_threshold": 0.5,
                "shadow": "review", "shadow_score": 0.75, "shadow_threshold": 1.0,
                "shadow_region": ""})
        );
    }
}
