//! How far the image-level figures would scatter with other images: the percentile bootstrap.
//!
//! Each resample draws, with replacement, as many good images as there are and as many of each anomaly
//! type as there are (stratified), from a random stream of its own: the intervals depend on the seed and
//! on nothing else, however many threads compute them. Efron and Tibshirani, An Introduction to the
//! Bootstrap, 1993, chapter 13.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::ranking::{self, RankingMetrics, ScoreSteps};

/// RankingMetrics of one resample.
pub(super) struct Resample {
    /// Of each type.
    pub(super) types: Vec<RankingMetrics>,
    /// Of all types at once.
    pub(super) all: RankingMetrics,
}

/// Resamples images given by the steps of their scores.
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
                all: ranking::metrics(&good, &added(&drawn)),
            }
        })
        .collect()
}

fn draw(steps: &ScoreSteps, members: &[usize], rng: &mut ChaCha8Rng) -> Vec<u32> {
    steps.count((0..members.len()).map(|_| members[rng.random_range(0..members.len())]))
}

/// The counts of all types together.
pub(super) fn added(types: &[Vec<u32>]) -> Vec<u32> {
    let mut sum = vec![0; types.first().map_or(0, Vec::len)];
    for counts in types {
        sum.iter_mut()
            .zip(counts)
            .for_each(|(sum, count)| *sum += count);
    }
    sum
}
