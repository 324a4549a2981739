//! Validation split for datasets without validation images: a tenth of the training images.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// One of `IMAGES_PER_HELD_OUT` training images is held out.
const IMAGES_PER_HELD_OUT: usize = 10;
/// Random stream of the split. The epochs of [`super::sampler::Sampler`] use the streams from 0 with the
/// same seed.
const STREAM: u64 = u64::MAX;

/// Splits `images` into training and validation images. The validation images are a tenth of the list, at
/// least one: the first ones after a shuffle by `ChaCha8` with `seed`. Both lists keep the order of `images`.
pub(super) fn hold_out(
    images: Vec<PathBuf>,
    seed: u64,
    root: &Path,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let count = images.len();
    ensure!(
        count >= 2,
        "{}: {count} training image; a dataset without validation images requires at least 2, because one is held out",
        root.display()
    );
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(STREAM);
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut rng);
    let mut taken = vec![false; count];
    for &index in &order[..(count / IMAGES_PER_HELD_OUT).max(1)] {
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
    fn split_holds_out_a_tenth_and_keeps_all_images() {
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
    fn different_seeds_hold_out_different_images() {
        assert_eq!(split(209, 7), split(209, 7));
        assert_ne!(split(209, 7), split(209, 8));
    }

    #[test]
    fn splitting_a_single_image_is_rejected() {
        let error = hold_out(vec!["0.png".into()], 0, Path::new("d")).expect_err("one");
        assert!(
            error.to_string().starts_with("d: 1 training image"),
            "{error}"
        );
    }
}
