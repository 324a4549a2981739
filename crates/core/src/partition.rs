//! The parts that polygons divide a frame into: which pixels and which cells of a map belong to each.
//! Pure.
//!
//! A pixel belongs to the area that its centre is in. A cell of the map is divided finer, as areas of
//! defects are counted in cells and borders do not keep to them.

use crate::maps::{Place, Span};
use crate::polygon::Polygon;

/// A cell is divided into so many rows and columns of samples.
const SAMPLES_A_SIDE: usize = 16;

/// Samples of a whole cell.
pub(crate) const SAMPLES: u16 = (SAMPLES_A_SIDE * SAMPLES_A_SIDE) as u16;

/// Pixels and cells of one part of a frame.
#[derive(Clone, Debug)]
pub(crate) struct Area {
    /// The pixels, by row and column.
    pub spans: Vec<Span>,
    /// How many samples of each cell belong to it.
    pub samples: Vec<u16>,
    /// Cells that a border cuts, and the middle of what belongs to the area.
    cuts: Vec<(usize, Place)>,
}

impl Area {
    /// Divides a frame of `width` x `height` pixels, and a map of `side` x `side` cells, among
    /// `regions` and, last, the rest. Where regions overlap the first has it; what is in `ignored`
    /// belongs to none.
    pub fn divide(
        regions: &[&Polygon],
        ignored: &[Polygon],
        side: usize,
        [width, height]: [u32; 2],
    ) -> Vec<Self> {
        let samples = (side * SAMPLES_A_SIDE) as u32;
        let pixels = divide(regions, ignored, width, height);
        let cells = divide(regions, ignored, samples, samples);
        let areas = pixels.into_iter().zip(&cells);
        areas
            .map(|(spans, cells)| Self::new(spans, cells, side))
            .collect()
    }

    fn new(spans: Vec<Span>, cells: &[Span], side: usize) -> Self {
        let mut samples = vec![0u16; side * side];
        let mut sums = vec![[0usize; 2]; side * side];
        for span in cells {
            let row = span.row as usize;
            for column in span.from as usize..span.to as usize {
                let cell = row / SAMPLES_A_SIDE * side + column / SAMPLES_A_SIDE;
                samples[cell] += 1;
                sums[cell][0] += column;
                sums[cell][1] += row;
            }
        }
        let cut = |cell: &usize| (1..SAMPLES).contains(&samples[*cell]);
        let middle = |cell: usize| {
            let [x, y] = sums[cell].map(|sum| {
                let sample = sum as f64 / f64::from(samples[cell]);
                (sample + 0.5) / SAMPLES_A_SIDE as f64 - 0.5
            });
            (cell, Place::at(x, y, side))
        };
        Self {
            spans,
            cuts: (0..side * side).filter(cut).map(middle).collect(),
            samples,
        }
    }

    /// The map in this area: minus infinity outside, the map's own value in whole cells, and its value
    /// at the middle of what belongs to the area in cells that a border cuts.
    pub fn values(&self, map: &[f32], side: usize) -> Vec<f32> {
        let inside = |(&value, &samples): (&f32, &u16)| {
            if samples == 0 {
                f32::NEG_INFINITY
            } else {
                value
            }
        };
        let mut values: Vec<f32> = map.iter().zip(&self.samples).map(inside).collect();
        for (cell, place) in &self.cuts {
            values[*cell] = place.of(map, side);
        }
        values
    }

    /// Where a cell's value is taken.
    pub fn place(&self, cell: usize, side: usize) -> Place {
        let cut = self.cuts.binary_search_by_key(&cell, |(cell, _)| *cell);
        cut.map_or_else(|_| Place::cell(cell, side), |at| self.cuts[at].1)
    }
}

/// What is in no area.
const NOWHERE: usize = usize::MAX;

/// The spans of `regions` and, last, of the rest, on a grid of `width` x `height` points.
fn divide(regions: &[&Polygon], ignored: &[Polygon], width: u32, height: u32) -> Vec<Vec<Span>> {
    let rest = regions.len();
    let mut areas = vec![Vec::new(); rest + 1];
    let mut owners = vec![rest; width as usize];
    let mut crossings = Vec::new();
    for row in 0..height {
        owners.fill(rest);
        let y = (f64::from(row) + 0.5) / f64::from(height);
        // From the last to the first, so that the first has what several claim.
        let regions = regions.iter().copied().enumerate().rev();
        let ignored = ignored.iter().map(|polygon| (NOWHERE, polygon));
        for (owner, polygon) in regions.chain(ignored) {
            polygon.crossings(y, &mut crossings);
            for ends in crossings.chunks_exact(2) {
                let [from, to] = [ends[0], ends[1]].map(|x| first_point_from(x, width));
                owners[from..to.max(from)].fill(owner);
            }
        }
        let mut from = 0;
        for run in owners.chunk_by(|one, other| one == other) {
            let to = from + run.len() as u32;
            if run[0] != NOWHERE {
                areas[run[0]].push(Span { row, from, to });
            }
            from = to;
        }
    }
    areas
}

/// The first of `width` points whose middle is at `x` or to the right of it.
fn first_point_from(x: f64, width: u32) -> usize {
    (x * f64::from(width) - 0.5)
        .ceil()
        .clamp(0.0, f64::from(width)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::polygon::tests::{any_polygon, rectangle, whole};

    fn count(spans: &[Span]) -> u32 {
        spans.iter().map(|span| span.to - span.from).sum()
    }

    #[test]
    fn the_first_region_has_what_several_claim_and_masks_take_from_all() {
        let (left, all) = (rectangle(0.0, 0.0, 0.5, 1.0), whole());
        let mask = rectangle(0.25, 0.0, 0.75, 1.0);
        let check = |regions: &[&Polygon], ignored: &[Polygon], expected: &[u32]| {
            let areas = divide(regions, ignored, 8, 4);
            let found: Vec<u32> = areas.iter().map(|spans| count(spans)).collect();
            assert_eq!(found, expected);
        };
        check(&[], &[], &[32]);
        check(&[&left], &[], &[16, 16]);
        check(&[&left, &all], &[], &[16, 16, 0]);
        check(&[&all, &left], &[], &[32, 0, 0]);
        check(&[&left, &all], std::slice::from_ref(&mask), &[8, 8, 0]);
        check(&[], &[mask, all.clone()], &[0]);
    }

    #[test]
    fn a_cut_cell_stands_for_its_part() {
        // Three quarters of the first of two columns of cells.
        let region = rectangle(0.0, 0.0, 0.375, 1.0);
        let areas = Area::divide(&[&region], &[], 2, [100, 100]);
        assert_eq!(areas[0].samples, [192, 0, 192, 0]);
        assert_eq!(areas[1].samples, [64, 256, 64, 256]);
        let map = [0.0, 8.0, 0.0, 8.0];
        // Its middle is an eighth of a cell left of the cell's: held at the map's border.
        let outside = f32::NEG_INFINITY;
        assert_eq!(areas[0].values(&map, 2), [0.0, outside, 0.0, outside]);
        // The middle of the last quarter is three eighths right of the cell's.
        assert_eq!(areas[1].values(&map, 2), [3.0, 8.0, 3.0, 8.0]);
        assert_eq!(areas[1].place(0, 2).of(&map, 2).to_bits(), 3f32.to_bits());
        assert_eq!(areas[1].place(1, 2).of(&map, 2).to_bits(), 8f32.to_bits());
    }

    proptest! {
        #[test]
        fn pixels_add_up_to_the_area(polygon in any_polygon(), width in 1u32..80, height in 1u32..80) {
            let pixels = count(&divide(&[&polygon], &[], width, height)[0]);
            // A row meets each side at most once, and is at most a pixel off there; a side reaches into
            // a part of each row that it spans, and half a row above and below.
            let [w, h] = [width, height].map(f64::from);
            let corners = polygon.corners();
            let next = corners.iter().cycle().skip(1);
            let touched: f64 = corners.iter().zip(next)
                .map(|(a, b)| (a[0] - b[0]).abs() * w + (a[1] - b[1]).abs() * h + 2.0)
                .sum();
            let off = (f64::from(pixels) - polygon.area() * w * h).abs();
            prop_assert!(off <= touched, "{pixels} of {}", polygon.area() * w * h);
        }

        #[test]
        fn the_direction_of_corners_does_not_matter(polygon in any_polygon(), turn in 0usize..12) {
            let mut corners = polygon.corners().to_vec();
            corners.reverse();
            let turn = turn % corners.len();
            corners.rotate_left(turn);
            let other = Polygon::try_new(corners).expect("the same polygon");
            prop_assert_eq!(divide(&[&polygon], &[], 61, 47), divide(&[&other], &[], 61, 47));
        }

        #[test]
        fn every_pixel_belongs_to_one_area(
            one in any_polygon(), two in any_polygon(), mask in any_polygon(),
        ) {
            let inside = count(&divide(&[&mask], &[], 50, 40)[0]);
            let areas = divide(&[&one, &two], std::slice::from_ref(&mask), 50, 40);
            let total: u32 = areas.iter().map(|spans| count(spans)).sum();
            prop_assert_eq!(total + inside, 50 * 40);
        }
    }
}
