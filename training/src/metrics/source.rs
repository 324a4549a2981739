//! Source of anomaly maps and their ground truth.

use anyhow::{Result, ensure};

use crate::dataset::Kind;
use crate::dataset::masks::Mask;

/// The test images of one category, each with its anomaly map. Images are read from several threads, in any
/// order, and each at least twice. Implementations should cache nothing, or only what fits in memory.
pub trait MapSource: Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether the source has no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of the image for messages.
    fn name(&self, index: usize) -> String;

    /// Name of one of its masks for messages.
    fn mask_name(&self, index: usize, mask: usize) -> String {
        format!("{}: mask {}", self.name(index), mask + 1)
    }

    /// Class of the image.
    fn kind(&self, index: usize) -> &Kind;

    /// Reads the image's map and masks. Every call must return the same values.
    ///
    /// # Errors
    /// Returns an error that names the file if one cannot be read.
    fn read(&self, index: usize) -> Result<Sample>;
}

/// An anomaly map with its ground truth, read by [`MapSource::read`].
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Anomaly map with the size of the image.
    pub map: AnomalyMap,
    /// Ground truth masks, one per channel, each with the size of the map. Empty for a good image. If empty for
    /// an anomalous image, its ground truth is unknown and the pixel-level metrics ignore the image.
    pub masks: Vec<Mask>,
}

/// An anomaly map. Higher values are more anomalous.
#[derive(Clone, Debug, PartialEq)]
pub struct AnomalyMap {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `[height, width]`, rows from the top.
    pub values: Vec<f32>,
}

impl Sample {
    /// Validates map and masks; `name` is the image's name for messages.
    pub(super) fn check(&self, name: &str, kind: &Kind) -> Result<()> {
        let AnomalyMap {
            width,
            height,
            values,
        } = &self.map;
        ensure!(
            !values.is_empty() && values.len() as u64 == u64::from(*width) * u64::from(*height),
            "{name}: the map has {} values; expected {width} x {height} and at least one",
            values.len()
        );
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let (x, y) = (at % *width as usize, at / *width as usize);
            anyhow::bail!(
                "{name}: the map is {} at column {x}, row {y}; must be finite",
                values[at]
            );
        }
        ensure!(
            *kind != Kind::Good || self.masks.is_empty(),
            "{name}: a good image with masks; good images must not have masks"
        );
        for mask in &self.masks {
            ensure!(
                (mask.width, mask.height) == (*width, *height) && mask.values.len() == values.len(),
                "{name}: the map is {width}x{height} and a mask is {}x{}; sizes must be equal",
                mask.width,
                mask.height
            );
        }
        Ok(())
    }
}
