//! Photographs in the folder that look unlike the others: a defective part, a wrong part, a bad exposure.
//!
//! Each score comes from a model that has not seen the photograph. The limit is far outside the scores of
//! the others, measured by median and median absolute deviation, which a few outliers do not change.

use std::path::PathBuf;

use super::photos::Photo;

/// Distance from the median in robust standard deviations above which a photograph is suspicious. The
/// maximum of a map has an exponential upper tail, in which this is one of some thousand good parts.
const LIMIT: f64 = 8.0;

/// Median absolute deviation of a normal distribution with standard deviation 1, inverted.
const TO_DEVIATION: f64 = 1.4826;

/// A suspicious photograph.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspicion {
    /// Index among the photographs.
    pub index: usize,
    /// Its file.
    pub path: PathBuf,
    /// Its score.
    pub score: f64,
    /// Distance of the score from the median, in robust standard deviations.
    pub distance: f64,
}

/// Returns the suspicious photographs, highest score first.
pub(super) fn find(photos: &[Photo], scores: &[f64]) -> Vec<Suspicion> {
    let paths = photos.iter().map(|photo| &photo.path);
    let mut found: Vec<Suspicion> = distances(scores)
        .into_iter()
        .zip(paths)
        .enumerate()
        .filter(|(_, (distance, _))| *distance > LIMIT)
        .map(|(index, (distance, path))| Suspicion {
            index,
            path: path.clone(),
            score: scores[index],
            distance,
        })
        .collect();
    found.sort_by(|one, other| other.score.total_cmp(&one.score));
    found
}

fn distances(scores: &[f64]) -> Vec<f64> {
    let middle = median(scores.to_vec());
    let spread = TO_DEVIATION * median(scores.iter().map(|score| (score - middle).abs()).collect());
    scores
        .iter()
        .map(|score| {
            if spread > 0.0 {
                (score - middle) / spread
            } else {
                0.0
            }
        })
        .collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scores_far_outside_are_suspicious() {
        let mut scores: Vec<f64> = (0..40).map(|i| 1.0 + 0.01 * f64::from(i % 10)).collect();
        assert!(distances(&scores).iter().all(|distance| *distance < LIMIT));
        scores[7] = 3.0;
        let far: Vec<usize> = distances(&scores)
            .iter()
            .enumerate()
            .filter(|(_, distance)| **distance > LIMIT)
            .map(|(index, _)| index)
            .collect();
        assert_eq!(far, [7]);
    }

    #[test]
    fn equal_scores_are_not_suspicious() {
        assert_eq!(distances(&[2.0; 6]), [0.0; 6]);
    }
}
