//! Converts the results of tuning to the messages of `tuning.proto`.

use inspectd_core::record::{ModelId, RecipeTag, Verdict};
use inspectd_core::score::ThresholdMethod;

use crate::control::threshold::ThresholdPlace;
use crate::grpc::convert::{decimal, decision, model, recipe_tag, timestamp};
use crate::grpc::proto;
use crate::tuning::evaluate::{Share, ThresholdOutcome, TrendGroup};
use crate::tuning::replay::{Change, Matrix, Obstacle, Summary};
use crate::tuning::suggest::{Basis, Bin, Estimate, Suggestion};

fn basis(basis: Basis) -> proto::ThresholdBasis {
    match basis {
        Basis::Calibration => proto::ThresholdBasis::Calibration,
        Basis::JournalLower => proto::ThresholdBasis::JournalLower,
        Basis::JournalUpper => proto::ThresholdBasis::JournalUpper,
    }
}

fn method(method: ThresholdMethod) -> proto::ThresholdMethod {
    match method {
        ThresholdMethod::EmpiricalQuantile => proto::ThresholdMethod::EmpiricalQuantile,
        ThresholdMethod::ExponentialTail => proto::ThresholdMethod::ExponentialTail,
    }
}

fn estimate(estimate: Estimate) -> proto::FalseRejectEstimate {
    proto::FalseRejectEstimate {
        threshold: estimate.threshold,
        rejected: estimate.rejected as u64,
        count: estimate.count as u64,
        rate_low: estimate.rate.0,
        rate_high: estimate.rate.1,
    }
}

pub(super) fn suggestion(suggestion: &Suggestion) -> proto::ThresholdSuggestion {
    proto::ThresholdSuggestion {
        basis: basis(suggestion.basis).into(),
        method: method(suggestion.method).into(),
        estimate: Some(estimate(suggestion.estimate)),
        threshold_low: suggestion.threshold.0,
        threshold_high: suggestion.threshold.1,
        needed_count: suggestion.needed,
        present: Some(estimate(suggestion.present)),
    }
}

pub(super) fn bin(bin: &Bin) -> proto::ScoreBin {
    proto::ScoreBin {
        from: bin.from,
        to: bin.to,
        calibration: bin.calibration,
        pass: bin.pass,
        review: bin.review,
        reject: bin.reject,
        labelled_good: bin.labelled_good,
        labelled_defective: bin.labelled_defective,
    }
}

pub(super) fn place(place: &ThresholdPlace) -> proto::ThresholdPlace {
    let recipe = place.recipe.as_ref();
    proto::ThresholdPlace {
        recipe_id: recipe.map_or_else(String::new, ToString::to_string),
        key: place.key.clone(),
        threshold: place.threshold.map(decimal),
    }
}

fn share(share: Share) -> proto::ShareEstimate {
    proto::ShareEstimate {
        count: share.count as u64,
        total: share.total as u64,
        low: share.interval.0,
        high: share.interval.1,
    }
}

pub(super) fn outcome(outcome: &ThresholdOutcome) -> proto::ThresholdOutcome {
    proto::ThresholdOutcome {
        threshold: outcome.threshold,
        pass: outcome.pass,
        review: outcome.review,
        reject: outcome.reject,
        newly_rejected: outcome.newly_rejected,
        no_longer_rejected: outcome.no_longer_rejected,
        false_rejects: Some(share(outcome.false_rejects)),
        misses: Some(share(outcome.misses)),
        calibration: outcome.calibration.map(share),
    }
}

pub(super) fn trend(group: &TrendGroup) -> proto::ScoreTrend {
    proto::ScoreTrend {
        from_time: Some(timestamp(group.from)),
        to_time: Some(timestamp(group.to)),
        last_sequence: group.last_sequence,
        count: group.count as u64,
        low: decimal(group.low),
        median: decimal(group.median),
        high: decimal(group.high),
        highest: decimal(group.highest),
    }
}

pub(super) fn change(verdict: &Verdict, change: &Change) -> proto::ReplayChange {
    let subject = &verdict.subject;
    let tag = subject.tag.as_deref();
    let scores = change.scores.as_ref();
    proto::ReplayChange {
        sequence: verdict.sequence,
        camera_id: subject
            .camera
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        part_id: tag.map_or_else(String::new, |tag| tag.part_id.clone()),
        record_time: Some(verdict.recorded.into()),
        old_decision: decision(change.old).into(),
        new_decision: decision(change.new).into(),
        old_score: scores.map(|scores| scores.old),
        new_score: scores.map(|scores| scores.new),
        new_threshold: scores.map(|scores| scores.threshold),
        region: scores.map_or_else(String::new, |scores| scores.region.clone()),
    }
}

fn obstacle(obstacle: Obstacle) -> proto::ReplayObstacle {
    match obstacle {
        Obstacle::NoMap => proto::ReplayObstacle::NoMap,
        Obstacle::OtherModel => proto::ReplayObstacle::OtherModel,
        Obstacle::OtherView => proto::ReplayObstacle::OtherView,
        Obstacle::ClientImage => proto::ReplayObstacle::ClientImage,
        Obstacle::Fault => proto::ReplayObstacle::Fault,
        Obstacle::DamagedMap => proto::ReplayObstacle::DamagedMap,
        Obstacle::NothingInspected => proto::ReplayObstacle::NothingInspected,
    }
}

fn cells(matrix: &Matrix) -> Vec<proto::ReplayCell> {
    let cell = |(old, new, count)| proto::ReplayCell {
        old_decision: decision(old).into(),
        new_decision: decision(new).into(),
        count,
    };
    matrix.cells().map(cell).collect()
}

pub(super) fn summary(
    summary: &Summary,
    recipe: &RecipeTag,
    model_id: &ModelId,
) -> proto::ReplaySummary {
    let skipped = summary.skipped.iter();
    proto::ReplaySummary {
        verdicts: summary.verdicts,
        by_map: summary.by_map,
        by_score: summary.by_score,
        frames: cells(&summary.frames),
        parts: cells(&summary.parts),
        skipped: skipped
            .map(|(&reason, &count)| proto::ReplaySkipped {
                obstacle: obstacle(reason).into(),
                count,
            })
            .collect(),
        recipe: Some(recipe_tag(recipe)),
        model: Some(model(model_id)),
    }
}
