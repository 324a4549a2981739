//! Drift: whether the scores of passed frames are still distributed like those of the calibration. A change of light,
//! material or model shows here before parts are rejected.
//!
//! Every 200 passed frames of a camera are compared with the validation images of the model by the two-sample test of
//! Kolmogorov and Smirnov (Press et al., Numerical Recipes, 14.3.3). Both samples end at the threshold: a frame above it is
//! not PASS. The windows do not overlap, so each is a test of its own.
//!
//! Masks and minimum areas of a recipe lower the scores, so that those of the validation images do not apply. The first 400
//! passed frames with the recipe then take their place.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use inspectd_core::id::CameraId;
use inspectd_core::record::Stamp;
use parking_lot::Mutex;

/// Passed frames of a window.
pub const WINDOW: usize = 200;

/// The share of windows that count as drift although nothing has changed.
pub const FALSE_ALARM_RATE: f64 = 1e-4;

/// Passed frames that take the place of the validation images where these do not apply.
const LEARNED: usize = 400;

/// Fewest validation images that windows are compared with.
const FEWEST_REFERENCES: usize = 20;

/// Terms of the series of the distribution, which converges quickly.
const TERMS: i32 = 100;

/// The comparison of a window with the calibration.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// When the window ended.
    pub time: SystemTime,
    /// Number of scores that it was compared with.
    pub references: usize,
    /// Whether these are of earlier frames of the camera, not of the validation images.
    pub learned: bool,
    /// The largest difference between the two distributions, 0 (equal) to 1.
    pub distance: f64,
    /// The probability of such a distance, or a larger one, if nothing has changed.
    pub p_value: f64,
    /// Median of the window minus that of the references.
    pub shift: f64,
    /// The recipe, model and configuration of the window.
    pub stamp: Arc<Stamp>,
}

impl Drift {
    /// Whether the scores have drifted, with [`FALSE_ALARM_RATE`].
    pub fn is_drifting(&self) -> bool {
        self.p_value < FALSE_ALARM_RATE
    }
}

/// The present window of a camera, and the last comparison.
#[derive(Debug)]
struct CameraWindow {
    stamp: Arc<Stamp>,
    scores: Vec<f32>,
    /// The scores of the first frames with this model and recipe, where these are the references; ascending once complete.
    learned: Vec<f32>,
    last: Option<Drift>,
}

impl CameraWindow {
    fn new(stamp: Arc<Stamp>, learned: Vec<f32>) -> Self {
        Self {
            stamp,
            scores: Vec::new(),
            learned,
            last: None,
        }
    }

    /// Learns a score; false once enough are learned.
    fn learn(&mut self, score: f32) -> bool {
        if self.learned.len() >= LEARNED {
            return false;
        }
        self.learned.push(score);
        if self.learned.len() == LEARNED {
            self.learned.sort_unstable_by(f32::total_cmp);
        }
        true
    }
}

/// The windows of all cameras.
#[derive(Debug, Default)]
pub struct DriftMonitor(Mutex<BTreeMap<CameraId, CameraWindow>>);

/// A passed frame.
#[derive(Clone, Copy, Debug)]
pub struct PassedFrame<'a> {
    /// Its score.
    pub score: f32,
    /// The threshold: a frame with a higher score is not PASS.
    pub threshold: f32,
    /// Recipe, model and configuration. Others begin another window.
    pub stamp: &'a Arc<Stamp>,
    /// The scores of the validation images of the model, ascending; unset if they do not apply.
    pub calibration: Option<&'a [f32]>,
}

impl DriftMonitor {
    /// Notes a passed frame of a camera. Returns the comparison if the frame completes a window.
    pub fn note(
        &self,
        camera: &CameraId,
        frame: PassedFrame<'_>,
        now: impl Fn() -> SystemTime,
    ) -> Option<Drift> {
        let mut windows = self.0.lock();
        let window = windows
            .entry(camera.clone())
            .or_insert_with(|| CameraWindow::new(Arc::clone(frame.stamp), Vec::new()));
        if window.stamp != *frame.stamp {
            let (old, new) = (&window.stamp, frame.stamp);
            let same = old.model == new.model && old.recipe == new.recipe;
            let learned = std::mem::take(&mut window.learned);
            let learned = if same { learned } else { Vec::new() };
            *window = CameraWindow::new(Arc::clone(frame.stamp), learned);
        }
        if frame.calibration.is_none() && window.learn(frame.score) {
            return None;
        }
        window.scores.push(frame.score);
        if window.scores.len() < WINDOW {
            return None;
        }
        let mut scores = std::mem::take(&mut window.scores);
        let references = frame.calibration.unwrap_or(&window.learned);
        let kept = references.partition_point(|score| *score <= frame.threshold);
        let mut drift = compare(&mut scores, &references[..kept], frame.stamp, now());
        if let Some(drift) = &mut drift {
            drift.learned = frame.calibration.is_none();
        }
        window.last.clone_from(&drift);
        drift
    }

    /// The last comparison of a camera.
    pub fn last(&self, camera: &CameraId) -> Option<Drift> {
        self.0.lock().get(camera)?.last.clone()
    }

    /// Forgets a camera that was removed.
    pub fn forget(&self, camera: &CameraId) {
        self.0.lock().remove(camera);
    }
}

/// Compares scores with references, which are ascending; none if these are too few.
fn compare(
    scores: &mut [f32],
    references: &[f32],
    stamp: &Arc<Stamp>,
    time: SystemTime,
) -> Option<Drift> {
    if references.len() < FEWEST_REFERENCES {
        return None;
    }
    scores.sort_unstable_by(f32::total_cmp);
    let distance = distance(scores, references);
    let median = |sorted: &[f32]| f64::from(sorted[sorted.len() / 2]);
    Some(Drift {
        time,
        references: references.len(),
        learned: false,
        distance,
        p_value: p_value(distance, scores.len(), references.len()),
        shift: median(scores) - median(references),
        stamp: Arc::clone(stamp),
    })
}

/// The largest difference between the distribution functions of two ascending samples.
fn distance(one: &[f32], other: &[f32]) -> f64 {
    let (mut first, mut second) = (0, 0);
    let mut largest = 0.0_f64;
    while first < one.len() && second < other.len() {
        let at = one[first].min(other[second]);
        first += one[first..].partition_point(|score| *score <= at);
        second += other[second..].partition_point(|score| *score <= at);
        let difference = first as f64 / one.len() as f64 - second as f64 / other.len() as f64;
        largest = largest.max(difference.abs());
    }
    largest
}

/// The probability of a distance, or a larger one, between samples of the same distribution.
fn p_value(distance: f64, one: usize, other: usize) -> f64 {
    let (one, other) = (one as f64, other as f64);
    let effective = (one * other / (one + other)).sqrt();
    let lambda = (effective + 0.12 + 0.11 / effective) * distance;
    // The series does not converge for small values, whose probability is 1 to many digits.
    if lambda < 0.2 {
        return 1.0;
    }
    let term = |index: i32| {
        let sign = if index % 2 == 1 { 1.0 } else { -1.0 };
        sign * (-2.0 * (f64::from(index) * lambda).powi(2)).exp()
    };
    let sum: f64 = (1..=TERMS).map(term).sum();
    (2.0 * sum).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use inspectd_core::record::ModelId;

    fn stamp(config_hash: &str) -> Arc<Stamp> {
        Arc::new(Stamp {
            model: ModelId {
                name: "m".to_owned(),
                version: "1".to_owned(),
                sha256: "ab".to_owned(),
                precision: inspectd_core::precision::Precision::F32,
            },
            config_hash: config_hash.to_owned(),
            provider: "cpu".to_owned(),
            recipe: None,
        })
    }

    fn camera() -> CameraId {
        "top".parse().expect("an id")
    }

    /// Scores of which a share e^-t is above t, ascending.
    fn exponential(random: &mut ChaCha8Rng, count: usize) -> Vec<f32> {
        let mut scores: Vec<f32> = (0..count)
            .map(|_| -(1.0 - random.random::<f32>()).ln())
            .collect();
        scores.sort_unstable_by(f32::total_cmp);
        scores
    }

    #[test]
    fn distance_is_the_largest_difference_of_the_distributions() {
        let check = |one: &[f32], other: &[f32], expected: f64| {
            let found = distance(one, other);
            assert!((found - expected).abs() < 1e-12, "{found}");
            assert!((found - distance(other, one)).abs() < 1e-12);
        };
        check(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 0.0);
        check(&[1.0, 2.0], &[3.0, 4.0], 1.0);
        check(&[1.0, 2.0, 3.0, 4.0], &[2.0, 3.0], 0.25);
        check(&[1.0, 1.0, 5.0], &[1.0, 5.0], 1.0 / 6.0);
    }

    #[test]
    fn p_values_equal_those_of_the_distribution_of_kolmogorov() {
        // With many samples the correction vanishes: 1.358 and 1.628 are the limits of 5 % and 1 %.
        let huge = 200_000_000;
        for (lambda, expected) in [(1.358, 0.05), (1.628, 0.01), (0.5, 0.9639), (0.1, 1.0)] {
            let distance = lambda / (huge as f64 / 2.0).sqrt();
            let found = p_value(distance, huge, huge);
            assert!((found - expected).abs() < 2e-4, "{lambda}: {found}");
        }
    }

    #[test]
    fn unchanged_scores_are_rarely_as_far_and_shifted_ones_always() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let (mut small, runs) = (0, 3000);
        for _ in 0..runs {
            let calibration = exponential(&mut random, 60);
            let mut window = exponential(&mut random, WINDOW);
            let drift = compare(
                &mut window,
                &calibration,
                &stamp("a"),
                SystemTime::UNIX_EPOCH,
            );
            let drift = drift.expect("enough");
            small += u32::from(drift.p_value < 0.01);
            assert!(!drift.is_drifting(), "{drift:?}");
            let mut shifted: Vec<f32> = window.iter().map(|score| score + 1.0).collect();
            let drift = compare(
                &mut shifted,
                &calibration,
                &stamp("a"),
                SystemTime::UNIX_EPOCH,
            );
            let drift = drift.expect("enough");
            assert!(drift.is_drifting() && drift.shift > 0.3, "{drift:?}");
        }
        let share = f64::from(small) / f64::from(runs);
        assert!((0.004..=0.013).contains(&share), "{share}");
    }

    #[test]
    fn windows_follow_each_other_and_another_configuration_starts_a_new_one() {
        let monitor = DriftMonitor::default();
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let calibration = exponential(&mut random, 80);
        let (one, other) = (stamp("a"), stamp("b"));
        let note = |stamp: &Arc<Stamp>, count: usize, score: f32| {
            let frame = PassedFrame {
                score,
                threshold: 2.0,
                stamp,
                calibration: Some(&calibration),
            };
            let now = || SystemTime::UNIX_EPOCH;
            (0..count)
                .filter_map(|_| monitor.note(&camera(), frame, now))
                .count()
        };
        assert_eq!(note(&one, WINDOW - 1, 1.0), 0);
        assert_eq!(note(&other, WINDOW - 1, 1.0), 0);
        assert_eq!(note(&other, 1, 1.0), 1);
        assert_eq!(note(&other, 2 * WINDOW, 0.1), 2);
        let last = monitor.last(&camera()).expect("compared");
        assert!(
            last.references < 80,
            "those above the threshold do not count: {last:?}"
        );
        assert!(last.shift < 0.0 && last.is_drifting(), "{last:?}");
        monitor.forget(&camera());
        assert_eq!(monitor.last(&camera()), None);
    }

    #[test]
    fn first_frames_are_the_references_where_the_calibration_does_not_apply() {
        let monitor = DriftMonitor::default();
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let note = |stamp: &Arc<Stamp>, scores: Vec<f32>| {
            let compared = scores.into_iter().filter_map(|score| {
                let frame = PassedFrame {
                    score,
                    threshold: 9.0,
                    stamp,
                    calibration: None,
                };
                monitor.note(&camera(), frame, || SystemTime::UNIX_EPOCH)
            });
            compared.collect::<Vec<_>>()
        };
        let one = stamp("a");
        assert_eq!(note(&one, exponential(&mut random, LEARNED)), []);
        // Ascending windows: the order within a window does not matter.
        let same = note(&one, exponential(&mut random, WINDOW));
        assert!(!same[0].is_drifting() && same[0].learned, "{same:?}");
        assert_eq!(same[0].references, LEARNED);
        // Another threshold is another configuration, with the same scores.
        let lower = exponential(&mut random, WINDOW);
        let lower = lower.into_iter().map(|score| score * 0.3).collect();
        let lower = note(&stamp("b"), lower);
        assert!(lower[0].is_drifting() && lower[0].shift < 0.0, "{lower:?}");
        // Another recipe has other scores.
        let mut other = (*one).clone();
        other.recipe = Some(inspectd_core::record::RecipeTag {
            id: "juice".to_owned(),
            version: "1".to_owned(),
            sha256: "cd".to_owned(),
        });
        assert_eq!(
            note(&Arc::new(other), exponential(&mut random, LEARNED)),
            []
        );
    }
}
