//! The JSON in the column `details` of a verdict.

use std::sync::Arc;
use std::time::Duration;

use inspectd_core::decision::{AnomalyKind, Region, Thresholds};
use inspectd_core::record::{Outcome, PartView, Timings, Verdict};
use inspectd_core::verdict::RegionScore;
use serde::{Deserialize, Serialize};

use super::{decision, number};
use crate::journal::RowError;

/// The values without a column of their own, stored as JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Details {
    /// Durations of the stages in nanoseconds: queue, preprocess, inference, judge, total.
    timings: [Option<u64>; 5],
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<StoredRegion>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<StoredRule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    #[serde(default)]
    pub highest: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views: Option<Vec<StoredView>>,
    /// Whether the fault counts as REJECT.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rejects: bool,
    /// Whether the process was killed before it knew that the verdict was published like this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unconfirmed: bool,
    /// Whether the request named a recipe. Rows of 0.2.0 and earlier do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names_recipe: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredRegion {
    left: f32,
    top: f32,
    width: f32,
    height: f32,
    area: f32,
    peak: f32,
    logical: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredRule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    score: Option<f32>,
    threshold: f32,
    review_from: Option<f32>,
    decision: i64,
}

impl From<&RegionScore> for StoredRule {
    fn from(rule: &RegionScore) -> Self {
        Self {
            name: rule.name.as_deref().map(str::to_owned),
            score: rule.score,
            threshold: rule.thresholds.reject_above,
            review_from: rule.thresholds.review_from,
            decision: number(rule.decision),
        }
    }
}

impl StoredRule {
    pub fn rule(self) -> Result<RegionScore, RowError> {
        Ok(RegionScore {
            name: self.name.map(Arc::from),
            score: self.score,
            thresholds: Thresholds {
                reject_above: self.threshold,
                review_from: self.review_from,
            },
            decision: decision(self.decision)?,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredView {
    pub camera: String,
    pub sequence: u64,
    pub frame_id: u64,
    pub decision: i64,
}

impl From<&Region> for StoredRegion {
    fn from(region: &Region) -> Self {
        Self {
            left: region.left,
            top: region.top,
            width: region.width,
            height: region.height,
            area: region.area,
            peak: region.peak,
            logical: region.kind == AnomalyKind::Logical,
            rule: region.rule.as_deref().map(str::to_owned),
        }
    }
}

impl From<StoredRegion> for Region {
    fn from(stored: StoredRegion) -> Self {
        Self {
            left: stored.left,
            top: stored.top,
            width: stored.width,
            height: stored.height,
            area: stored.area,
            peak: stored.peak,
            kind: if stored.logical {
                AnomalyKind::Logical
            } else {
                AnomalyKind::Structural
            },
            rule: stored.rule.map(Arc::from),
        }
    }
}

impl Details {
    pub fn of(verdict: &Verdict) -> Self {
        let timings = &verdict.subject.timings;
        let whole = |duration: Duration| duration.as_nanos() as u64;
        let judgement = verdict.outcome.judgement();
        let view = |view: &PartView| StoredView {
            camera: view.camera.to_string(),
            sequence: view.sequence,
            frame_id: view.frame_id,
            decision: number(view.decision),
        };
        Self {
            timings: [
                timings.queue.map(whole),
                timings.preprocess.map(whole),
                timings.inference.map(whole),
                timings.judge.map(whole),
                Some(whole(timings.total)),
            ],
            regions: judgement.map_or_else(Vec::new, |judgement| {
                judgement.regions.iter().map(StoredRegion::from).collect()
            }),
            rules: judgement.map_or_else(Vec::new, |judgement| {
                judgement.rules.iter().map(StoredRule::from).collect()
            }),
            decided_by: judgement
                .and_then(|judgement| judgement.decided_by.as_deref())
                .map(str::to_owned),
            highest: judgement.map_or(0.0, |judgement| judgement.highest),
            views: match &verdict.outcome {
                Outcome::Part(fusion) => Some(fusion.views.iter().map(view).collect()),
                Outcome::Judged(_) | Outcome::Fault(_) => None,
            },
            rejects: verdict.outcome.fault().is_some_and(|fault| fault.rejects),
            unconfirmed: verdict.unconfirmed,
            names_recipe: verdict
                .subject
                .tag
                .as_ref()
                .and_then(|tag| tag.names_recipe),
        }
    }

    pub fn timings(&self) -> Timings {
        let [queue, preprocess, inference, judge, total] =
            self.timings.map(|time| time.map(Duration::from_nanos));
        Timings {
            queue,
            preprocess,
            inference,
            judge,
            total: total.unwrap_or_default(),
        }
    }
}
