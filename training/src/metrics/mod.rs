//! The field's metrics: how well scores tell anomalous images from good ones, and how well anomaly maps
//! show where the anomalies are.
//!
//! [`image`] and [`pixel`] compute, and do no IO of their own. Maps come through [`source::MapSource`]:
//! from TIFF files in the layouts of the MVTec data sets ([`map_folder`], [`map_file`]), or from a model.
//! All areas are exact: no threshold is sampled.

mod bootstrap;
mod components;
pub mod curve;
pub mod defects_config;
mod display;
pub mod image;
pub mod map_file;
pub mod map_folder;
mod order_key;
pub mod pixel;
mod ranking;
pub mod source;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::dataset::Kind;
use defects_config::DefectsConfig;
use image::{ImageMetrics, ImageScore};
use pixel::PixelMetrics;
use source::MapSource;

/// The metrics of one method on one category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// From the images' scores.
    pub image: ImageMetrics,
    /// From the maps; none where no ground truth is drawn.
    pub pixel: Option<PixelMetrics>,
}

/// The metrics of maps, where an image's score is its map's maximum, as the official evaluation of both
/// MVTec data sets has it. `progress` is told how much is done, of how much in all.
///
/// # Errors
/// When a map or a mask cannot be used (it is named), or there is no good or no anomalous image.
pub fn evaluate(
    source: &dyn MapSource,
    defects: Option<&DefectsConfig>,
    options: &image::Options,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Metrics> {
    let evaluation = pixel::evaluate(source, defects, progress)?;
    let scores: Vec<ImageScore> = evaluation
        .maxima
        .iter()
        .enumerate()
        .map(|(index, &maximum)| ImageScore {
            anomaly: match source.kind(index) {
                Kind::Good => None,
                Kind::Anomalous { type_name, .. } => Some(type_name.clone()),
            },
            score: f64::from(maximum),
        })
        .collect();
    Ok(Metrics {
        image: image::evaluate(&scores, options)?,
        pixel: evaluation.metrics,
    })
}
