//! Validation images where a dataset has none of its own: a tenth of the training images.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// One of so many training images is held out.
const SHARE: usize = 10;
/// The random stream of the split; epochs of [`super::sampler::Order`] count from 0 with the same seed.
const STREAM: u64 = u64::MAX;

/// Takes a tenth of `images`, at least one, chosen by `seed`: the first of them after a shuffle by
/// `ChaCha8`. Both lists keep the order that `images` had. Returns what is left and what was taken.
pub(super) fn hold_out(
    images: Vec<PathBuf>,
    seed: u64,
    root: &Path,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let count = images.len();
    ensure!(
        count >= 2,
        "{}: {count} training image, and without validation images of its own the dataset needs at least 2: one is held out",
        root.display()
    );
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(STREAM);
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut rng);
    let mut taken = vec![false; count];
    for &index in &order[..(count / SHARE).max(1)] {
        taken[index] = true;
    }
    let (validation, train): (Vec<_>, Vec<_>) =
        images.into_iter().zip(taken).partition(|(_, taken)| *taken);
    let paths = |list: Vec<(PathBuf, bool)>| list.into_iter().map(|(path, _)| path).collect();
    Ok((paths(train), paths(validation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(count: usize, seed: u64) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let images = (0..count)
            .map(|i| PathBuf::from(format!("{i:03}.png")))
            .collect();
        hold_out(images, seed, Path::new("d")).expect("at least two")
    }

    #[test]
    fn a_tenth_is_held_out_and_nothing_is_lost() {
        for (count, held_out) in [(2, 1), (9, 1), (19, 1), (20, 2), (209, 20)] {
            let (train, validation) = split(count, 7);
            assert_eq!(validation.len(), held_out, "{count}");
            assert!(train.is_sorted() && validation.is_sorted());
            let mut all = [train, validation].concat();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), count);
        }
    }

    #[test]
    fn the_seed_decides_which() {
        assert_eq!(split(209, 7), split(209, 7));
        assert_ne!(split(209, 7), split(209, 8));
    }

    #[test]
    fn a_single_image_cannot_be_split() {
        let error = hold_out(vec!["0.png".into()], 0, Path::new("d")).expect_err("one");
        assert!(
            error.to_string().starts_with("d: 1 training image"),
            "{error}"
        );
    }
}
