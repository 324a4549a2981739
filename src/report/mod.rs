//! The report of a period, such as a shift, from its verdicts and labels. No IO: the caller reads the journal and the
//! audit log.
//!
//! A part is a verdict of a group, or of a camera that belongs to no group. The verdicts of the views of a group are
//! frames, but not parts. Images that clients sent are frames, and are counted on their own.

mod builder;
mod intervals;
mod latency;
mod standstills;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use inspectd_core::decision::AnomalyKind;
use inspectd_core::record::{FaultReason, ModelId, RecipeTag};

use crate::pipeline::camera_stats::DecisionCounts;

pub use builder::ReportBuilder;
pub use latency::Percentiles;

/// What a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportScope {
    /// Verdicts journalled at or after this time.
    pub from: SystemTime,
    /// Verdicts journalled before this time, which is later than `from`.
    pub to: SystemTime,
    /// The journal keeps the verdicts of the period from this time on; unset: it keeps all of them.
    pub kept_from: Option<SystemTime>,
    /// Ids of cameras and groups. A group selects its parts and their views. Empty: all verdicts.
    pub ids: Vec<String>,
    /// A time without verdicts that is longer than this is a standstill.
    pub standstill_after: Duration,
    /// Starts of the daemon.
    pub starts: Vec<SystemTime>,
}

/// What the line did in a period.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The begin of the period.
    pub from: SystemTime,
    /// The end of the period.
    pub to: SystemTime,
    /// As [`ReportScope::kept_from`].
    pub kept_from: Option<SystemTime>,
    /// All parts.
    pub parts: DecisionCounts,
    /// Images that clients sent.
    pub client_images: DecisionCounts,
    /// By camera or group, by id.
    pub sources: Vec<ReportSource>,
    /// By time: at most 96 intervals of equal length, in order.
    pub intervals: Vec<ReportInterval>,
    /// Rejected frames by the region that decided, most first.
    pub regions: Vec<RejectCause>,
    /// Rejected frames by the branch of the model with the larger share, most first.
    pub branches: Vec<(AnomalyKind, u64)>,
    /// Labels of defective parts by class of defect, most first. An empty class: none was stated.
    pub classes: Vec<(String, u64)>,
    /// What people said.
    pub reviewed: Reviewed,
    /// FAULT verdicts by reason, most first. A part that is FAULT by a view has no reason of its own: its view has it.
    pub faults: Vec<ReportFault>,
    /// Times without verdicts, longest first, at most 100.
    pub standstills: Vec<ReportStandstill>,
    /// The sum of all of them, those that are not listed included.
    pub standstill_total: Duration,
    /// From capture to verdict, for judged frames.
    pub latency: Percentiles,
    /// By stage, for judged frames: queue, preprocess, inference, judge.
    pub stages: [(&'static str, Percentiles); 4],
    /// By recipe, most parts first; no recipe is one of them.
    pub recipes: Vec<(Option<RecipeTag>, DecisionCounts)>,
    /// By model, most parts first.
    pub models: Vec<(ModelId, DecisionCounts)>,
}

/// The parts of one camera or group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportSource {
    /// The id of the camera or group.
    pub id: String,
    /// Whether it is a group.
    pub group: bool,
    /// Its parts.
    pub parts: DecisionCounts,
}

/// The parts of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportInterval {
    /// Its begin.
    pub from: SystemTime,
    /// Its parts.
    pub parts: DecisionCounts,
}

/// Rejected frames of a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectCause {
    /// The camera; empty for images that clients sent.
    pub camera: String,
    /// The region; empty for the rest of the frame.
    pub region: String,
    /// The number of rejected frames.
    pub count: u64,
}

/// FAULT verdicts of a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFault {
    /// The camera or group; empty for images that clients sent.
    pub id: String,
    /// The reason.
    pub reason: FaultReason,
    /// The number of verdicts.
    pub count: u64,
}

/// A time without verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportStandstill {
    /// When the last verdict before it was journalled, or the begin of the period.
    pub from: SystemTime,
    /// When the first verdict after it was journalled, or the end of the period.
    pub to: SystemTime,
    /// Whether the daemon was started during this time.
    pub started: bool,
}

impl ReportStandstill {
    /// Returns its length.
    pub fn length(&self) -> Duration {
        self.to.duration_since(self.from).unwrap_or_default()
    }
}

/// Numbers of labelled verdicts. Frames are verdicts with a judgement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reviewed {
    /// Rejected frames that are labelled good.
    pub rejected_good: u64,
    /// Rejected frames that are labelled defective.
    pub rejected_defective: u64,
    /// Rejected frames without a label.
    pub rejected_unlabelled: u64,
    /// Passed frames that are labelled good.
    pub passed_good: u64,
    /// Passed frames that are labelled defective.
    pub passed_defective: u64,
    /// Verdicts that are labelled unsure.
    pub unsure: u64,
    /// REVIEW verdicts with a label.
    pub review_labelled: u64,
    /// REVIEW verdicts without a label.
    pub review_unlabelled: u64,
}

/// The share of PASS among parts with a judgement (PASS, REVIEW, REJECT), 0 to 1; none without such parts. Counts below
/// 2^53 are exact in `f64`, so the quotient is the `f64` closest to the share.
pub fn yield_of(parts: DecisionCounts) -> Option<f64> {
    let judged = parts.pass + parts.review + parts.reject;
    (judged > 0).then(|| parts.pass as f64 / judged as f64)
}

/// The number of all parts.
fn total(parts: DecisionCounts) -> u64 {
    parts.pass + parts.reject + parts.review + parts.fault
}
