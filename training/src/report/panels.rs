//! Panels as in the paper's Fig. 5: an image with its ground truth and its map.

use std::path::Path;

use anyhow::{Context, Result};
use image::RgbImage;
use inspectd::frame::Frame;
use inspectd::image_file::decode;
use inspectd::preprocess;

use super::colour_map::colour;
use super::image_encoding;
use crate::dataset::Kind;
use crate::dataset::masks::{Mask, load_masks};
use crate::evaluate::maps::EvaluatedMaps;
use crate::evaluate::result::Evaluation;

/// The longer side of a tile, pixels.
const TILE: u32 = 320;
/// What marks the ground truth, and how strongly.
const TRUTH: [u8; 3] = [230, 110, 10];
const TRUTH_SHARE: f32 = 0.55;
/// How much of a map's colour covers the image where the map is lowest and where it is highest.
const COVER: [f32; 2] = [0.15, 0.85];

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
pub(super) struct ColourScale {
    pub(super) high: f32,
    /// Where the outline is drawn.
    pub(super) threshold: f32,
}

impl ColourScale {
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
        // Of an anomalous image without masks nobody says where the defect is.
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

    /// All tiles beside each other, as a JPEG.
    pub(super) fn strip(&self) -> Result<Vec<u8>> {
        image_encoding::jpeg(&image_encoding::strip(
            self.tiles.iter().map(|tile| &tile.image),
        ))
    }
}

/// A name that any file system takes: of the place in the dataset, which makes it the only one, the type
/// and the image.
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

/// `frame` so that its longer side is a tile's.
pub(super) fn tile(frame: &Frame) -> Result<RgbImage> {
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
    let to = (u64::from(width), u64::from(height));
    for mask in masks {
        let from = (u64::from(mask.width), u64::from(mask.height));
        let defective = |at: u64| mask.values[at as usize] != 0;
        // Every defective pixel marks the tile's pixel that it falls in, so that none gets lost ...
        for at in (0..from.0 * from.1).filter(|&at| defective(at)) {
            marked[moved(at, from, to) as usize] = true;
        }
        // ... and a tile larger than the image has pixels in between.
        for at in (0..to.0 * to.1).filter(|&at| defective(moved(at, to, from))) {
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

/// The pixel of a picture of the size `to` that shows the middle of pixel `at` of one of the size `from`.
fn moved(at: u64, from: (u64, u64), to: (u64, u64)) -> u64 {
    let along = |place: u64, from: u64, to: u64| (2 * place + 1) * to / (2 * from);
    along(at / from.0, from.1, to.1) * to.0 + along(at % from.0, from.0, to.0)
}

/// The image in grey under the map's colours, with a white line around what is above the threshold.
fn overlay(image: &RgbImage, map: &[f32], scale: ColourScale) -> RgbImage {
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
    fn a_defect_that_is_enlarged_has_no_holes() {
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
    fn what_is_above_the_threshold_has_an_outline() {
        let image = RgbImage::new(3, 3);
        let mut map = vec![0.0; 9];
        map[4] = 1.0;
        let scale = ColourScale::of(0.5);
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
