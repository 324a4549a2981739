//! Distribution of the scores of good validation images.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::quantile::quantile_sorted;

/// Probabilities of the listed quantiles.
const PROBABILITIES: [f64; 11] = [0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0];

/// One listed quantile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreQuantile {
    /// Share of the scores at or below `score`, 0 to 1.
    pub probability: f64,
    /// The quantile, linearly interpolated.
    pub score: f64,
}

/// The scores of good validation images, with summary statistics. There is at least one score, and all are
/// finite. Deserialization rejects statistics that do not follow from the scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct ScoreDistribution {
    count: usize,
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
    scores: Vec<f64>,
    quantiles: Vec<ScoreQuantile>,
}

/// The same fields, unchecked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    count: usize,
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
    scores: Vec<f64>,
    quantiles: Vec<ScoreQuantile>,
}

/// Why a distribution or a threshold cannot be computed.
#[derive(Debug, Error, PartialEq)]
pub enum ScoreError {
    /// There are too few scores.
    #[error("needs at least {needed} scores of good images, got {count}")]
    TooFew {
        /// Number of scores.
        count: usize,
        /// Number of scores needed.
        needed: usize,
    },
    /// A score is NaN or infinite.
    #[error("score number {index} is {score}: every score must be finite")]
    NotFinite {
        /// Index of the score, from 0.
        index: usize,
        /// The score.
        score: f64,
    },
    /// A stored statistic does not follow from the stored scores.
    #[error(
        "the stored count, mean, std, min, max or quantiles do not follow from the stored scores"
    )]
    Inconsistent,
    /// The false-reject rate is not in (0, 1).
    #[error("false-reject rate {0} must be greater than 0 and less than 1")]
    Rate(f64),
}

impl ScoreDistribution {
    /// Computes the distribution of `scores`, which may be in any order.
    ///
    /// # Errors
    /// When `scores` is empty, or a score is not finite.
    pub fn new(mut scores: Vec<f64>) -> Result<Self, ScoreError> {
        if let Some(index) = scores.iter().position(|score| !score.is_finite()) {
            let score = scores[index];
            return Err(ScoreError::NotFinite { index, score });
        }
        scores.sort_unstable_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (scores.first(), scores.last()) else {
            let (count, needed) = (0, 1);
            return Err(ScoreError::TooFew { count, needed });
        };
        let count = scores.len();
        let mean = scores.iter().sum::<f64>() / count as f64;
        let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
        let quantiles = PROBABILITIES
            .into_iter()
            .map(|probability| ScoreQuantile {
                probability,
                score: quantile_sorted(&scores, probability),
            })
            .collect();
        Ok(Self {
            count,
            mean,
            std: (squares / (count - 1).max(1) as f64).sqrt(),
            min,
            max,
            scores,
            quantiles,
        })
    }

    /// Number of scores, at least 1.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Mean.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Sample standard deviation (n - 1); 0 for a single score.
    pub fn std(&self) -> f64 {
        self.std
    }

    /// Lowest score.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// Highest score.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// Quantiles at 0, 1, 5, 10, 25, 50, 75, 90, 95, 99 and 100 %.
    pub fn quantiles(&self) -> &[ScoreQuantile] {
        &self.quantiles
    }

    /// All scores, ascending.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }
}

impl TryFrom<Stored> for ScoreDistribution {
    type Error = ScoreError;

    fn try_from(stored: Stored) -> Result<Self, ScoreError> {
        let derived = Self::new(stored.scores.clone())?;
        let stored = Self {
            count: stored.count,
            mean: stored.mean,
            std: stored.std,
            min: stored.min,
            max: stored.max,
            scores: stored.scores,
            quantiles: stored.quantiles,
        };
        let same = stored == derived;
        same.then_some(derived).ok_or(ScoreError::Inconsistent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_follow_from_the_scores() {
        let found = ScoreDistribution::new(vec![4.0, 2.0, 3.0, 1.0]).expect("finite");
        assert_eq!(found.scores(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!((found.count(), found.mean()), (4, 2.5));
        assert_eq!((found.min(), found.max()), (1.0, 4.0));
        assert!((found.std() - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
        let median = found.quantiles()[5];
        assert_eq!((median.probability, median.score), (0.5, 2.5));
    }

    #[test]
    fn single_score_has_standard_deviation_zero() {
        let found = ScoreDistribution::new(vec![0.3]).expect("finite");
        assert_eq!((found.std(), found.mean()), (0.0, 0.3));
    }

    #[test]
    fn no_scores_and_non_finite_scores_are_rejected() {
        assert_eq!(
            ScoreDistribution::new(Vec::new()),
            Err(ScoreError::TooFew {
                count: 0,
                needed: 1
            })
        );
        assert_eq!(
            ScoreDistribution::new(vec![0.0, f64::INFINITY]),
            Err(ScoreError::NotFinite {
                index: 1,
                score: f64::INFINITY
            })
        );
    }

    #[test]
    fn distribution_survives_toml_and_modified_statistics_are_rejected() {
        let written = ScoreDistribution::new(vec![0.1, 0.25, -0.7, 1.0 / 3.0]).expect("finite");
        let text = toml::to_string(&written).expect("plain values");
        assert_eq!(toml::from_str(&text), Ok(written));
        let altered = text.replace("count = 4", "count = 5");
        let error = toml::from_str::<ScoreDistribution>(&altered).expect_err("altered");
        assert!(error.to_string().contains("do not follow"), "{error}");
    }
}
