//! Image panels as in Fig. 5 of the paper: an image with its ground truth and its anomaly map.

use std::path::Path;

use anyhow::{Context, Result};
use image::RgbImage;
use inspectd_core::frame::Frame;
use inspectd_core::image_file::decode;
use inspectd_core::maps::{MapSize, upsample};
use inspectd_core::preprocess;

use super::colour_map::colour;
use super::image_encoding;
use crate::dataset::Kind;
use crate::dataset::masks::{Mask, load_masks};
use crate::evaluate::maps::EvaluatedMaps;
use crate::evaluate::result::Evaluation;

/// Longer side of a tile in pixels.
const TILE: u32 = 320;
/// Colour and opacity of the ground truth.
const TRUTH: [u8; 3] = [230, 110, 10];
const TRUTH_SHARE: f32 = 0.55;
/// Opacity of the map's colour over the image at the lowest and at the highest value of the map.
const COVER: [f32; 2] = [0.15, 0.85];

/// An image with a caption.
pub(super) struct Tile {
    pub(super) name: String,
    pub(super) image: RgbImage,
}

/// The tiles of one test image.
pub(super) struct Panel {
    /// File name.
    pub(super) file: String,
    /// Index of the image in the dataset.
    pub(super) index: usize,
    pub(super) tiles: Vec<Tile>,
}

/// Colour scale of the maps, the same for all panels. It starts at 0, which nine of ten cells of good parts
/// do not exceed, and ends at twice the threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ColourScale {
    pub(super) high: f32,
    /// Value at which the outline is drawn.
    pub(super) threshold: f32,
}

impl ColourScale {
    pub(crate) fn of(threshold: f64) -> Self {
        let threshold = threshold as f32;
        Self {
            // A threshold of 0 or less cannot be doubled; 0.1 is the validation images' 0.995 quantile.
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
    /// Creates the image, ground truth and anomaly map tiles of test image `index`.
    pub(super) fn of(
        index: usize,
        evaluation: &Evaluation,
        maps: &EvaluatedMaps,
        scale: ColourScale,
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
        let good = item.kind == Kind::Good;
        // Without masks, the defect's location in an anomalous image is unknown.
        if good || !masks.is_empty() {
            tiles.push(Tile {
                name: if good { "no defect" } else { "ground truth" }.to_owned(),
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

    /// Encodes all tiles side by side as a JPEG.
    pub(super) fn strip(&self) -> Result<Vec<u8>> {
        image_encoding::jpeg(&image_encoding::strip(
            self.tiles.iter().map(|tile| &tile.image),
        ))
    }
}

/// Returns a file name that every file system accepts, from the index in the dataset (which makes it unique),
/// the type and the image name.
pub(super) fn file_name(index: usize, kind: &str, image: &Path) -> String {
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

/// Resizes `frame` so that its longer side is that of a tile.
pub(crate) fn tile(frame: &Frame) -> Result<RgbImage> {
    let (width, height) = (frame.width(), frame.height());
    let scale = f64::from(TILE) / f64::from(width.max(height));
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let small = preprocess::resize(frame, None, side(width), side(height))?;
    RgbImage::from_raw(small.width(), small.height(), small.rgb().to_vec())
        .context("a frame has three bytes for each pixel")
}

/// Draws the image in darkened greyscale with the defects in colour.
fn truth(image: &RgbImage, masks: &[Mask]) -> RgbImage {
    let (width, height) = image.dimensions();
    let mut marked = vec![false; width as usize * height as usize];
    let to = (u64::from(width), u64::from(height));
    for mask in masks {
        let from = (u64::from(mask.width), u64::from(mask.height));
        let defective = |at: u64| mask.values[at as usize] != 0;
        // Marks the tile pixel that contains each defect pixel, so that small defects remain visible.
        for at in (0..from.0 * from.1).filter(|&at| defective(at)) {
            marked[corresponding_pixel(at, from, to) as usize] = true;
        }
        // If the tile is larger than the image, also fills the pixels in between.
        for at in (0..to.0 * to.1).filter(|&at| defective(corresponding_pixel(at, to, from))) {
            marked[at as usize] = true;
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

/// Returns the pixel in an image of size `to` that contains the centre of pixel `at` of an image of size `from`.
fn corresponding_pixel(at: u64, from: (u64, u64), to: (u64, u64)) -> u64 {
    let along = |place: u64, from: u64, to: u64| (2 * place + 1) * to / (2 * from);
    along(at / from.0, from.1, to.1) * to.0 + along(at % from.0, from.0, to.0)
}

/// Draws the combined map `cells` of `size` over the image, as [`overlay`] does.
pub(crate) fn overlaid(
    image: &RgbImage,
    cells: &[f32],
    size: MapSize,
    scale: ColourScale,
) -> RgbImage {
    let map = upsample(cells, size, image.width(), image.height());
    overlay(image, &map, scale)
}

/// Draws the map's colours over the image in greyscale, with a white outline around values above the threshold.
fn overlay(image: &RgbImage, map: &[f32], scale: ColourScale) -> RgbImage {
    let width = image.width() as usize;
    let above = |at: Option<usize>| at.and_then(|at| map.get(at)).map(|v| *v > scale.threshold);
    let mut shown = image.clone();
    for (at, pixel) in shown.pixels_mut().enumerate() {
        let share = (map[at] / scale.high).clamp(0.0, 1.0);
        let cover = COVER[0] + (COVER[1] - COVER[0]) * share;
        pixel.0 = blend([luma(pixel.0); 3], colour(share), cover);
        let right = (at % width + 1 < width).then_some(at + 1);
        let edge = [right, Some(at + width)].into_iter().any(|neighbour| {
            above(neighbour).is_some_and(|above_there| above(Some(at)) != Some(above_there))
        });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smallest_defect_is_marked() {
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
    fn enlarged_defect_has_no_holes() {
        let mask = Mask {
            width: 2,
            height: 1,
            values: vec![0, 1],
        };
        let shown = truth(&RgbImage::new(7, 3), &[mask]);
        let marked = |x: u32, y: u32| shown.get_pixel(x, y).0 != [0; 3];
        assert!((0..3).all(|y| marked(4, y) && marked(5, y) && marked(6, y)));
        assert!((0..3).all(|y| !marked(0, y) && !marked(2, y)));
    }

    #[test]
    fn values_above_the_threshold_have_an_outline() {
        let image = RgbImage::new(3, 3);
        let mut map = vec![0.0; 9];
        map[4] = 1.0;
        let scale = ColourScale::of(0.5);
        let shown = overlay(&image, &map, scale);
        let white = shown.pixels().filter(|pixel| pixel.0 == [255; 3]).count();
        // The peak itself, and its left and upper neighbours.
        assert_eq!(white, 3);
        let flat = overlay(&image, &[0.4; 9], scale);
        assert!(flat.pixels().all(|pixel| pixel.0 == flat.get_pixel(0, 0).0));
    }

    #[test]
    fn file_names_are_safe_and_unique() {
        let check = |index, kind, image, expected: &str| {
            assert_eq!(file_name(index, kind, Path::new(image)), expected);
        };
        check(7, "good", "test/good/000.png", "0007-good-000.jpg");
        check(8, "a/b\" x", "c d.e.png", "0008-a-b--x-c-d-e.jpg");
    }
}
