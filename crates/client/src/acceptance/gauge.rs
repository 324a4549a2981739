//! Gauge repeatability: the scatter of repeated scores against the variation of parts, by analysis of variance.
//!
//! AIAG MSA, 4th edition, chapter III, section B. The system works without an appraiser, so that there is no reproducibility
//! and the analysis has one factor, the part: EV^2 is the mean square within parts, PV^2 the variance between parts,
//! TV^2 = EV^2 + PV^2, %EV = 100 EV / TV, ndc = 1.41 PV / EV, rounded down.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use super::type1::Tolerance;

/// One row of the table of the analysis of variance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AnovaRow {
    /// Degrees of freedom.
    pub freedom: u64,
    /// Sum of squares.
    pub squares: f64,
    /// Mean square.
    pub mean_square: f64,
}

/// The result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gauge {
    /// Number of parts with at least two scores.
    pub parts: usize,
    /// Number of their scores.
    pub scores: usize,
    /// Between parts.
    pub between: AnovaRow,
    /// Within parts: repeatability.
    pub within: AnovaRow,
    /// The ratio of the mean squares; none if all scores of each part are equal.
    pub f: Option<f64>,
    /// Probability of such a ratio without a difference of parts; none as above.
    pub p: Option<f64>,
    /// Equipment variation EV: the standard deviation of repeated scores.
    pub ev: f64,
    /// Part variation PV.
    pub pv: f64,
    /// Total variation TV.
    pub tv: f64,
    /// EV in percent of TV; none if all scores are equal.
    pub ev_percent: Option<f64>,
    /// Number of distinct categories; none if it is unlimited because EV is 0.
    pub categories: Option<u64>,
    /// 6 EV in percent of the tolerance 2 D; none without a positive tolerance.
    pub ev_percent_of_tolerance: Option<f64>,
}

/// Analyses the scores of parts; none with fewer than two parts, or without repeated scores.
pub(super) fn gauge(parts: &[&[f64]], tolerance: Option<Tolerance>) -> Option<Gauge> {
    let parts: Vec<&[f64]> = parts
        .iter()
        .copied()
        .filter(|scores| scores.len() > 1)
        .collect();
    let scores: usize = parts.iter().map(|scores| scores.len()).sum();
    if parts.len() < 2 {
        return None;
    }
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
    let whole = parts
        .iter()
        .map(|scores| scores.iter().sum::<f64>())
        .sum::<f64>()
        / scores as f64;
    let between = row(
        parts.len() as u64 - 1,
        parts
            .iter()
            .map(|part| part.len() as f64 * (mean(part) - whole).powi(2))
            .sum(),
    );
    let within_part = |part: &&[f64]| {
        let mean = mean(part);
        let equal = part.iter().all(|score| score.total_cmp(&part[0]).is_eq());
        if equal {
            0.0
        } else {
            part.iter().map(|score| (score - mean).powi(2)).sum::<f64>()
        }
    };
    let within = row(
        (scores - parts.len()) as u64,
        parts.iter().map(within_part).sum(),
    );
    // The number of scores of a part, where it is the same for all; otherwise the mean that gives the variance without bias.
    let squares: f64 = parts.iter().map(|part| (part.len() as f64).powi(2)).sum();
    let each = (scores as f64 - squares / scores as f64) / (parts.len() - 1) as f64;
    let ev = within.mean_square.sqrt();
    let pv = ((between.mean_square - within.mean_square) / each)
        .max(0.0)
        .sqrt();
    let tv = ev.hypot(pv);
    let f = (within.mean_square > 0.0).then(|| between.mean_square / within.mean_square);
    let distance = tolerance
        .map(|tolerance| tolerance.distance)
        .filter(|distance| *distance > 0.0);
    Some(Gauge {
        parts: parts.len(),
        scores,
        between,
        within,
        f,
        p: f.and_then(|f| {
            let distribution =
                FisherSnedecor::new(between.freedom as f64, within.freedom as f64).ok()?;
            Some(distribution.sf(f))
        }),
        ev,
        pv,
        tv,
        ev_percent: (tv > 0.0).then(|| 100.0 * ev / tv),
        categories: (ev > 0.0).then(|| (1.41 * pv / ev).floor() as u64),
        ev_percent_of_tolerance: distance.map(|distance| 100.0 * 3.0 * ev / distance),
    })
}

fn row(freedom: u64, squares: f64) -> AnovaRow {
    AnovaRow {
        freedom,
        squares,
        mean_square: squares / freedom as f64,
    }
}
