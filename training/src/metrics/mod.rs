//! Metrics of anomaly detection: how well scores separate anomalous from good images, and how well anomaly
//! maps localise anomalies.
//!
//! [`image`] and [`pixel`] compute the metrics without doing IO. Maps are read through
//! [`source::MapSource`]: from TIFF files in the layouts of the MVTec datasets ([`map_folder`],
//! [`map_file`]), or from a model. All areas are exact; thresholds are not sampled.

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

/// Metrics of one method on one category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Image-level metrics, from the images' scores.
    pub image: ImageMetrics,
    /// Pixel-level metrics, from the maps; `None` without ground truth masks.
    pub pixel: Option<PixelMetrics>,
}

/// Computes the metrics of maps. The score of an image is the maximum of its map, as in the official
/// evaluation of both MVTec datasets. Calls `progress` with the completed and the total amount of work.
///
/// # Errors
/// Returns an error that names the file if a map or mask is invalid, or an error if good or anomalous images
/// are missing.
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
