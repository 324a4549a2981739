//! Type 1 study: the scores of one part that is measured many times.
//!
//! AIAG MSA, 4th edition, chapter IV, and VDA 5, 3rd edition, section 6: with a tolerance T, a standard deviation s and a bias b
//! (the distance of the mean from the reference value),
//!
//! ```text
//! Cg  = 0.2 T / (6 s)            Cgk = (0.1 T - |b|) / (3 s)
//! ```
//!
//! A score has only an upper limit, the threshold. Its tolerance is taken as the range around the mean of good parts whose upper
//! end is the threshold: T = 2 D, where D is the distance from that mean to the threshold. So
//!
//! ```text
//! Cg  = 0.2 D / (3 s)            Cgk = (0.2 D - |b|) / (3 s)
//! ```
//!
//! Nobody can calibrate a score: the reference value of the part that is put back each time is its mean without moving it. That
//! of the part that is not moved is its own mean, unless a value from an earlier study is stated.

use serde::Serialize;

use super::interval::of_deviation;
use super::plan::Series;

/// The share of the tolerance that a measurement system may use, half of it on each side of the mean (K = 20 %).
const SHARE: f64 = 0.2;

/// Coverage factor of the expanded uncertainty, for about 95 %.
const COVERAGE: f64 = 2.0;

/// The tolerance of scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tolerance {
    /// Scores above it are REJECT.
    pub threshold: f64,
    /// Mean score of good parts.
    pub good_mean: f64,
    /// Distance D from the mean of good parts to the threshold; not positive if good parts are rejected on average.
    pub distance: f64,
}

/// What a type 1 study found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Type1 {
    /// The series.
    pub series: Series,
    /// The part.
    pub part: String,
    /// Number of measurements, at least 2.
    pub count: usize,
    /// Mean of the scores.
    pub mean: f64,
    /// Standard deviation s of the scores: the repeatability.
    pub deviation: f64,
    /// Its interval with the confidence of the study.
    pub deviation_interval: [f64; 2],
    /// The lowest score.
    pub lowest: f64,
    /// The highest score.
    pub highest: f64,
    /// The bias b.
    pub bias: f64,
    /// What the bias is the distance from.
    pub bias_from: BiasFrom,
    /// Whether one picture was judged again and again: then the study shows only that the computation is deterministic.
    pub one_picture: bool,
    /// Capability; none without a tolerance.
    pub capability: Option<Capability>,
    /// The scores, in the order of the measurements.
    pub scores: Vec<f64>,
}

/// The reference value of a bias.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BiasFrom {
    /// The mean of the series itself: the bias is 0.
    OwnMean,
    /// The mean of the part that is not moved.
    UnmovedMean,
    /// A value that was stated.
    StatedValue,
}

/// Capability of the measurement system with respect to a tolerance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Capability {
    /// The tolerance.
    pub tolerance: Tolerance,
    /// Cg; none if it is unlimited because all scores are equal.
    pub cg: Option<f64>,
    /// Cgk; none if it is unlimited.
    pub cgk: Option<f64>,
    /// VDA 5: the expanded uncertainty from repeatability and bias in percent of half the tolerance,
    /// Q_MS = 2 k u / T * 100 with k = 2, u^2 = s^2 + b^2 / 3, T = 2 D. 15 % is the usual limit.
    pub q_ms_percent: f64,
}

/// Mean and standard deviation (with n - 1); none for fewer than two values.
pub(super) fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    // Equal values have no deviation, whatever the rounding of their mean.
    let equal = values
        .iter()
        .all(|value| value.total_cmp(&values[0]).is_eq());
    let deviation = if equal {
        0.0
    } else {
        (squares / (values.len() - 1) as f64).sqrt()
    };
    Some((mean, deviation))
}

/// The scores of one series.
pub(super) struct Scores {
    pub series: Series,
    pub part: String,
    pub one_picture: bool,
    pub values: Vec<f64>,
}

/// Studies a series; none with fewer than two scores. `reference` is the reference value with its origin; without one, the bias
/// is 0.
pub(super) fn study(
    scores: Scores,
    reference: Option<(f64, BiasFrom)>,
    tolerance: Option<Tolerance>,
    confidence: f64,
) -> Option<Type1> {
    let Scores {
        series,
        part,
        one_picture,
        values,
    } = scores;
    let (mean, deviation) = mean_and_deviation(&values)?;
    let (bias, bias_from) = reference.map_or((0.0, BiasFrom::OwnMean), |(value, from)| {
        (mean - value, from)
    });
    Some(Type1 {
        series,
        part,
        count: values.len(),
        mean,
        deviation,
        deviation_interval: of_deviation(deviation, values.len(), confidence)?,
        lowest: values.iter().copied().fold(f64::INFINITY, f64::min),
        highest: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        bias,
        bias_from,
        one_picture,
        capability: tolerance.map(|tolerance| capability(tolerance, deviation, bias)),
        scores: values,
    })
}

fn capability(tolerance: Tolerance, deviation: f64, bias: f64) -> Capability {
    let room = SHARE * tolerance.distance;
    // A series without any deviation is limited only by its bias and by a threshold that good parts exceed.
    let ratio = |room: f64| {
        if deviation > 0.0 {
            Some(room / (3.0 * deviation))
        } else if room > 0.0 {
            None
        } else {
            Some(0.0)
        }
    };
    let uncertainty = (deviation.powi(2) + bias.powi(2) / 3.0).sqrt();
    Capability {
        tolerance,
        cg: ratio(room),
        cgk: ratio(room - bias.abs()),
        q_ms_percent: if tolerance.distance > 0.0 {
            100.0 * COVERAGE * uncertainty / tolerance.distance
        } else {
            f64::INFINITY
        },
    }
}
