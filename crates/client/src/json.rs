//! A verdict in JSON: the fields of [`proto::Verdict`] with their names. Enumerators are in lower case, times in RFC 3339,
//! durations in milliseconds (`_ms`), bytes in base64; unset fields are null.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use crate::proto;
use crate::proto::{AnomalyKind, Decision, FaultReason};

/// An enumerator without its enumeration's name, in lower case: `DECISION_PASS` is `pass`.
pub fn enumerator(name: &str, enumeration: &str) -> String {
    name.strip_prefix(enumeration)
        .unwrap_or(name)
        .to_ascii_lowercase()
}

/// `pass`, `reject`, `review`, `fault`.
pub fn decision(decision: Decision) -> String {
    enumerator(decision.as_str_name(), "DECISION_")
}

/// `structural`, `logical`.
pub fn kind(kind: AnomalyKind) -> String {
    enumerator(kind.as_str_name(), "ANOMALY_KIND_")
}

/// `camera_lost`, `corrupt_frame` ...
pub fn fault_reason(reason: FaultReason) -> String {
    enumerator(reason.as_str_name(), "FAULT_REASON_")
}

/// A protobuf duration in milliseconds.
pub fn milliseconds(duration: prost_types::Duration) -> f64 {
    duration.seconds as f64 * 1e3 + f64::from(duration.nanos) / 1e6
}

/// A time in RFC 3339; `None` if it is unset.
pub fn time(timestamp: Option<&prost_types::Timestamp>) -> Option<String> {
    timestamp.map(ToString::to_string)
}

/// The fields of [`proto::Verdict`].
#[derive(Debug, Serialize)]
pub struct Verdict<'a> {
    sequence: u64,
    run_id: &'a str,
    camera_id: &'a str,
    frame_id: u64,
    capture_time: Option<String>,
    capture_monotonic_ms: Option<f64>,
    decision: String,
    score: Option<Score<'a>>,
    fault: Option<Fault<'a>>,
    regions: Vec<Region<'a>>,
    model: Option<Model<'a>>,
    config_hash: &'a str,
    provider: &'a str,
    simulated: bool,
    timings: Option<Timings>,
    batch_size: u32,
    width: u32,
    height: u32,
    source_item: &'a str,
    truth: &'a str,
    part_id: &'a str,
    /// Base64, as in protobuf's JSON.
    client_data: String,
    trigger_id: &'a str,
    group_id: &'a str,
    views: Vec<View<'a>>,
    record_time: Option<String>,
    evidence_kept: bool,
    unconfirmed: bool,
    recipe: Option<RecipeTag<'a>>,
}

/// The fields of [`proto::View`].
#[derive(Debug, Serialize)]
pub struct View<'a> {
    camera_id: &'a str,
    sequence: u64,
    frame_id: u64,
    decision: String,
}

/// The fields of [`proto::RecipeTag`].
#[derive(Debug, Serialize)]
pub struct RecipeTag<'a> {
    id: &'a str,
    version: &'a str,
    sha256: &'a str,
}

/// The fields of [`proto::Score`].
#[derive(Debug, Serialize)]
pub struct Score<'a> {
    value: f32,
    structural: f32,
    logical: f32,
    threshold: f32,
    review_from: Option<f32>,
    dominant: String,
    decided_by: &'a str,
    highest: f32,
    regions: Vec<RegionScore<'a>>,
}

/// The fields of [`proto::RegionScore`].
#[derive(Debug, Serialize)]
pub struct RegionScore<'a> {
    region: &'a str,
    value: Option<f32>,
    threshold: f32,
    review_from: Option<f32>,
    decision: String,
}

#[derive(Debug, Serialize)]
struct Fault<'a> {
    reason: String,
    message: &'a str,
}

/// The fields of [`proto::Region`].
#[derive(Debug, Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the field name is that of the proto"
)]
pub struct Region<'a> {
    #[serde(rename = "box")]
    bounds: Option<Bounds>,
    area: f32,
    peak: f32,
    kind: String,
    region: &'a str,
}

#[derive(Debug, Serialize)]
struct Bounds {
    left: f32,
    top: f32,
    width: f32,
    height: f32,
}

/// The fields of [`proto::Model`].
#[derive(Debug, Serialize)]
pub struct Model<'a> {
    name: &'a str,
    version: &'a str,
    sha256: &'a str,
    precision: &'a str,
}

#[derive(Debug, Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the unit is part of the printed name"
)]
struct Timings {
    queue_ms: Option<f64>,
    preprocess_ms: Option<f64>,
    inference_ms: Option<f64>,
    judge_ms: Option<f64>,
    total_ms: Option<f64>,
}

impl<'a> From<&'a proto::Verdict> for Verdict<'a> {
    fn from(verdict: &'a proto::Verdict) -> Self {
        Self {
            sequence: verdict.sequence,
            run_id: &verdict.run_id,
            camera_id: &verdict.camera_id,
            frame_id: verdict.frame_id,
            capture_time: time(verdict.capture_time.as_ref()),
            capture_monotonic_ms: verdict.capture_monotonic.map(milliseconds),
            decision: decision(verdict.decision()),
            score: verdict.score.as_ref().map(Score::from),
            fault: verdict.fault.as_ref().map(Fault::from),
            regions: verdict.regions.iter().map(Region::from).collect(),
            model: verdict.model.as_ref().map(Model::from),
            config_hash: &verdict.config_hash,
            provider: &verdict.provider,
            simulated: verdict.simulated,
            timings: verdict.timings.as_ref().map(Timings::from),
            batch_size: verdict.batch_size,
            width: verdict.width,
            height: verdict.height,
            source_item: &verdict.source_item,
            truth: &verdict.truth,
            part_id: &verdict.part_id,
            client_data: BASE64_STANDARD.encode(&verdict.client_data),
            trigger_id: &verdict.trigger_id,
            group_id: &verdict.group_id,
            views: verdict.views.iter().map(View::from).collect(),
            record_time: time(verdict.record_time.as_ref()),
            evidence_kept: verdict.evidence_kept,
            unconfirmed: verdict.unconfirmed,
            recipe: verdict.recipe.as_ref().map(RecipeTag::from),
        }
    }
}

impl<'a> Verdict<'a> {
    /// Returns the score, if there is one.
    pub fn score(&self) -> Option<&Score<'a>> {
        self.score.as_ref()
    }

    /// Returns the defects.
    pub fn regions(&self) -> &[Region<'a>] {
        &self.regions
    }

    /// Returns the views of a part.
    pub fn views(&self) -> &[View<'a>] {
        &self.views
    }
}

impl<'a> Score<'a> {
    /// Returns the results for all parts of the frame.
    pub fn regions(&self) -> &[RegionScore<'a>] {
        &self.regions
    }
}

impl<'a> From<&'a proto::View> for View<'a> {
    fn from(view: &'a proto::View) -> Self {
        Self {
            camera_id: &view.camera_id,
            sequence: view.sequence,
            frame_id: view.frame_id,
            decision: decision(view.decision()),
        }
    }
}

impl<'a> From<&'a proto::RecipeTag> for RecipeTag<'a> {
    fn from(recipe: &'a proto::RecipeTag) -> Self {
        Self {
            id: &recipe.id,
            version: &recipe.version,
            sha256: &recipe.sha256,
        }
    }
}

impl<'a> From<&'a proto::RegionScore> for RegionScore<'a> {
    fn from(score: &'a proto::RegionScore) -> Self {
        Self {
            region: &score.region,
            value: score.value,
            threshold: score.threshold,
            review_from: score.review_from,
            decision: decision(score.decision()),
        }
    }
}

impl<'a> From<&'a proto::Score> for Score<'a> {
    fn from(score: &'a proto::Score) -> Self {
        Self {
            value: score.value,
            structural: score.structural,
            logical: score.logical,
            threshold: score.threshold,
            review_from: score.review_from,
            dominant: kind(score.dominant()),
            decided_by: &score.decided_by,
            highest: score.highest,
            regions: score.regions.iter().map(RegionScore::from).collect(),
        }
    }
}

impl<'a> From<&'a proto::Fault> for Fault<'a> {
    fn from(fault: &'a proto::Fault) -> Self {
        Self {
            reason: fault_reason(fault.reason()),
            message: &fault.message,
        }
    }
}

impl<'a> From<&'a proto::Region> for Region<'a> {
    fn from(region: &'a proto::Region) -> Self {
        Self {
            bounds: region.r#box.as_ref().map(|bounds| Bounds {
                left: bounds.left,
                top: bounds.top,
                width: bounds.width,
                height: bounds.height,
            }),
            area: region.area,
            peak: region.peak,
            kind: kind(region.kind()),
            region: &region.region,
        }
    }
}

impl<'a> From<&'a proto::Model> for Model<'a> {
    fn from(model: &'a proto::Model) -> Self {
        Self {
            name: &model.name,
            version: &model.version,
            sha256: &model.sha256,
            precision: &model.precision,
        }
    }
}

impl From<&proto::Timings> for Timings {
    fn from(timings: &proto::Timings) -> Self {
        Self {
            queue_ms: timings.queue.map(milliseconds),
            preprocess_ms: timings.preprocess.map(milliseconds),
            inference_ms: timings.inference.map(milliseconds),
            judge_ms: timings.judge.map(milliseconds),
            total_ms: timings.total.map(milliseconds),
        }
    }
}
