//! How clear a decision is.

use inspectd_core::decision::Thresholds;

/// How fast the confidence grows with the distance from the level: a score half as high again as the level, or half as high, has
/// a confidence of 0.88.
const STEEPNESS: f64 = 4.0;

/// The distance is relative to the level, but never to less than this: the value that maps have at the upper quantile of good
/// images. Levels near 0 would make every score clear.
const SMALLEST_SCALE: f64 = 0.1;

/// How clear the decision about a score is: `1 / (1 + exp(-4 |score - level| / max(|level|, 0.1)))`, where the level is the
/// lowest score that is not PASS. It is 0.5 at the level, grows with the distance from it, and is at most 1.
pub(super) fn confidence(score: f32, thresholds: Thresholds) -> f32 {
    let level = f64::from(thresholds.level());
    let distance = (f64::from(score) - level).abs() / level.abs().max(SMALLEST_SCALE);
    (1.0 / (1.0 + (-STEEPNESS * distance).exp())) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn thresholds(reject_above: f32, review_from: Option<f32>) -> Thresholds {
        Thresholds {
            reject_above,
            review_from,
        }
    }

    #[test]
    fn confidence_grows_with_the_distance_from_the_level() {
        let check = |score: f32, thresholds: Thresholds, expected: f32| {
            let found = confidence(score, thresholds);
            assert!((found - expected).abs() < 5e-4, "{score}: {found}");
        };
        let plain = thresholds(0.6, None);
        check(0.6, plain, 0.5);
        check(0.9, plain, 0.881);
        check(0.3, plain, 0.881);
        check(1.2, plain, 0.982);
        check(0.0, plain, 0.982);
        check(1e30, plain, 1.0);
        // The review band is not PASS.
        check(0.5, thresholds(0.6, Some(0.5)), 0.5);
        check(0.6, thresholds(0.6, Some(0.5)), 0.690);
        check(0.1, thresholds(0.0, None), 0.982);
        check(-0.5, thresholds(-1.0, None), 0.881);
    }

    proptest! {
        #[test]
        fn confidence_is_between_a_half_and_one_and_monotonous(
            level in -10f32..10.0, one in -20f32..20.0, other in -20f32..20.0,
        ) {
            let thresholds = thresholds(level, None);
            let [near, far] = {
                let mut scores = [one, other];
                scores.sort_by(|a, b| (a - level).abs().total_cmp(&(b - level).abs()));
                scores.map(|score| confidence(score, thresholds))
            };
            prop_assert!((0.5..=1.0).contains(&near) && (0.5..=1.0).contains(&far));
            prop_assert!(near <= far + f32::EPSILON);
        }
    }
}
