//! Proposes the part of the frame to inspect: where the pictures of a camera differ, or where they have structure.

use std::ops::Range;

use inspectd_core::frame::Frame;

use super::grey::Grey;
use crate::config::settings::Crop;

/// Longer side of the reduced pictures, pixels.
const SIDE: u32 = 160;

/// Smallest difference of grey levels that is content.
const LEAST_LEVELS: f32 = 12.0;

/// Content differs by more than this multiple of the noise.
const TIMES_NOISE: f32 = 6.0;

/// Components with a smaller share of the picture are specks.
const SPECK: f32 = 0.001;

/// From this share of the picture on, what varies is the subject.
const VARIES: f32 = 0.005;

/// Share of the box that is added on each side.
const MARGIN: f32 = 0.06;

/// A crop that leaves out less than this share of a side is not worth it.
const WORTH: f32 = 0.1;

/// A proposal.
#[derive(Clone, Debug, PartialEq)]
pub struct CropProposal {
    /// The crop; none: the whole frame.
    pub crop: Option<Crop>,
    /// Why, for people.
    pub reason: String,
}

impl CropProposal {
    fn whole(reason: &str) -> Self {
        Self {
            crop: None,
            reason: reason.to_owned(),
        }
    }
}

/// Proposes a crop from pictures of one camera, all of the same size. It is at least as large as the input of the model,
/// `least` pixels, where the frame is. `noise` is in grey levels.
pub fn propose_crop(pictures: &[Frame], noise: f32, least: [u32; 2]) -> CropProposal {
    let greys: Vec<Grey> = pictures
        .iter()
        .map(|picture| Grey::reduced(picture, SIDE))
        .collect();
    let (Some(first), Some(frame)) = (greys.first(), pictures.first()) else {
        return CropProposal::whole("no picture");
    };
    if !greys.iter().all(|grey| grey.fits(first)) {
        return CropProposal::whole("the pictures have different sizes");
    }
    let above = LEAST_LEVELS.max(TIMES_NOISE * noise);
    let varying = varying(&greys, above);
    let structured = structured(&greys, above);
    let share = share_of(&varying);
    let mask = Mask {
        width: first.width,
        cells: varying
            .iter()
            .zip(&structured)
            .map(|(a, b)| *a || *b)
            .collect(),
    };
    let only_varying = share >= VARIES;
    let kept = mask.components().into_iter().filter(|component| {
        let large = component.len() as f32 >= SPECK * mask.cells.len() as f32;
        large && (!only_varying || component.iter().any(|&cell| varying[cell]))
    });
    let cells: Vec<usize> = kept.flatten().collect();
    let Some(bounds) = mask.bounds(&cells) else {
        return CropProposal::whole("nothing stands out from the background");
    };
    let crop = scaled(&bounds, [first.width, first.height], frame, least);
    let [width, height] = [crop.right - crop.left, crop.bottom - crop.top];
    let worth = |side: u32, whole: u32| (side as f32) < (1.0 - WORTH) * whole as f32;
    if !worth(width, frame.width()) && !worth(height, frame.height()) {
        return CropProposal::whole("the content fills the frame");
    }
    let reason = if only_varying {
        format!(
            "what varies from picture to picture ({:.0} % of the frame)",
            100.0 * share
        )
    } else {
        "what has edges; the pictures do not differ otherwise".to_owned()
    };
    CropProposal {
        crop: Some(crop),
        reason,
    }
}

/// Pixels whose levels differ between pictures.
fn varying(greys: &[Grey], above: f32) -> Vec<bool> {
    let count = greys[0].levels.len();
    let mut lowest = vec![f32::INFINITY; count];
    let mut highest = vec![f32::NEG_INFINITY; count];
    for grey in greys {
        for ((low, high), &level) in lowest.iter_mut().zip(&mut highest).zip(&grey.levels) {
            *low = low.min(level);
            *high = high.max(level);
        }
    }
    let ranges = lowest.iter().zip(&highest);
    ranges.map(|(low, high)| high - low > above).collect()
}

/// Pixels at an edge of any picture.
fn structured(greys: &[Grey], above: f32) -> Vec<bool> {
    let (width, height) = (greys[0].width, greys[0].height);
    let mut found = vec![false; width * height];
    for grey in greys {
        for y in 0..height {
            for x in 0..width {
                let [left, right] = [x.saturating_sub(1), (x + 1).min(width - 1)];
                let [up, down] = [y.saturating_sub(1), (y + 1).min(height - 1)];
                let across = grey.at(right, y) - grey.at(left, y);
                let along = grey.at(x, down) - grey.at(x, up);
                if across.hypot(along) > above {
                    found[y * width + x] = true;
                }
            }
        }
    }
    found
}

fn share_of(cells: &[bool]) -> f32 {
    cells.iter().filter(|cell| **cell).count() as f32 / cells.len() as f32
}

/// Marked pixels, row by row.
struct Mask {
    width: usize,
    cells: Vec<bool>,
}

impl Mask {
    /// The 8-connected components.
    fn components(&self) -> Vec<Vec<usize>> {
        let mut open = self.cells.clone();
        let mut found = Vec::new();
        for start in 0..open.len() {
            if !open[start] {
                continue;
            }
            open[start] = false;
            let mut members = vec![start];
            let mut next = 0;
            while let Some(&cell) = members.get(next) {
                next += 1;
                for neighbour in self.neighbours(cell) {
                    if std::mem::take(&mut open[neighbour]) {
                        members.push(neighbour);
                    }
                }
            }
            found.push(members);
        }
        found
    }

    fn neighbours(&self, cell: usize) -> impl Iterator<Item = usize> {
        let (width, height) = (self.width, self.cells.len() / self.width);
        let (x, y) = (cell % width, cell / width);
        let rows = y.saturating_sub(1)..(y + 2).min(height);
        rows.flat_map(move |y| {
            let columns = x.saturating_sub(1)..(x + 2).min(width);
            columns.map(move |x| y * width + x)
        })
    }

    /// Columns and rows of the box around cells; none without cells.
    fn bounds(&self, cells: &[usize]) -> Option<[Range<usize>; 2]> {
        let mut columns = cells.iter().map(|cell| cell % self.width);
        let mut rows = cells.iter().map(|cell| cell / self.width);
        let range = |values: &mut dyn Iterator<Item = usize>| {
            let first = values.next()?;
            let (low, high) = values.fold((first, first), |(low, high), value| {
                (low.min(value), high.max(value))
            });
            Some(low..high + 1)
        };
        Some([range(&mut columns)?, range(&mut rows)?])
    }
}

/// The box in pixels of the frame, with a margin, even numbers, and at least `least` pixels large.
fn scaled(bounds: &[Range<usize>; 2], reduced: [usize; 2], frame: &Frame, least: [u32; 2]) -> Crop {
    let sides = [frame.width(), frame.height()];
    let side = |axis: usize| {
        let (range, whole) = (&bounds[axis], sides[axis]);
        let scale = whole as f32 / reduced[axis] as f32;
        let margin = MARGIN * range.len() as f32;
        // The edge of a reduced pixel may be anywhere in it.
        let low = ((range.start as f32 - margin - 1.0) * scale)
            .floor()
            .max(0.0) as u32;
        let high = ((range.end as f32 + margin + 1.0) * scale).ceil() as u32;
        let (low, high) = (low & !1, high.next_multiple_of(2).min(whole));
        widened(low, high, least[axis].min(whole), whole)
    };
    let ([left, right], [top, bottom]) = (side(0), side(1));
    Crop {
        left,
        top,
        right,
        bottom,
    }
}

/// A range that is at least `least` long, around the same middle as far as `whole` allows.
fn widened(low: u32, high: u32, least: u32, whole: u32) -> [u32; 2] {
    let length = (high - low).max(least).min(whole);
    let missing = length.saturating_sub(high - low);
    let low = low.saturating_sub(missing.div_ceil(2)).min(whole - length);
    [low, low + length]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commissioning::grey::tests::frame;

    /// A part of 200 x 160 pixels at `left`, `top` on a plain background, and a fixed screw in a corner.
    fn part(left: u32, top: u32) -> Frame {
        frame(800, 600, |x, y| {
            let inside = |from: u32, size: u32, at: u32| (from..from + size).contains(&at);
            if inside(left, 200, x) && inside(top, 160, y) {
                return if (x / 20).is_multiple_of(2) { 180 } else { 60 };
            }
            if inside(20, 60, x) && inside(20, 60, y) {
                200
            } else {
                110
            }
        })
    }

    fn contains(crop: Crop, [left, top, right, bottom]: [u32; 4]) -> bool {
        crop.left <= left && crop.top <= top && crop.right >= right && crop.bottom >= bottom
    }

    #[test]
    fn crop_contains_what_varies_and_leaves_fixed_things_out() {
        let pictures = [part(300, 200), part(320, 210), part(340, 220)];
        let proposal = propose_crop(&pictures, 1.0, [64, 64]);
        let crop = proposal.crop.expect("a crop");
        assert!(contains(crop, [300, 200, 540, 380]), "{crop:?}");
        assert!(
            crop.left > 240 && crop.top > 140,
            "the screw is left out: {crop:?}"
        );
        assert!(crop.right < 600 && crop.bottom < 440, "{crop:?}");
        assert!(
            proposal.reason.starts_with("what varies"),
            "{}",
            proposal.reason
        );
    }

    #[test]
    fn still_pictures_are_cropped_to_everything_with_edges() {
        let pictures = [part(300, 200), part(300, 200)];
        let crop = propose_crop(&pictures, 1.0, [64, 64]).crop.expect("a crop");
        assert!(contains(crop, [20, 20, 500, 360]), "{crop:?}");
        assert!(crop.right < 560 && crop.bottom < 420, "{crop:?}");
    }

    #[test]
    fn crop_is_at_least_as_large_as_the_input_of_the_model_and_inside_the_frame() {
        let pictures = [part(590, 430), part(600, 440)];
        let crop = propose_crop(&pictures, 1.0, [400, 500])
            .crop
            .expect("a crop");
        assert!(contains(crop, [600, 440, 800, 600]), "{crop:?}");
        assert!(
            crop.right - crop.left >= 400 && crop.bottom - crop.top >= 500,
            "{crop:?}"
        );
        assert!(crop.right <= 800 && crop.bottom <= 600, "{crop:?}");
        for (low, high, least, expected) in [
            (10, 20, 4, [10, 20]),
            (10, 20, 30, [0, 30]),
            (90, 100, 30, [70, 100]),
            (40, 60, 30, [35, 65]),
            (0, 100, 100, [0, 100]),
        ] {
            assert_eq!(widened(low, high, least, 100), expected);
        }
    }

    #[test]
    fn whole_frame_is_proposed_with_the_reason() {
        let check = |pictures: &[Frame], expected: &str| {
            let proposal = propose_crop(pictures, 1.0, [64, 64]);
            assert_eq!((proposal.crop, proposal.reason.as_str()), (None, expected));
        };
        let plain = frame(400, 300, |_, _| 90);
        check(
            std::slice::from_ref(&plain),
            "nothing stands out from the background",
        );
        check(&[], "no picture");
        let stripes = frame(
            400,
            300,
            |x, _| if (x / 20).is_multiple_of(2) { 180 } else { 60 },
        );
        check(&[stripes], "the content fills the frame");
        check(
            &[plain, frame(40, 30, |_, _| 90)],
            "the pictures have different sizes",
        );
        // The specks of noise are no content.
        let specks = frame(400, 300, |x, y| if (x, y) == (50, 50) { 255 } else { 90 });
        check(&[specks], "nothing stands out from the background");
    }
}
