//! Anomaly maps of a dataset's test images. They are stored at the network's resolution and resized to the
//! image size on demand: 330 images of 1600x1280 take 10 MB here, 2.7 GB resized.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use inspectd_core::maps::{MapCalibration, Score, combine, image_score, upsample};

use super::smooth::smooth;
use crate::calibrate::ImageMaps;
use crate::dataset::masks::load_masks;
use crate::dataset::{Dataset, Kind, TestItem};
use crate::metrics::map_file::write_map;
use crate::metrics::source::{AnomalyMap, MapSource, Sample};

/// Anomaly maps of all test images, in the dataset's order.
#[derive(Debug)]
pub struct EvaluatedMaps {
    dataset: Dataset,
    calibration: MapCalibration,
    smoothing: f64,
    images: Vec<ImageMaps>,
}

impl EvaluatedMaps {
    /// Creates the collection from the maps of the test images of `dataset`. `smoothing` is the standard
    /// deviation in pixels of the smoothing for pixel-level metrics.
    ///
    /// # Panics
    /// If the number of maps differs from the number of test images.
    pub fn new(
        dataset: Dataset,
        calibration: MapCalibration,
        smoothing: f64,
        images: Vec<ImageMaps>,
    ) -> Self {
        assert_eq!(dataset.test.len(), images.len(), "one map per test image");
        Self {
            dataset,
            calibration,
            smoothing,
            images,
        }
    }

    /// Returns the same maps with other weights: structural, logical.
    #[must_use]
    pub fn weighted(&self, weights: [f32; 2]) -> Self {
        Self {
            dataset: self.dataset.clone(),
            calibration: MapCalibration {
                weights,
                ..self.calibration
            },
            smoothing: self.smoothing,
            images: self.images.clone(),
        }
    }

    /// The dataset.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Standard deviation of the smoothing in pixels.
    pub fn smoothing(&self) -> f64 {
        self.smoothing
    }

    /// The test image with this index.
    pub fn item(&self, index: usize) -> &TestItem {
        &self.dataset.test[index]
    }

    /// Path of the image relative to the dataset's folder.
    pub fn path(&self, index: usize) -> PathBuf {
        let path = &self.item(index).path;
        let below = path.strip_prefix(&self.dataset.root);
        below.unwrap_or(path).to_owned()
    }

    /// Score of the image as the daemon computes it, without smoothing.
    pub fn score(&self, index: usize) -> Score {
        let maps = &self.images[index];
        let (width, height) = maps.size;
        let size = maps.grid;
        image_score(
            &maps.structural,
            &maps.logical,
            size,
            &self.calibration,
            width,
            height,
        )
    }

    /// Combined map of the image at `width` x `height` pixels, not smoothed.
    pub fn resized(&self, index: usize, width: u32, height: u32) -> Vec<f32> {
        let maps = &self.images[index];
        let size = maps.grid;
        let combined = combine(&maps.structural, &maps.logical, &self.calibration);
        upsample(&combined, size, width, height)
    }

    /// Combined map of the image at the image size, smoothed: the input of the pixel-level metrics. The two
    /// maps are summed before resizing and smoothing. These are linear, so they run once instead of twice.
    pub fn smoothed(&self, index: usize) -> AnomalyMap {
        let (width, height) = self.images[index].size;
        let resized = self.resized(index, width, height);
        AnomalyMap {
            width,
            height,
            values: smooth(resized, width as usize, height as usize, self.smoothing),
        }
    }

    /// Writes the smoothed maps as 32-bit TIFF files `folder/CATEGORY/PATH.tiff`, where PATH is the image path
    /// relative to the dataset's folder, without extension. The official evaluations of the MVTec datasets
    /// read this layout. Calls `progress` with the number of written maps.
    ///
    /// # Errors
    /// Returns an error if two images differ only in their extension, or a file cannot be written.
    pub fn save(&self, folder: &Path, mut progress: impl FnMut(u64)) -> Result<()> {
        let folder = folder.join(&self.dataset.category);
        let target = |index| folder.join(self.path(index).with_extension("tiff"));
        let mut taken = BTreeMap::new();
        for index in 0..self.images.len() {
            if let Some(other) = taken.insert(target(index), index) {
                bail!(
                    "{} and {}: both maps would have the same file name",
                    self.name(other),
                    self.name(index)
                );
            }
        }
        for index in 0..self.images.len() {
            let (map, target) = (self.smoothed(index), target(index));
            write_map(&target, map.width, map.height, &map.values)?;
            progress(index as u64 + 1);
        }
        Ok(())
    }
}

impl MapSource for EvaluatedMaps {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn name(&self, index: usize) -> String {
        self.item(index).path.display().to_string()
    }

    fn mask_name(&self, index: usize, mask: usize) -> String {
        self.item(index).masks[mask].display().to_string()
    }

    fn kind(&self, index: usize) -> &Kind {
        &self.item(index).kind
    }

    fn read(&self, index: usize) -> Result<Sample> {
        let item = self.item(index);
        let masks = load_masks(item, self.images[index].size)
            .with_context(|| format!("cannot load the ground truth of {}", item.path.display()))?;
        Ok(Sample {
            map: self.smoothed(index),
            masks,
        })
    }
}

/// Validates the standard deviation of the smoothing.
///
/// # Errors
/// Returns an error if it is not a number from 0 to 100.
pub fn check_smoothing(sigma: f64) -> Result<f64> {
    ensure!(
        (0.0..=100.0).contains(&sigma),
        "pixel smoothing {sigma}: must be from 0 to 100 pixels"
    );
    Ok(sigma)
}
