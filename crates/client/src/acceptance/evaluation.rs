//! The evaluation of a study.

use serde::Serialize;

use super::agreement::{Agreement, PartResult, agreement, part_results};
use super::criteria::{Conclusion, Criteria, CriterionResult};
use super::gauge::{Gauge, gauge};
use super::plan::{PartState, Series};
use super::record::{FaultRecord, Header, Measurement, Study};
use super::type1::{BiasFrom, Scores, Tolerance, Type1, study as study_type1};

/// A part is borderline if its mean is closer to the threshold than so many standard deviations of repeated scores (EV).
const BORDERLINE_DEVIATIONS: f64 = 3.0;

/// The scale on which scores are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreScale {
    /// The scores: all measurements have the same threshold.
    Score,
    /// Score minus threshold, because recipe regions with different thresholds decided. The threshold is 0.
    ScoreMinusThreshold,
}

/// A part whose decision is not certain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Borderline {
    /// The part.
    pub part: String,
    /// Its state.
    pub state: PartState,
    /// The mean of its scores.
    pub mean: f64,
    /// The threshold.
    pub threshold: f64,
    /// Why it is listed.
    pub reason: String,
}

/// The evaluation. This is the content of `acceptance.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// What the study is about.
    pub study: Header,
    /// When it was evaluated (UTC, RFC 3339).
    pub evaluated: String,
    /// The criteria.
    pub criteria: Criteria,
    /// Their results.
    pub results: Vec<CriterionResult>,
    /// The conclusion.
    pub conclusion: Conclusion,
    /// Number of planned measurements.
    pub planned: u64,
    /// Steps without a result.
    pub missing: Vec<u32>,
    /// The scale of all scores below.
    pub scale: ScoreScale,
    /// The tolerance of scores; none without a good part.
    pub tolerance: Option<Tolerance>,
    /// Type 1 studies.
    pub type1: Vec<Type1>,
    /// Agreement of decisions; none without parts.
    pub agreement: Option<Agreement>,
    /// Repeatability against the variation of all parts; none without repeated scores.
    pub gauge: Option<Gauge>,
    /// Repeatability against the variation of good parts.
    pub gauge_of_good: Option<Gauge>,
    /// Parts whose decision is not certain.
    pub borderline: Vec<Borderline>,
    /// Verdicts that are not measurements.
    pub faults: Vec<FaultRecord>,
    /// Measurements that do not count.
    pub discarded: Vec<Measurement>,
    /// All measurements that count, in the order of their steps.
    pub measurements: Vec<Measurement>,
}

/// Evaluates a study.
pub fn evaluate(study: &Study, criteria: Criteria, evaluated: String) -> Evaluation {
    let plan = &study.header.plan;
    let scale = scale_of(study);
    let scaled = |measured: &Measurement| {
        let [score, threshold] = [f64::from(measured.score), f64::from(measured.threshold)];
        match scale {
            ScoreScale::Score => [score, threshold],
            ScoreScale::ScoreMinusThreshold => [score - threshold, 0.0],
        }
    };
    let parts = part_results(
        plan,
        study.series(Series::Agreement),
        criteria.review,
        scaled,
    );
    let tolerance = tolerance(&parts, study, &scaled);
    let type1 = type1(study, &criteria, tolerance, &scaled);
    let scores: Vec<&[f64]> = parts.iter().map(|part| &part.scores[..]).collect();
    let gauge_of_all = gauge(&scores, tolerance);
    let good = parts.iter().filter(|part| part.state == PartState::Good);
    let good: Vec<&[f64]> = good.map(|part| &part.scores[..]).collect();
    let gauge_of_good = gauge(&good, tolerance);
    let deviation = gauge_of_all.as_ref().map_or(0.0, |gauge| gauge.ev);
    let borderline = parts
        .iter()
        .filter_map(|part| borderline(part, deviation))
        .collect();
    let agreement = agreement(parts, criteria.confidence);
    let missing: Vec<u32> = study.remaining().iter().map(|step| step.number).collect();
    let planned = (missing.len() + study.measurements.len()) as u64;
    let (results, conclusion) = criteria.judge(agreement.as_ref(), &type1, missing.len() as u64);
    Evaluation {
        study: study.header.clone(),
        evaluated,
        criteria,
        results,
        conclusion,
        planned,
        missing,
        scale,
        tolerance,
        type1,
        agreement,
        gauge: gauge_of_all,
        gauge_of_good,
        borderline,
        faults: study.faults.clone(),
        discarded: study.discarded.clone(),
        measurements: study.measurements.values().cloned().collect(),
    }
}

/// Scores are comparable if all have the same threshold.
fn scale_of(study: &Study) -> ScoreScale {
    let mut thresholds = study
        .measurements
        .values()
        .map(|measured| measured.threshold);
    let first = thresholds.next();
    let same = first.is_none_or(|first| thresholds.all(|other| other.total_cmp(&first).is_eq()));
    if same {
        ScoreScale::Score
    } else {
        ScoreScale::ScoreMinusThreshold
    }
}

/// The distance from the mean of good parts to the threshold. Without good parts in rounds, the reference part counts if it is
/// good.
fn tolerance(
    parts: &[PartResult],
    study: &Study,
    scaled: &impl Fn(&Measurement) -> [f64; 2],
) -> Option<Tolerance> {
    let good: Vec<&PartResult> = parts
        .iter()
        .filter(|part| part.state == PartState::Good)
        .collect();
    let (good_mean, threshold) = if let Some(first) = good.first() {
        let mean = good.iter().map(|part| part.mean).sum::<f64>() / good.len() as f64;
        (mean, first.threshold)
    } else {
        let single = [Series::Reference, Series::Moved];
        let measured = single.into_iter().flat_map(|series| study.series(series));
        let good = measured.filter(|measured| measured.state == PartState::Good);
        let values: Vec<[f64; 2]> = good.map(scaled).collect();
        let threshold = values.first()?[1];
        let sum: f64 = values.iter().map(|[score, _]| score).sum();
        (sum / values.len() as f64, threshold)
    };
    Some(Tolerance {
        threshold,
        good_mean,
        distance: threshold - good_mean,
    })
}

fn type1(
    study: &Study,
    criteria: &Criteria,
    tolerance: Option<Tolerance>,
    scaled: &impl Fn(&Measurement) -> [f64; 2],
) -> Vec<Type1> {
    let scores = |series: Series| {
        let measured: Vec<&Measurement> = study.series(series).collect();
        Some(Scores {
            series,
            part: measured.first()?.part.clone(),
            one_picture: study.header.plan.repeats_one_picture(series),
            values: measured
                .iter()
                .map(|measured| scaled(measured)[0])
                .collect(),
        })
    };
    let stated = criteria
        .reference_score
        .map(|value| (value, BiasFrom::StatedValue));
    let reference = scores(Series::Reference);
    let reference =
        reference.and_then(|scores| study_type1(scores, stated, tolerance, criteria.confidence));
    let from = reference
        .as_ref()
        .map(|study| (study.mean, BiasFrom::UnmovedMean))
        .or(stated);
    let moved = scores(Series::Moved);
    let moved = moved.and_then(|scores| study_type1(scores, from, tolerance, criteria.confidence));
    reference.into_iter().chain(moved).collect()
}

/// Why the decision about a part is not certain; none if it is.
fn borderline(part: &PartResult, deviation: f64) -> Option<Borderline> {
    let distance = (part.mean - part.threshold).abs();
    let reason = if part.mixed() {
        format!(
            "{} of {} decisions are REJECT",
            part.rejected,
            part.decisions.len()
        )
    } else if deviation > 0.0 && distance < BORDERLINE_DEVIATIONS * deviation {
        format!("{:.1} EV from the threshold", distance / deviation)
    } else {
        return None;
    };
    Some(Borderline {
        part: part.part.clone(),
        state: part.state,
        mean: part.mean,
        threshold: part.threshold,
        reason,
    })
}
