//! Penalty images: arbitrary images on which the structural branch of the student must not reproduce the teacher
//! (`EfficientAD`, section 3.2 of its paper, which uses `ImageNet`).

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result};
use inspectd_core::frame::Frame;
use inspectd_simulator::clutter::clutter;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::dataset::loader::Loader;
use crate::dataset::{self, ImageSize};
use crate::tensors;

/// Probability that a penalty image is converted to greyscale (`EfficientAD`, appendix A.1).
const GREY: f64 = 0.3;
/// Number of generated penalty images.
const GENERATED: u64 = 256;
/// Seed of the generated penalty images: the same images for every run.
const GENERATED_SEED: u64 = 0x70_656e;

/// Where penalty images come from. The text form is `none`, `generated`, or a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "PathBuf", into = "PathBuf")]
pub enum PenaltySource {
    /// No penalty.
    None,
    /// Images of the simulator's clutter: textures, shapes, letters and hardware.
    Generated,
    /// The images of a folder and its subfolders.
    Folder(PathBuf),
}

impl From<PathBuf> for PenaltySource {
    fn from(path: PathBuf) -> Self {
        match path.to_str() {
            Some("none") => Self::None,
            Some("generated") => Self::Generated,
            _ => Self::Folder(path),
        }
    }
}

impl From<PenaltySource> for PathBuf {
    fn from(source: PenaltySource) -> Self {
        match source {
            PenaltySource::None => "none".into(),
            PenaltySource::Generated => "generated".into(),
            PenaltySource::Folder(path) => path,
        }
    }
}

impl FromStr for PenaltySource {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(PathBuf::from(text).into())
    }
}

impl fmt::Display for PenaltySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", PathBuf::from(self.clone()).display())
    }
}

impl PenaltySource {
    /// The images of a folder, in a fixed order; `None` without a folder.
    ///
    /// # Errors
    /// When the folder cannot be read or has no images.
    pub(super) fn paths(&self) -> Result<Option<Vec<PathBuf>>> {
        match self {
            Self::None | Self::Generated => Ok(None),
            Self::Folder(folder) => Ok(Some(
                dataset::images_below(folder).context("penalty_images")?,
            )),
        }
    }

    /// Fingerprint of the images, if there are any.
    ///
    /// # Errors
    /// When the folder cannot be read or has no images.
    pub(super) fn fingerprint(&self) -> Result<Option<String>> {
        let listing = |folder: &Path| {
            let paths = self.paths()?.unwrap_or_default();
            dataset::listing_fingerprint(folder, paths.iter())
        };
        match self {
            Self::None => Ok(None),
            Self::Generated => Ok(Some(format!("generated: {GENERATED} images"))),
            Self::Folder(folder) => listing(folder).map(Some),
        }
    }
}

/// The penalty images of a training.
#[derive(Debug)]
pub enum PenaltyImages {
    /// Images of a folder at twice the input sides, of which the centre is used (`EfficientAD`, appendix A.1).
    Loaded(Box<Loader>),
    /// Generated images of the input size.
    Generated(Vec<Frame>),
}

impl PenaltyImages {
    /// Renders the generated images.
    pub fn generated(size: ImageSize) -> Self {
        let image = |index| clutter(GENERATED_SEED, index, size.width, size.height);
        Self::Generated((0..GENERATED).into_par_iter().map(image).collect())
    }

    /// Returns the next `count` images with values from 0 to 1, `[count, 3, height, width]`. Draws from libtorch's
    /// generator, which is seeded for every step.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub(super) fn next(
        &mut self,
        [count, height, width]: [i64; 3],
        device: Device,
    ) -> Result<Tensor> {
        let images = (0..count)
            .map(|_| {
                let unit = match self {
                    Self::Loaded(loader) => {
                        tensors::unit(&[loader.next_image()?.frame.as_ref()], device)
                    }
                    Self::Generated(frames) => {
                        let index = (uniform() * frames.len() as f64) as usize;
                        tensors::unit(&[&frames[index]], device)
                    }
                };
                let rows = unit.narrow(2, (unit.size()[2] - height) / 2, height);
                let centre = rows.narrow(3, (unit.size()[3] - width) / 2, width);
                Ok(if uniform() < GREY {
                    tensors::grey(&centre)
                } else {
                    centre
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&images, 0))
    }
}

/// Draws from the uniform distribution on [0, 1) with libtorch's generator.
pub(super) fn uniform() -> f64 {
    Tensor::rand([1], (Kind::Double, Device::Cpu)).double_value(&[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_read_from_and_written_as_one_word_or_a_folder() {
        for (text, source) in [
            ("none", PenaltySource::None),
            ("generated", PenaltySource::Generated),
            ("./none", PenaltySource::Folder("./none".into())),
            ("pictures/a", PenaltySource::Folder("pictures/a".into())),
        ] {
            assert_eq!(text.parse(), Ok(source.clone()));
            assert_eq!(source.to_string(), text);
        }
    }

    #[test]
    fn generated_images_have_the_size_and_range_of_the_input_and_depend_on_the_seed() {
        let size = ImageSize {
            width: 96,
            height: 64,
        };
        let mut images = PenaltyImages::generated(size);
        let mut draw = |seed| {
            tch::manual_seed(seed);
            images
                .next([2, 64, 96], Device::Cpu)
                .expect("nothing is read")
        };
        let (one, again, other) = (draw(1), draw(1), draw(2));
        assert_eq!(one.size(), [2, 3, 64, 96]);
        assert!(one.min().double_value(&[]) >= 0.0 && one.max().double_value(&[]) <= 1.0);
        assert!(one == again && one != other);
    }
}
