//! Counts the verdicts of a report.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use inspectd_core::decision::{AnomalyKind, Decision};
use inspectd_core::id::CameraId;
use inspectd_core::record::{FaultReason, Outcome, Stamp, Timings, Verdict};
use inspectd_core::verdict::Judgement;

use super::intervals::Intervals;
use super::latency::LatencyHistogram;
use super::standstills::Standstills;
use super::{
    Percentiles, RejectCause, Report, ReportFault, ReportScope, ReportSource, Reviewed, total,
};
use crate::journal::{Label, LabelKind};
use crate::pipeline::camera_stats::DecisionCounts;

/// Builds a report from the verdicts of a period. Its memory depends on the numbers of sources, regions, classes, recipes
/// and models, not on the number of verdicts.
#[derive(Debug)]
pub struct ReportBuilder {
    scope: ReportScope,
    parts: DecisionCounts,
    client_images: DecisionCounts,
    /// By id, and whether it is a group.
    sources: BTreeMap<(String, bool), DecisionCounts>,
    intervals: Intervals,
    /// Parts by what they were made with.
    stamps: HashMap<Arc<Stamp>, DecisionCounts>,
    /// Rejected frames by camera and region.
    regions: HashMap<(String, String), u64>,
    structural: u64,
    logical: u64,
    classes: HashMap<String, u64>,
    reviewed: Reviewed,
    faults: HashMap<(String, FaultReason), u64>,
    standstills: Standstills,
    latency: LatencyHistogram,
    stages: StageHistograms,
}

/// Durations by stage.
#[derive(Debug, Default)]
struct StageHistograms {
    queue: LatencyHistogram,
    preprocess: LatencyHistogram,
    inference: LatencyHistogram,
    judge: LatencyHistogram,
}

/// What a verdict is about.
enum VerdictSubject<'a> {
    /// A part: the id of its camera or group, and whether it is a group.
    Part(&'a str, bool),
    /// A view of a part of a group.
    View,
    /// An image that a client sent.
    ClientImage,
}

impl ReportBuilder {
    /// A report without verdicts.
    pub fn new(mut scope: ReportScope) -> Self {
        let starts = std::mem::take(&mut scope.starts);
        let from = scope.kept_from.map_or(scope.from, |kept| {
            kept.clamp(scope.from, scope.to.max(scope.from))
        });
        Self {
            intervals: Intervals::new(scope.from, scope.to),
            standstills: Standstills::new(from, scope.standstill_after, starts),
            scope,
            parts: DecisionCounts::default(),
            client_images: DecisionCounts::default(),
            sources: BTreeMap::new(),
            stamps: HashMap::new(),
            regions: HashMap::new(),
            structural: 0,
            logical: 0,
            classes: HashMap::new(),
            reviewed: Reviewed::default(),
            faults: HashMap::new(),
            latency: LatencyHistogram::default(),
            stages: StageHistograms::default(),
        }
    }

    /// Counts a verdict with its label. Verdicts come in the order of their sequence; those outside the period, and those
    /// of other cameras and groups, are left out.
    pub fn add(&mut self, verdict: &Verdict, label: Option<&Label>) {
        let recorded = verdict.recorded;
        // Where the clock was set back, the sequences of the period include verdicts of other times.
        let in_period = self.scope.from <= recorded && recorded < self.scope.to;
        if !in_period || !self.is_selected(verdict) {
            return;
        }
        self.standstills.add(recorded, verdict.run);
        match subject_of(verdict) {
            VerdictSubject::Part(id, group) => self.add_part(verdict, id, group),
            VerdictSubject::ClientImage => self.client_images.add(verdict.decision()),
            VerdictSubject::View => {}
        }
        if let Some(judgement) = verdict.outcome.judgement() {
            self.add_judged(verdict, judgement);
        }
        if verdict.decision() == Decision::Fault
            && let Some(fault) = verdict.outcome.fault()
        {
            let key = (id_of(verdict).to_owned(), fault.reason);
            *self.faults.entry(key).or_default() += 1;
        }
        self.add_label(verdict, label);
    }

    fn is_selected(&self, verdict: &Verdict) -> bool {
        let ids = &self.scope.ids;
        let subject = &verdict.subject;
        let camera = subject.camera.as_ref().map(CameraId::as_str);
        let of = |id: Option<&str>| id.is_some_and(|id| ids.iter().any(|one| one == id));
        ids.is_empty() || of(camera) || of(subject.group.as_deref())
    }

    fn add_part(&mut self, verdict: &Verdict, id: &str, group: bool) {
        let decision = verdict.decision();
        self.parts.add(decision);
        self.intervals.add(verdict.recorded, decision);
        let source = self.sources.entry((id.to_owned(), group));
        source.or_default().add(decision);
        let stamp = Arc::clone(&verdict.subject.stamp);
        self.stamps.entry(stamp).or_default().add(decision);
    }

    fn add_judged(&mut self, verdict: &Verdict, judgement: &Judgement) {
        self.latency.add(verdict.subject.timings.total);
        self.stages.add(&verdict.subject.timings);
        if judgement.decision != Decision::Reject {
            return;
        }
        let camera = verdict.subject.camera.as_ref();
        let camera = camera.map_or_else(String::new, ToString::to_string);
        let region = judgement.decided_by.as_deref().unwrap_or_default();
        *self.regions.entry((camera, region.to_owned())).or_default() += 1;
        match judgement.dominant {
            AnomalyKind::Structural => self.structural += 1,
            AnomalyKind::Logical => self.logical += 1,
        }
    }

    fn add_label(&mut self, verdict: &Verdict, label: Option<&Label>) {
        let reviewed = &mut self.reviewed;
        let kind = label.map(|label| label.kind);
        let frame = matches!(verdict.outcome, Outcome::Judged(_));
        match (verdict.decision(), kind) {
            (Decision::Reject, None) if frame => reviewed.rejected_unlabelled += 1,
            (Decision::Reject, Some(LabelKind::Good)) if frame => reviewed.rejected_good += 1,
            (Decision::Reject, Some(LabelKind::Defective)) if frame => {
                reviewed.rejected_defective += 1;
            }
            (Decision::Pass, Some(LabelKind::Good)) if frame => reviewed.passed_good += 1,
            (Decision::Pass, Some(LabelKind::Defective)) if frame => reviewed.passed_defective += 1,
            (Decision::Review, None) if frame => reviewed.review_unlabelled += 1,
            (Decision::Review, Some(_)) if frame => reviewed.review_labelled += 1,
            _ => {}
        }
        if kind == Some(LabelKind::Unsure) {
            reviewed.unsure += 1;
        }
        if let Some(label) = label.filter(|label| label.kind == LabelKind::Defective) {
            *self.classes.entry(label.defect_class.clone()).or_default() += 1;
        }
    }

    /// Returns the report.
    pub fn finish(self) -> Report {
        let (standstills, standstill_total) = self.standstills.finish(self.scope.to);
        let branches = [
            (AnomalyKind::Structural, self.structural),
            (AnomalyKind::Logical, self.logical),
        ];
        let mut branches: Vec<_> = branches
            .into_iter()
            .filter(|&(_, count)| count > 0)
            .collect();
        branches.sort_by_key(|&(_, count)| Reverse(count));
        let source = |((id, group), parts)| ReportSource { id, group, parts };
        let regions = most_first(self.regions, Clone::clone).into_iter();
        let faults = most_first(self.faults, |(id, reason)| (id.clone(), reason.name()));
        let classes = most_first(self.classes, Clone::clone);
        Report {
            from: self.scope.from,
            to: self.scope.to,
            kept_from: self.scope.kept_from,
            parts: self.parts,
            client_images: self.client_images,
            sources: self.sources.into_iter().map(source).collect(),
            intervals: self.intervals.finish(),
            regions: regions
                .map(|((camera, region), count)| RejectCause {
                    camera,
                    region,
                    count,
                })
                .collect(),
            branches,
            classes,
            reviewed: self.reviewed,
            faults: faults
                .into_iter()
                .map(|((id, reason), count)| ReportFault { id, reason, count })
                .collect(),
            standstills,
            standstill_total,
            latency: self.latency.percentiles(),
            stages: self.stages.percentiles(),
            recipes: by_stamp(
                &self.stamps,
                |stamp| stamp.recipe.clone(),
                |recipe| {
                    let tag = recipe.as_ref();
                    tag.map(|tag| [tag.id.clone(), tag.version.clone(), tag.sha256.clone()])
                },
            ),
            models: by_stamp(
                &self.stamps,
                |stamp| stamp.model.clone(),
                |model| {
                    [
                        model.name.clone(),
                        model.version.clone(),
                        model.sha256.clone(),
                    ]
                },
            ),
        }
    }
}

impl StageHistograms {
    /// Counts the stages that a frame reached.
    fn add(&mut self, timings: &Timings) {
        let stages = [
            (&mut self.queue, timings.queue),
            (&mut self.preprocess, timings.preprocess),
            (&mut self.inference, timings.inference),
            (&mut self.judge, timings.judge),
        ];
        for (histogram, duration) in stages {
            if let Some(duration) = duration {
                histogram.add(duration);
            }
        }
    }

    fn percentiles(&self) -> [(&'static str, Percentiles); 4] {
        [
            ("queue", self.queue.percentiles()),
            ("preprocess", self.preprocess.percentiles()),
            ("inference", self.inference.percentiles()),
            ("judge", self.judge.percentiles()),
        ]
    }
}

/// What a verdict is about, from its camera and its group.
fn subject_of(verdict: &Verdict) -> VerdictSubject<'_> {
    let subject = &verdict.subject;
    match (&subject.camera, subject.group.as_deref()) {
        (Some(camera), None) => VerdictSubject::Part(camera.as_str(), false),
        (Some(_), Some(_)) => VerdictSubject::View,
        (None, Some(group)) => VerdictSubject::Part(group, true),
        (None, None) => match &verdict.outcome {
            Outcome::Part(_) => VerdictSubject::Part("", true),
            Outcome::Judged(_) | Outcome::Fault(_) => VerdictSubject::ClientImage,
        },
    }
}

/// The camera of a verdict, or its group if it is of a part; empty for an image that a client sent.
fn id_of(verdict: &Verdict) -> &str {
    let subject = &verdict.subject;
    let camera = subject.camera.as_ref().map(CameraId::as_str);
    camera.or(subject.group.as_deref()).unwrap_or_default()
}

/// Sorts counts, most first; equal ones by `order`.
fn most_first<K, O: Ord>(counts: HashMap<K, u64>, order: impl Fn(&K) -> O) -> Vec<(K, u64)> {
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by_cached_key(|(key, count)| (Reverse(*count), order(key)));
    sorted
}

/// Sums the parts by a component of their stamps, most parts first; equal ones by `order`.
fn by_stamp<K: Eq + Hash, O: Ord>(
    stamps: &HashMap<Arc<Stamp>, DecisionCounts>,
    component: impl Fn(&Stamp) -> K,
    order: impl Fn(&K) -> O,
) -> Vec<(K, DecisionCounts)> {
    let mut sums: HashMap<K, DecisionCounts> = HashMap::new();
    for (stamp, parts) in stamps {
        let sum = sums.entry(component(stamp)).or_default();
        sum.pass += parts.pass;
        sum.reject += parts.reject;
        sum.review += parts.review;
        sum.fault += parts.fault;
    }
    let mut sorted: Vec<_> = sums.into_iter().collect();
    sorted.sort_by_cached_key(|(key, parts)| (Reverse(total(*parts)), order(key)));
    sorted
}
