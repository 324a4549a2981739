//! Feature panels as in Fig. 6 of the paper: an image with one channel of the features behind its logical map.

use anyhow::Result;
use image::RgbImage;
use inspectd_core::image_file::decode;
use inspectd_core::maps::{MapSize, upsample};

use super::colour_map::colour;
use super::panels::{Panel, Tile, file_name, tile};
use crate::dataset::image_cache::ImageCache;
use crate::evaluate::maps::EvaluatedMaps;
use crate::evaluate::model::{LogicalFeatures, Model};
use crate::evaluate::result::Evaluation;

/// Feature panels, all of the same channel.
pub(super) struct FeaturePanels {
    pub(super) channel: usize,
    pub(super) panels: Vec<Panel>,
}

/// Creates the panels of the test images `indices`; `None` if the model does not provide features.
pub(super) fn feature_panels(
    indices: &[usize],
    evaluation: &Evaluation,
    maps: &EvaluatedMaps,
    model: &Model,
) -> Result<Option<FeaturePanels>> {
    let paths = indices.iter().map(|&index| maps.item(index).path.clone());
    let frames = ImageCache::new(paths.collect(), model.identity().input_size, 0);
    let loaded = (0..indices.len()).map(|at| Ok(model.features(&frames.load(at)?)));
    let Some(features) = loaded.collect::<Result<Option<Vec<LogicalFeatures>>>>()? else {
        return Ok(None);
    };
    let channel = dominant_channel(&features);
    let panel = |(&index, features): (&usize, &LogicalFeatures)| -> Result<Panel> {
        let scored = &evaluation.scores[index];
        Ok(Panel {
            file: file_name(index, &scored.kind, &scored.image),
            index,
            tiles: feature_tiles(&tile(&decode(&maps.item(index).path)?)?, features, channel),
        })
    };
    Ok(Some(FeaturePanels {
        channel,
        panels: indices
            .iter()
            .zip(&features)
            .map(panel)
            .collect::<Result<_>>()?,
    }))
}

/// Returns the channel with the largest total contribution to the maxima of the images' logical maps.
fn dominant_channel(features: &[LogicalFeatures]) -> usize {
    let channels = features.first().map_or(1, |features| features.channels);
    let mut parts = vec![0.0; channels];
    for features in features {
        let cells = features.low.len() / channels;
        let squares = |channel: usize, cell: usize| {
            let at = channel * cells + cell;
            (features.logical[at] - features.low[at]).powi(2)
        };
        let sum = |cell: usize| {
            (0..channels)
                .map(|channel| squares(channel, cell))
                .sum::<f32>()
        };
        let sums: Vec<f32> = (0..cells).map(sum).collect();
        let peak = (0..cells).max_by(|&a, &b| sums[a].total_cmp(&sums[b]));
        let peak = peak.unwrap_or(0);
        for (channel, part) in parts.iter_mut().enumerate() {
            *part += squares(channel, peak) / sums[peak].max(f32::MIN_POSITIVE);
        }
    }
    let largest = (0..channels).max_by(|&a, &b| parts[a].total_cmp(&parts[b]));
    largest.unwrap_or(0)
}

/// Creates tiles of the image and of one channel of each of its three features, with a common colour scale.
fn feature_tiles(image: &RgbImage, features: &LogicalFeatures, channel: usize) -> Vec<Tile> {
    let cells = features.low.len() / features.channels;
    let side = cells.isqrt();
    let shown = [
        ("f_t, teacher", &features.teacher),
        ("f_g, GDecoder", &features.logical),
        ("f_l, SEncoder1", &features.low),
    ]
    .map(|(name, values)| (name, &values[channel * cells..][..cells]));
    let all = || shown.iter().flat_map(|(_, values)| values.iter().copied());
    let low = all().fold(f32::INFINITY, f32::min);
    let high = all().fold(f32::NEG_INFINITY, f32::max);
    let extent = (high - low).max(f32::MIN_POSITIVE);
    let (width, height) = image.dimensions();
    let coloured = |values: &[f32]| {
        let large = upsample(values, MapSize::square(side), width, height);
        let mut tile = image.clone();
        for (pixel, value) in tile.pixels_mut().zip(large) {
            pixel.0 = colour((value - low) / extent);
        }
        tile
    };
    let mut tiles = vec![Tile {
        name: "image".to_owned(),
        image: image.clone(),
    }];
    tiles.extend(shown.iter().map(|(name, values)| Tile {
        name: (*name).to_owned(),
        image: coloured(values),
    }));
    tiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_with_the_largest_contribution_is_selected() {
        // Three channels with four cells; the maximum is in cell 2, mostly from channel 1.
        let mut low = vec![0.0; 12];
        low[4 + 2] = 3.0;
        low[2] = 1.0;
        low[8] = 2.0;
        let features = LogicalFeatures {
            teacher: vec![0.0; 12],
            logical: vec![0.0; 12],
            low,
            channels: 3,
        };
        assert_eq!(dominant_channel(&[features]), 1);
        assert_eq!(dominant_channel(&[]), 0);
    }
}
