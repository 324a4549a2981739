//! Photographs in the folder that look unlike the others: a defective part, a wrong part, a bad exposure.
//!
//! Each score comes from a model that has not seen the photograph. The limit is far outside the scores of
//! the others, measured by median and median absolute deviation, which a few outliers do not change.

use std::path::PathBuf;

use anyhow::Result;
use inspectd_core::score::{ScoreDistribution, suggest_threshold};

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

/// Share by which one photograph may raise the threshold before it is named.
const INFLUENCE: f64 = 0.25;

/// Returns a text about the photograph with the highest score, if the suggested threshold depends on it: with few
/// photographs, one that looks unlike the others hides small defects.
///
/// # Errors
/// When a score is not finite.
pub(super) fn influence(
    photos: &[Photo],
    scores: &[f64],
    false_reject_rate: f64,
) -> Result<Option<String>> {
    let highest = (0..scores.len()).max_by(|&one, &other| scores[one].total_cmp(&scores[other]));
    let Some(highest) = highest else {
        return Ok(None);
    };
    let threshold = |scores: Vec<f64>| -> Result<f64> {
        let scores = ScoreDistribution::new(scores)?;
        Ok(suggest_threshold(&scores, false_reject_rate)?.threshold)
    };
    let mut others = scores.to_vec();
    others.remove(highest);
    let (with, without) = (threshold(scores.to_vec())?, threshold(others)?);
    Ok((with > without * (1.0 + INFLUENCE)).then(|| {
        format!(
            "{} raises the threshold from {without:.3} to {with:.3}: if it is not a good part, remove it; if it is, more photographs like it are needed, and small defects may pass until then",
            photos[highest].path.display()
        )
    }))
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
    use std::sync::Arc;

    use inspectd_core::frame::Frame;

    use super::*;

    #[test]
    fn photograph_that_raises_the_threshold_is_named() {
        let frame = Frame::new(1, 1, vec![0; 3]).expect("one pixel");
        let frame = Arc::new(frame);
        let photos: Vec<Photo> = (0..31)
            .map(|index| Photo {
                path: format!("{index}.png").into(),
                frame: Arc::clone(&frame),
                size: (1, 1),
            })
            .collect();
        let even: Vec<f64> = (0..31)
            .map(|index| 0.05 + 0.002 * f64::from(index))
            .collect();
        let found = |scores: &[f64]| influence(&photos, scores, 0.01).expect("finite");
        assert_eq!(found(&even), None);
        let mut uneven = even;
        uneven[7] = 0.3;
        let text = found(&uneven).expect("an outlier");
        assert!(
            text.starts_with("7.png raises the threshold from"),
            "{text}"
        );
    }

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
