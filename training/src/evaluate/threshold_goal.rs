//! Thresholds from labelled images: what to aim at, and the threshold that meets it best on them.

use std::fmt;
use std::str::FromStr;

use inspectd_core::score::upper_bound;
use serde::Serialize;
use thiserror::Error;

/// Confidence of the bounds of both rates.
const CONFIDENCE: f64 = 0.95;

/// Miss rate without a number.
const MISS_RATE: f64 = 0.05;

/// What a threshold is chosen for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ThresholdGoal {
    /// The largest F1 score of the defective images.
    F1,
    /// The highest threshold at which at most this share of the defective images is missed.
    MissRate(f64),
    /// The lowest cost, if a missed defective image costs this many times as much as a rejected good one, at the share
    /// of defective images among the given ones.
    Cost(f64),
}

/// A text that is not a goal.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "threshold goal {0}: must be f1, miss-rate, miss-rate=R with R from 0 to below 1, or cost=C with C above 0"
)]
pub struct ThresholdGoalError(String);

impl FromStr for ThresholdGoal {
    type Err = ThresholdGoalError;

    fn from_str(text: &str) -> Result<Self, ThresholdGoalError> {
        let (name, number) = match text.split_once('=') {
            Some((name, number)) => (name, number.parse::<f64>().ok()),
            None => (text, Some(f64::NAN)),
        };
        match (name, number) {
            ("f1", Some(number)) if number.is_nan() => Ok(Self::F1),
            ("miss-rate", Some(number)) if number.is_nan() => Ok(Self::MissRate(MISS_RATE)),
            ("miss-rate", Some(rate)) if (0.0..1.0).contains(&rate) => Ok(Self::MissRate(rate)),
            ("cost", Some(cost)) if cost.is_finite() && cost > 0.0 => Ok(Self::Cost(cost)),
            _ => Err(ThresholdGoalError(text.to_owned())),
        }
    }
}

impl fmt::Display for ThresholdGoal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F1 => f.write_str("f1"),
            Self::MissRate(rate) => write!(f, "miss-rate={rate}"),
            Self::Cost(cost) => write!(f, "cost={cost}"),
        }
    }
}

/// A threshold chosen on labelled images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChosenThreshold {
    /// Images with a higher score are rejected.
    pub threshold: f64,
    /// Number of good images.
    pub good: usize,
    /// Good images above the threshold.
    pub rejected: usize,
    /// Number of defective images.
    pub defective: usize,
    /// Defective images at or below the threshold.
    pub missed: usize,
}

impl ChosenThreshold {
    /// Chooses the threshold for `goal` from the scores of `good` and `defective` images; `None` without one of each. It
    /// lies in the middle between two scores; of thresholds that meet the goal equally well, the one with the largest
    /// distance to both is chosen.
    pub fn choose(goal: ThresholdGoal, good: &[f64], defective: &[f64]) -> Option<Self> {
        if good.is_empty() || defective.is_empty() {
            return None;
        }
        let mut scores: Vec<f64> = good.iter().chain(defective).copied().collect();
        scores.sort_by(f64::total_cmp);
        scores.dedup();
        let at = |threshold: f64| Self {
            threshold,
            good: good.len(),
            rejected: good.iter().filter(|score| **score > threshold).count(),
            defective: defective.len(),
            missed: defective
                .iter()
                .filter(|score| **score <= threshold)
                .count(),
        };
        // Above the highest score, nothing is rejected; below the lowest, everything is.
        let span = (scores[scores.len() - 1] - scores[0]).max(f64::MIN_POSITIVE);
        let mut bounds = vec![scores[0] - 0.1 * span];
        bounds.extend(&scores);
        bounds.push(scores[scores.len() - 1] + 0.1 * span);
        bounds
            .windows(2)
            .map(|pair| (at(f64::midpoint(pair[0], pair[1])), pair[1] - pair[0]))
            .max_by(|(one, gap), (other, other_gap)| {
                let by_goal = one.value(goal).total_cmp(&other.value(goal));
                by_goal.then(gap.total_cmp(other_gap))
            })
            .map(|(chosen, _)| chosen)
    }

    /// How well the threshold meets `goal`; larger is better.
    fn value(&self, goal: ThresholdGoal) -> f64 {
        let (rejected, missed) = (self.rejected as f64, self.missed as f64);
        let found = self.defective as f64 - missed;
        match goal {
            ThresholdGoal::F1 => 2.0 * found / (2.0 * found + rejected + missed).max(1.0),
            ThresholdGoal::MissRate(rate) if missed > rate * self.defective as f64 => -missed,
            ThresholdGoal::MissRate(_) => 1.0 / (1.0 + rejected),
            ThresholdGoal::Cost(cost) => -(cost * missed + rejected),
        }
    }
}

impl fmt::Display for ChosenThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = |events, count| 100.0 * upper_bound(events, count, CONFIDENCE);
        write!(
            f,
            "threshold {:.4}: it rejects {} of {} good images (at most {:.1} % with 95 % confidence) and misses {} of {} defective ones (at most {:.1} %). It was chosen on these images, so on others it will do worse",
            self.threshold,
            self.rejected,
            self.good,
            bound(self.rejected, self.good),
            self.missed,
            self.defective,
            bound(self.missed, self.defective),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [f64; 5] = [0.1, 0.2, 0.3, 0.4, 0.6];
    const BAD: [f64; 4] = [0.5, 0.7, 0.8, 0.9];

    fn chosen(goal: &str) -> (f64, usize, usize) {
        let goal = goal.parse().expect(goal);
        let found = ChosenThreshold::choose(goal, &GOOD, &BAD).expect("both kinds");
        (found.threshold, found.rejected, found.missed)
    }

    #[test]
    fn threshold_meets_its_goal_on_the_images() {
        let near = |(threshold, rejected, missed): (f64, usize, usize), expected: f64| {
            assert!((threshold - expected).abs() < 1e-9, "{threshold}");
            (rejected, missed)
        };
        // F1 is 8/9 between 0.4 and 0.5 (one good image rejected) and 6/7 between 0.6 and 0.7.
        assert_eq!(near(chosen("f1"), 0.45), (1, 0));
        assert_eq!(near(chosen("miss-rate=0"), 0.45), (1, 0));
        assert_eq!(near(chosen("miss-rate=0.25"), 0.65), (0, 1));
        assert_eq!(near(chosen("cost=0.5"), 0.65), (0, 1));
        assert_eq!(near(chosen("cost=10"), 0.45), (1, 0));
        assert_eq!(ChosenThreshold::choose(ThresholdGoal::F1, &GOOD, &[]), None);
    }

    #[test]
    fn separated_scores_get_a_threshold_in_the_middle_of_the_gap() {
        for goal in [
            ThresholdGoal::F1,
            ThresholdGoal::MissRate(0.05),
            ThresholdGoal::Cost(3.0),
        ] {
            let found = ChosenThreshold::choose(goal, &[0.0, 0.1], &[0.5, 0.6]);
            let found = found.expect("both kinds");
            assert!((found.threshold - 0.3).abs() < 1e-9, "{goal}");
            assert_eq!((found.rejected, found.missed), (0, 0), "{goal}");
        }
    }

    #[test]
    fn goals_are_parsed_and_others_are_refused() {
        for text in ["f1", "miss-rate=0.05", "cost=20"] {
            let goal: ThresholdGoal = text.parse().expect(text);
            assert_eq!(goal.to_string(), text);
        }
        assert_eq!("miss-rate".parse(), Ok(ThresholdGoal::MissRate(MISS_RATE)));
        for text in [
            "",
            "f2",
            "f1=3",
            "miss-rate=1",
            "miss-rate=x",
            "cost",
            "cost=0",
            "cost=-1",
        ] {
            assert!(text.parse::<ThresholdGoal>().is_err(), "{text}");
        }
    }
}
