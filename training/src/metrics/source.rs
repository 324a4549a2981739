//! Where maps and their ground truth come from.

use anyhow::{Result, ensure};

use crate::dataset::Kind;
use crate::dataset::masks::Mask;

/// The test images of one category, each with its anomaly map. Images are read from several threads, in
/// any order, and each at least twice: keep nothing, or as little as fits in memory.
pub trait MapSource: Sync {
    /// How many images there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What messages call the image.
    fn name(&self, index: usize) -> String;

    /// What messages call one of its masks.
    fn mask_name(&self, index: usize, mask: usize) -> String {
        format!("{}: mask {}", self.name(index), mask + 1)
    }

    /// What the image shows.
    fn kind(&self, index: usize) -> &Kind;

    /// The image's map and masks; the same ones each time.
    ///
    /// # Errors
    /// When they cannot be read; the file is named.
    fn read(&self, index: usize) -> Result<Sample>;
}

/// What [`MapSource::read`] reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The anomaly map, as large as the image.
    pub map: AnomalyMap,
    /// Where the defects are, one mask a channel, each as large as the map. None for a good image; none
    /// for an anomalous one means that nobody drew them, and leaves it out of the pixel-level metrics.
    pub masks: Vec<Mask>,
}

/// An anomaly map: the higher, the more anomalous.
#[derive(Clone, Debug, PartialEq)]
pub struct AnomalyMap {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `[height, width]`, rows from the top.
    pub values: Vec<f32>,
}

impl Sample {
    /// Refuses what no metric can be made of; `name` is what the message calls the image.
    pub(super) fn check(&self, name: &str, kind: &Kind) -> Result<()> {
        let AnomalyMap {
            width,
            height,
            values,
        } = &self.map;
        ensure!(
            !values.is_empty() && values.len() as u64 == u64::from(*width) * u64::from(*height),
            "{name}: a map of {} values; must be {width} x {height}, and at least one",
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
            "{name}: a good image with masks; must have none"
        );
        for mask in &self.masks {
            ensure!(
                (mask.width, mask.height) == (*width, *height) && mask.values.len() == values.len(),
                "{name}: the map is {width}x{height} and a mask {}x{}; must be as large as each other",
                mask.width,
                mask.height
            );
        }
        Ok(())
    }
}
