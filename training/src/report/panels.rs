//! Panels as in the paper's figures: an image with its ground truth and its map (Fig. 5), and an image
//! with one channel of the features behind the logical map (Fig. 6).

use std::path::Path;

use anyhow::{Context, Result};
use image::RgbImage;
use inspectd::frame::Frame;
use inspectd::image_file::decode;
use inspectd::maps::upsample;
use inspectd::preprocess;

use super::colour_map::colour;
use super::picture;
use crate::dataset::frames::Frames;
use crate::dataset::masks::{Mask, load_masks};
use crate::evaluate::maps::EvaluatedMaps;
use crate::evaluate::model::{Features, Model};
use crate::evaluate::result::Evaluation;

/// The longer side of a tile, pixels.
const TILE: u32 = 320;
/// What marks the ground truth, and how strongly.
const TRUTH: [u8; 3] = [230, 110, 10];
const TRUTH_SHARE: f32 = 0.55;
/// How much of a map's colour covers the image where the map is lowest and where it is highest.
const COVER: [f32; 2] = [0.3, 0.8];

/// A picture with a word for it.
pub(super) struct Tile {
    pub(super) name: String,
    pub(super) image: RgbImage,
}

/// An image's tiles.
pub(super) struct Panel {
    /// The name of its file.
    pub(super) file: String,
    /// The image's place in the dataset.
    pub(super) index: usize,
    pub(super) tiles: Vec<Tile>,
}

/// The values that the colours of the maps stand for, one scale for all panels: from 0, what a cell of a
/// good part stays below in nine of ten cases, to twice the threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) high: f32,
    /// Where the outline is drawn.
    pub(super) threshold: f32,
}

impl Scale {
    pub(super) fn of(threshold: f64) -> Self {
        let threshold = threshold as f32;
        Self {
            // A threshold that is not positive has no double; 0.1 is the validation's 0.995 quantile.
            high: if threshold > 0.0 {
                2.0 * threshold
            } else {
                0.1
            },
            threshold,
        }
    }
}

impl Panel {
    /// The image, the truth and the map of test image `index`.
    pub(super) fn of(
        index: usize,
        evaluation: &Evaluation,
        maps: &EvaluatedMaps,
        scale: Scale,
    ) -> Result<Self> {
        let item = maps.item(index);
        let frame = decode(&item.path)?;
        let masks = load_masks(item, (frame.width(), frame.height()))?;
        let image = tile(&frame)?;
        let map = maps.resized(index, image.width(), image.height());
        let mut tiles = vec![Tile {
            name: "image".to_owned(),
            image: image.clone(),
        }];
        if !masks.is_empty() {
            tiles.push(Tile {
                name: "ground truth".to_owned(),
                image: truth(&image, &masks),
            });
        }
        tiles.push(Tile {
            name: "anomaly map".to_owned(),
            image: overlay(&image, &map, scale),
        });
        let scored = &evaluation.scores[index];
        Ok(Self {
            file: file_name(index, &scored.kind, &scored.image),
            index,
            tiles,
        })
    }

    /// All tiles beside each other, as a JPEG.
    pub(super) fn strip(&self) -> Result<Vec<u8>> {
        picture::jpeg(&picture::strip(self.tiles.iter().map(|tile| &tile.image)))
    }
}

/// A name that any file system takes: of the place in the dataset, which makes it the only one, the type
/// and the image.
fn file_name(index: usize, kind: &str, image: &Path) -> String {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy();
    let safe = |text: &str| -> String {
        let safe = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        text.chars()
            .take(40)
            .map(|c| if safe(c) { c } else { '-' })
            .collect()
    };
    format!("{index:04}-{}-{}.jpg", safe(kind), safe(&stem))
}

/// `frame` so that its longer side is a tile's.
fn tile(frame: &Frame) -> Result<RgbImage> {
    let (width, height) = (frame.width(), frame.height());
    let scale = f64::from(TILE) / f64::from(width.max(height));
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let small = preprocess::resize(frame, None, side(width), side(height))?;
    RgbImage::from_raw(small.width(), small.height(), small.rgb().to_vec())
        .context("a frame has three bytes for each pixel")
}

/// The image in grey and darker, with what is defective in colour.
fn truth(image: &RgbImage, masks: &[Mask]) -> RgbImage {
    let (width, height) = image.dimensions();
    let mut marked = vec![false; width as usize * height as usize];
    for mask in masks {
        let (from_width, from_height) = (u64::from(mask.width), u64::from(mask.height));
        let defects = (0u64..).zip(&mask.values).filter(|(_, value)| **value != 0);
        for (at, _) in defects {
            // Every defective pixel marks the tile's pixel that it falls in, so that none gets lost.
            let x = at % from_width * u64::from(width) / from_width;
            let y = at / from_width * u64::from(height) / from_height;
            marked[(y * u64::from(width) + x) as usize] = true;
        }
    }
    let mut shown = image.clone();
    for (pixel, marked) in shown.pixels_mut().zip(marked) {
        let grey = [luma(pixel.0) * 0.75; 3];
        pixel.0 = if marked {
            blend(grey, TRUTH, TRUTH_SHARE)
        } else {
            grey.map(|level| level as u8)
        };
    }
    shown
}

/// The image in grey under the map's colours, with a white line around what is above the threshold.
fn overlay(image: &RgbImage, map: &[f32], scale: Scale) -> RgbImage {
    let width = image.width() as usize;
    let above = |at: Option<usize>| at.and_then(|at| map.get(at)).map(|v| *v > scale.threshold);
    let mut shown = image.clone();
    for (at, pixel) in shown.pixels_mut().enumerate() {
        let share = (map[at] / scale.high).clamp(0.0, 1.0);
        let cover = COVER[0] + (COVER[1] - COVER[0]) * share;
        pixel.0 = blend([luma(pixel.0); 3], colour(share), cover);
        let right = (at % width + 1 < width).then_some(at + 1);
        let edge = [right, Some(at + width)]
            .into_iter()
            .any(|beside| above(beside).is_some_and(|beside| above(Some(at)) != Some(beside)));
        if edge {
            pixel.0 = [255; 3];
        }
    }
    shown
}

fn luma([red, green, blue]: [u8; 3]) -> f32 {
    0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)
}

fn blend(below: [f32; 3], above: [u8; 3], share: f32) -> [u8; 3] {
    std::array::from_fn(|i| (below[i] * (1.0 - share) + f32::from(above[i]) * share) as u8)
}

/// The panels of features, all of one channel.
pub(super) struct FeaturePanels {
    pub(super) channel: usize,
    pub(super) panels: Vec<Panel>,
}

/// The features of the test images `indices`; nothing where the model gives none.
pub(super) fn features(
    indices: &[usize],
    evaluation: &Evaluation,
    maps: &EvaluatedMaps,
    model: &Model,
) -> Result<Option<FeaturePanels>> {
    let paths = indices.iter().map(|&index| maps.item(index).path.clone());
    let frames = Frames::new(paths.collect(), model.identity().input_size, 0);
    let loaded = (0..indices.len()).map(|at| Ok(model.features(&frames.load(at)?)));
    let Some(features) = loaded.collect::<Result<Option<Vec<Features>>>>()? else {
        return Ok(None);
    };
    let channel = telling_channel(&features);
    let panel = |(&index, features): (&usize, &Features)| -> Result<Panel> {
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

/// The channel that adds most to the largest values of the logical maps of these images.
fn telling_channel(features: &[Features]) -> usize {
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

/// The image and one channel of each of its three features, in colours of one scale.
fn feature_tiles(image: &RgbImage, features: &Features, channel: usize) -> Vec<Tile> {
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
        let large = upsample(values, side, side, width, height);
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
    fn the_smallest_defect_is_still_marked() {
        let image = RgbImage::new(10, 10);
        let mut values = vec![0; 100 * 100];
        values[55 * 100 + 37] = 1;
        let mask = Mask {
            width: 100,
            height: 100,
            values,
        };
        let shown = truth(&image, &[mask]);
        let marked: Vec<(u32, u32)> = shown
            .enumerate_pixels()
            .filter(|(_, _, pixel)| pixel.0 != [0; 3])
            .map(|(x, y, _)| (x, y))
            .collect();
        assert_eq!(marked, [(3, 5)]);
    }

    #[test]
    fn what_is_above_the_threshold_has_an_outline() {
        let image = RgbImage::new(3, 3);
        let mut map = vec![0.0; 9];
        map[4] = 1.0;
        let scale = Scale::of(0.5);
        let shown = overlay(&image, &map, scale);
        let white = shown.pixels().filter(|pixel| pixel.0 == [255; 3]).count();
        // The peak itself, and what lies to its left and above.
        assert_eq!(white, 3);
        let flat = overlay(&image, &[0.4; 9], scale);
        assert!(flat.pixels().all(|pixel| pixel.0 == flat.get_pixel(0, 0).0));
    }

    #[test]
    fn files_have_safe_and_different_names() {
        let check = |index, kind, image, expected: &str| {
            assert_eq!(file_name(index, kind, Path::new(image)), expected);
        };
        check(7, "good", "test/good/000.png", "0007-good-000.jpg");
        check(8, "a/b\" x", "c d.e.png", "0008-a-b--x-c-d-e.jpg");
    }
}
