//! Order of the training images: a pure function of the seed and the step, so that a resumed training
//! continues with the same sequence as an uninterrupted one.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Infinite sequence of image indices, one for each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    len: usize,
    /// `None` selects sequential order.
    seed: Option<u64>,
}

impl Sampler {
    /// Random order: every image once per epoch, shuffled for each epoch by `ChaCha8` with `seed` as the key
    /// and the epoch as the stream.
    ///
    /// # Panics
    /// When `len` is 0.
    pub fn shuffled(seed: u64, len: usize) -> Self {
        Self::new(Some(seed), len)
    }

    /// Sequential order, repeated for every epoch.
    ///
    /// # Panics
    /// When `len` is 0.
    pub fn sequential(len: usize) -> Self {
        Self::new(None, len)
    }

    fn new(seed: Option<u64>, len: usize) -> Self {
        assert!(len > 0, "a sampler has at least one image");
        Self { len, seed }
    }

    /// Number of images.
    #[expect(clippy::len_without_is_empty, reason = "a sampler is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns the image indices in the order of epoch `epoch`.
    pub fn epoch(&self, epoch: u64) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..self.len).collect();
        if let Some(seed) = self.seed {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(epoch);
            indices.shuffle(&mut rng);
        }
        indices
    }

    /// Returns the image indices from step `step` on.
    pub fn from_step(self, step: u64) -> impl Iterator<Item = usize> {
        let len = self.len as u64;
        let skipped = (step % len) as usize;
        (step / len..)
            .flat_map(move |epoch| self.epoch(epoch))
            .skip(skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffled_epochs_contain_every_image_once_in_different_orders() {
        let sampler = Sampler::shuffled(3, 20);
        let epochs = [
            sampler.epoch(0),
            sampler.epoch(1),
            Sampler::shuffled(4, 20).epoch(0),
        ];
        assert!(epochs[0] != epochs[1] && epochs[0] != epochs[2]);
        for mut epoch in epochs {
            epoch.sort_unstable();
            assert_eq!(epoch, (0..20).collect::<Vec<_>>());
        }
    }

    #[test]
    fn sequence_from_a_later_step_equals_the_tail_of_the_whole_sequence() {
        let sampler = Sampler::shuffled(3, 7);
        let whole: Vec<usize> = sampler.from_step(0).take(50).collect();
        for start in [1, 6, 7, 20] {
            let rest: Vec<usize> = sampler.from_step(start as u64).take(50 - start).collect();
            assert_eq!(rest, whole[start..], "{start}");
        }
    }

    #[test]
    fn sequential_sampler_repeats_the_indices_in_order() {
        let indices: Vec<usize> = Sampler::sequential(3).from_step(2).take(5).collect();
        assert_eq!(indices, [2, 0, 1, 2, 0]);
    }
}
