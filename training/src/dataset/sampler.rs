//! Which image each training step sees: a pure function of the seed, so a resumed training goes on as if
//! it had never stopped.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The order of `len` images over steps without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    len: usize,
    /// `None`: the images in turn.
    seed: Option<u64>,
}

impl Order {
    /// Every image once an epoch, each epoch in another order: shuffled by `ChaCha8` with `seed` as its
    /// key and the epoch as its stream.
    ///
    /// # Panics
    /// When `len` is 0.
    pub fn shuffled(seed: u64, len: usize) -> Self {
        Self::new(Some(seed), len)
    }

    /// The images in turn, over and over.
    ///
    /// # Panics
    /// When `len` is 0.
    pub fn in_turn(len: usize) -> Self {
        Self::new(None, len)
    }

    fn new(seed: Option<u64>, len: usize) -> Self {
        assert!(len > 0, "an order of no images");
        Self { len, seed }
    }

    /// How many images there are.
    #[expect(
        clippy::len_without_is_empty,
        reason = "an order of no images cannot be made"
    )]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The indices of the images in the order of epoch `epoch`.
    pub fn epoch(&self, epoch: u64) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..self.len).collect();
        if let Some(seed) = self.seed {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(epoch);
            indices.shuffle(&mut rng);
        }
        indices
    }

    /// The index of each image from `step` on.
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
    fn every_epoch_sees_every_image_once_in_an_order_of_its_own() {
        let order = Order::shuffled(3, 20);
        let epochs = [
            order.epoch(0),
            order.epoch(1),
            Order::shuffled(4, 20).epoch(0),
        ];
        assert!(epochs[0] != epochs[1] && epochs[0] != epochs[2]);
        for mut epoch in epochs {
            epoch.sort_unstable();
            assert_eq!(epoch, (0..20).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_later_start_continues_the_same_sequence() {
        let order = Order::shuffled(3, 7);
        let whole: Vec<usize> = order.from_step(0).take(50).collect();
        for start in [1, 6, 7, 20] {
            let rest: Vec<usize> = order.from_step(start as u64).take(50 - start).collect();
            assert_eq!(rest, whole[start..], "{start}");
        }
    }

    #[test]
    fn in_turn_is_in_turn() {
        let indices: Vec<usize> = Order::in_turn(3).from_step(2).take(5).collect();
        assert_eq!(indices, [2, 0, 1, 2, 0]);
    }
}
