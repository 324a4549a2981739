//! Per-location normalisation of the anomaly maps. If the parts always lie at the same place, a cell with
//! features that are hard to predict does not hide an anomaly elsewhere. Not in the paper.

use std::path::Path;

use anyhow::{Context, Result};
use tch::Tensor;

use super::ImageMaps;
use crate::fit::checkpoint::{Checkpoint, host};

/// Fraction of the mean spread that is added to the spread of every cell, so that noise in a cell in which
/// the training images hardly differ does not become an anomaly.
const SPREAD_FLOOR: f32 = 0.25;

/// Mean and spread of every map cell over the training images. The maps are normalised by them.
#[derive(Clone, Debug, PartialEq)]
pub struct LocationNormalisation {
    /// Statistics of the structural map, `A_s`.
    pub structural: CellStatistics,
    /// Statistics of the logical map, `A_g`.
    pub logical: CellStatistics,
}

/// Statistics of every cell of one map over the training images, `[side * side]` each.
#[derive(Clone, Debug, PartialEq)]
pub struct CellStatistics {
    /// Mean.
    pub mean: Vec<f32>,
    /// Standard deviation plus a floor; above 0.
    pub spread: Vec<f32>,
}

/// Running statistics for [`LocationNormalisation`], in constant memory.
#[derive(Debug, Default)]
pub struct LocationStatistics {
    count: f64,
    structural: Vec<[f64; 2]>,
    logical: Vec<[f64; 2]>,
}

impl LocationStatistics {
    /// Adds the maps of one image (Welford 1962).
    pub fn add(&mut self, maps: &ImageMaps) {
        self.count += 1.0;
        for (cells, map) in [
            (&mut self.structural, &maps.structural),
            (&mut self.logical, &maps.logical),
        ] {
            cells.resize(map.len(), [0.0; 2]);
            for ([mean, squares], &value) in cells.iter_mut().zip(map) {
                let delta = f64::from(value) - *mean;
                *mean += delta / self.count;
                *squares += delta * (f64::from(value) - *mean);
            }
        }
    }

    /// The statistics without one of the added images: Welford's step backwards.
    fn without(&self, maps: &ImageMaps) -> Self {
        let count = self.count - 1.0;
        let of = |cells: &[[f64; 2]], map: &[f32]| {
            let pairs = cells.iter().zip(map);
            pairs
                .map(|([mean, squares], &value)| {
                    let value = f64::from(value);
                    let rest = mean - (value - mean) / count;
                    let squares = squares - (value - mean) * (value - rest);
                    [rest, squares.max(0.0)]
                })
                .collect()
        };
        Self {
            count,
            structural: of(&self.structural, &maps.structural),
            logical: of(&self.logical, &maps.logical),
        }
    }

    /// Returns the normalisation for the images added so far.
    pub fn finish(&self) -> LocationNormalisation {
        let of = |cells: &[[f64; 2]]| {
            let deviations: Vec<f32> = cells
                .iter()
                .map(|[_, squares]| (squares / self.count).sqrt() as f32)
                .collect();
            let floor = SPREAD_FLOOR * deviations.iter().sum::<f32>() / deviations.len() as f32;
            CellStatistics {
                mean: cells.iter().map(|[mean, _]| *mean as f32).collect(),
                // A constant map is only centred, not scaled.
                spread: deviations
                    .iter()
                    .map(|deviation| if floor > 0.0 { deviation + floor } else { 1.0 })
                    .collect(),
            }
        };
        LocationNormalisation {
            structural: of(&self.structural),
            logical: of(&self.logical),
        }
    }
}

impl LocationNormalisation {
    /// Subtracts the mean of each cell from `maps` and divides by its spread.
    #[must_use]
    pub fn apply(&self, maps: &ImageMaps) -> ImageMaps {
        let of = |map: &[f32], cells: &CellStatistics| {
            let statistics = cells.mean.iter().zip(&cells.spread);
            map.iter()
                .zip(statistics)
                .map(|(value, (mean, spread))| (value - mean) / spread)
                .collect()
        };
        ImageMaps {
            structural: of(&maps.structural, &self.structural),
            logical: of(&maps.logical, &self.logical),
            grid: maps.grid,
            size: maps.size,
        }
    }

    /// The four tensors with their names in `location.safetensors` of a run.
    fn named_tensors(&self) -> [(&'static str, &Vec<f32>); 4] {
        [
            ("structural.mean", &self.structural.mean),
            ("structural.spread", &self.structural.spread),
            ("logical.mean", &self.logical.mean),
            ("logical.spread", &self.logical.spread),
        ]
    }

    /// Writes the normalisation to `path`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut checkpoint = Checkpoint::default();
        for (name, values) in self.named_tensors() {
            checkpoint.insert(name, &Tensor::from_slice(values));
        }
        checkpoint.save(path)
    }

    /// Reads a normalisation from `path`.
    ///
    /// # Errors
    /// When the file cannot be read or lacks a tensor.
    pub fn load(path: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::load(path)?;
        let take = |name: &str| -> Result<Vec<f32>> {
            let tensor = checkpoint
                .tensors
                .get(name)
                .with_context(|| format!("{}: tensor {name} is missing", path.display()))?;
            Ok(host(tensor))
        };
        let of = |map: &str| -> Result<CellStatistics> {
            Ok(CellStatistics {
                mean: take(&format!("{map}.mean"))?,
                spread: take(&format!("{map}.spread"))?,
            })
        };
        Ok(Self {
            structural: of("structural")?,
            logical: of("logical")?,
        })
    }
}

/// Normalises each of `maps` by the statistics of the others, so that good images are not favoured over later
/// ones. At least two maps are needed.
pub fn leave_one_out(maps: &[ImageMaps]) -> Vec<ImageMaps> {
    let mut all = LocationStatistics::default();
    for map in maps {
        all.add(map);
    }
    maps.iter()
        .map(|map| all.without(map).finish().apply(map))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(structural: [f32; 2], logical: [f32; 2]) -> ImageMaps {
        ImageMaps {
            structural: structural.to_vec(),
            logical: logical.to_vec(),
            grid: inspectd_core::maps::MapSize {
                width: 2,
                height: 1,
            },
            size: (2, 1),
        }
    }

    #[test]
    fn each_map_is_normalised_by_the_statistics_of_the_others() {
        let all: Vec<ImageMaps> = (0..5_u8)
            .map(|i| {
                let i = f32::from(i);
                maps([i * i, 3.0 - i], [0.5 * i, i.sin()])
            })
            .collect();
        for (index, found) in leave_one_out(&all).iter().enumerate() {
            let mut others = LocationStatistics::default();
            for (_, map) in all.iter().enumerate().filter(|(other, _)| *other != index) {
                others.add(map);
            }
            let expected = others.finish().apply(&all[index]);
            for (found, expected) in [
                (&found.structural, &expected.structural),
                (&found.logical, &expected.logical),
            ] {
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-4, "{found} {expected}");
                }
            }
        }
    }

    #[test]
    fn cells_are_normalised_by_their_own_mean_and_spread() {
        let mut statistics = LocationStatistics::default();
        statistics.add(&maps([1.0, 5.0], [2.0, 2.0]));
        statistics.add(&maps([3.0, 5.0], [2.0, 2.0]));
        let location = statistics.finish();
        // Deviations 1 and 0, plus a quarter of their mean as the floor.
        assert_eq!(location.structural.mean, [2.0, 5.0]);
        assert_eq!(location.structural.spread, [1.125, 0.125]);
        let applied = location.apply(&maps([4.25, 5.25], [2.0, 3.0]));
        assert_eq!(applied.structural, [2.0, 2.0]);
        // The map is constant: it is only centred.
        assert_eq!(applied.logical, [0.0, 1.0]);
    }
}
