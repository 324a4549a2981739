//! Percentile bootstrap for the confidence intervals of the image-level metrics.
//!
//! Each resample draws with replacement as many good images, and as many images of each anomaly type, as the
//! dataset has (stratified). Each resample has its own random stream, so the intervals depend only on the
//! seed, not on the number of threads. Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
//! chapter 13.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::ranking::{self, RankingMetrics, ScoreSteps};

/// Metrics of one resample.
pub(super) struct Resample {
    /// Metrics of each anomaly type.
    pub(super) types: Vec<RankingMetrics>,
    /// Metrics of all types together.
    pub(super) all: RankingMetrics,
}

/// Draws `count` resamples. Images are given by the index of their score in `steps`.
pub(super) fn resamples(
    steps: &ScoreSteps,
    good: &[usize],
    types: &[Vec<usize>],
    count: u32,
    seed: u64,
) -> Vec<Resample> {
    (0..u64::from(count))
        .into_par_iter()
        .map(|stream| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(stream);
            let good = draw(steps, good, &mut rng);
            let drawn: Vec<Vec<u32>> = types
                .iter()
                .map(|members| draw(steps, members, &mut rng))
                .collect();
            Resample {
                types: drawn
                    .iter()
                    .map(|counts| ranking::metrics(&good, counts))
                    .collect(),
                all: ranking::metrics(&good, &sum_counts(&drawn)),
            }
        })
        .collect()
}

fn draw(steps: &ScoreSteps, members: &[usize], rng: &mut ChaCha8Rng) -> Vec<u32> {
    steps.count((0..members.len()).map(|_| members[rng.random_range(0..members.len())]))
}

/// Sums the counts of all types.
pub(super) fn sum_counts(types: &[Vec<u32>]) -> Vec<u32> {
    let mut sum = vec![0; types.first().map_or(0, Vec::len)];
    for counts in types {
        sum.iter_mut()
            .zip(counts)
            .for_each(|(sum, count)| *sum += count);
    }
    sum
}
