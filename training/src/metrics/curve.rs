//! Curves over the false positive rate: exact areas, and a thinned list of points for figures.

use serde::{Deserialize, Serialize};

/// Upper limits of the false positive rate for areas, as in the evaluation of MVTec LOCO AD.
pub const FPR_LIMITS: [f64; 5] = [0.01, 0.05, 0.1, 0.3, 1.0];

/// A piecewise linear curve from (0, 0) to (1, 1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// False positive rates, ascending.
    pub fpr: Vec<f64>,
    /// Values at these rates: true positive rate, PRO or sPRO; ascending.
    pub value: Vec<f64>,
}

/// Area under a curve from FPR 0 to a limit, divided by the limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitedArea {
    /// Upper limit of the false positive rate.
    pub fpr_limit: f64,
    /// Normalised area, at most 1.
    pub area: f64,
}

/// Returns the area at one of the [`FPR_LIMITS`].
pub fn area_at(areas: &[LimitedArea], fpr_limit: f64) -> Option<f64> {
    areas
        .iter()
        .find(|area| area.fpr_limit.total_cmp(&fpr_limit).is_eq())
        .map(|area| area.area)
}

/// Compensated summation, accurate for many small terms (Neumaier, 1974).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    sum: f64,
    compensation: f64,
}

impl Sum {
    pub(super) fn add(&mut self, term: f64) {
        let sum = self.sum + term;
        self.compensation += if self.sum.abs() >= term.abs() {
            (self.sum - sum) + term
        } else {
            (term - sum) + self.sum
        };
        self.sum = sum;
    }

    pub(super) fn value(self) -> f64 {
        self.sum + self.compensation
    }
}

/// Follows a curve from point to point, starting at (0, 0); accumulates its areas and a thinned copy.
#[derive(Debug)]
pub(super) struct Tracer {
    at: (f64, f64),
    areas: [Sum; FPR_LIMITS.len()],
    kept: Vec<(f64, f64)>,
}

impl Tracer {
    pub(super) fn new() -> Self {
        Self {
            at: (0.0, 0.0),
            areas: [Sum::default(); FPR_LIMITS.len()],
            kept: vec![(0.0, 0.0)],
        }
    }

    /// Adds a straight segment to `(fpr, value)`. Neither coordinate may decrease.
    pub(super) fn line_to(&mut self, fpr: f64, value: f64) {
        let (from, to) = (self.at, (fpr, value));
        if from == to {
            return;
        }
        if to.0 > from.0 {
            for (limit, sum) in FPR_LIMITS.into_iter().zip(&mut self.areas) {
                if from.0 < limit {
                    sum.add(trapezoid(from, to, limit));
                }
            }
        }
        self.keep(to);
        self.at = to;
    }

    /// Keeps `to` in the thinned copy, and the point before it, if they are far enough apart.
    fn keep(&mut self, to: (f64, f64)) {
        let last = self.kept[self.kept.len() - 1];
        if !far(last, to) {
            return;
        }
        if last != self.at {
            self.kept.push(self.at);
        }
        if far(self.at, to) {
            self.kept.push(to);
        }
    }

    /// Returns the areas at all limits, and the thinned curve.
    pub(super) fn finish(mut self) -> (Vec<LimitedArea>, Curve) {
        self.line_to(1.0, self.at.1);
        if self.kept.last() != Some(&self.at) {
            self.kept.push(self.at);
        }
        let areas = FPR_LIMITS
            .into_iter()
            .zip(self.areas)
            .map(|(fpr_limit, sum)| LimitedArea {
                fpr_limit,
                area: sum.value() / fpr_limit,
            })
            .collect();
        let (fpr, value) = self.kept.into_iter().unzip();
        (areas, Curve { fpr, value })
    }
}

/// Area below the segment between two points, up to FPR `limit`, which is right of the first point.
fn trapezoid(from: (f64, f64), to: (f64, f64), limit: f64) -> f64 {
    if to.0 <= limit {
        return (to.0 - from.0) * f64::midpoint(from.1, to.1);
    }
    let fraction = (limit - from.0) / (to.0 - from.0);
    let end = from.1 + fraction * (to.1 - from.1);
    (limit - from.0) * f64::midpoint(from.1, end)
}

/// Whether the distance of two points is visible in a figure: 1/150 of its side or, near FPR 0 where axes
/// are often logarithmic, 8 % of the rate.
fn far(one: (f64, f64), other: (f64, f64)) -> bool {
    const STEP: f64 = 1.0 / 150.0;
    const MIN_FPR_STEP: f64 = 1e-5;
    let fpr_step = STEP.min(0.08 * other.0).max(MIN_FPR_STEP);
    other.0 - one.0 >= fpr_step || other.1 - one.1 >= STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(points: &[(f64, f64)]) -> (Vec<LimitedArea>, Curve) {
        let mut tracer = Tracer::new();
        for &(fpr, value) in points {
            tracer.line_to(fpr, value);
        }
        tracer.finish()
    }

    #[test]
    fn areas_are_limited_to_their_fpr_limits() {
        let check = |points: &[(f64, f64)], expected: [f64; 5]| {
            let (areas, _) = trace(points);
            for (area, expected) in areas.iter().zip(expected) {
                assert!((area.area - expected).abs() < 1e-15, "{areas:?}");
            }
        };
        check(&[(1.0, 1.0)], [0.005, 0.025, 0.05, 0.15, 0.5]);
        check(&[(0.0, 1.0), (1.0, 1.0)], [1.0; 5]);
        check(&[(0.5, 0.0), (0.5, 1.0)], [0.0, 0.0, 0.0, 0.0, 0.5]);
        // Up to 0.25 at FPR 0, then to 1 at FPR 0.2: 0.2 * 0.625 + 0.1 * 1 up to 0.3.
        let third = (0.2 * 0.625 + 0.1) / 0.3;
        let check_one = trace(&[(0.0, 0.25), (0.2, 1.0), (1.0, 1.0)]).0;
        assert!((area_at(&check_one, 0.3).expect("a limit") - third).abs() < 1e-15);
        assert_eq!(area_at(&check_one, 0.2), None);
    }

    #[test]
    fn thinned_curve_is_short_and_close_to_the_original() {
        let circle = |fpr: f64| (1.0 - (1.0 - fpr) * (1.0 - fpr)).sqrt();
        let points: Vec<(f64, f64)> = (1..=200_000)
            .map(|i| f64::from(i) / 200_000.0)
            .map(|fpr| (fpr, circle(fpr)))
            .collect();
        let (_, curve) = trace(&points);
        assert!((150..800).contains(&curve.fpr.len()), "{}", curve.fpr.len());
        assert!(curve.fpr.is_sorted() && curve.value.is_sorted());
        assert_eq!((curve.fpr[0], curve.value[0]), (0.0, 0.0));
        assert_eq!(curve.fpr.last(), Some(&1.0));
        for pair in curve.value.windows(2) {
            assert!(pair[1] - pair[0] < 2.0 / 150.0);
        }
    }

    #[test]
    fn jump_keeps_its_corner_points() {
        let (_, curve) = trace(&[(1e-9, 0.0), (0.4, 0.0), (0.4, 1.0), (1.0, 1.0)]);
        assert_eq!(curve.fpr, [0.0, 1e-9, 0.4, 0.4, 1.0]);
        assert_eq!(curve.value, [0.0, 0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn compensated_sum_keeps_small_terms() {
        let mut sum = Sum::default();
        sum.add(1e16);
        (0..10_000).for_each(|_| sum.add(0.1));
        sum.add(-1e16);
        assert!((sum.value() - 1000.0).abs() < 1e-9, "{}", sum.value());
    }
}
