//! Divides a frame into areas by polygons: the pixels and the map cells of each area. Pure.
//!
//! A pixel belongs to the area that contains its centre. Map cells are divided into samples, because
//! defect areas are counted in cells and a border can cross a cell.

use crate::maps::{MapSize, Place, Span};
use crate::polygon::Polygon;

/// Rows and columns of samples per cell.
const SAMPLES_PER_SIDE: usize = 16;

/// Samples per cell.
pub(crate) const SAMPLES: u16 = (SAMPLES_PER_SIDE * SAMPLES_PER_SIDE) as u16;

/// Pixels and map cells of one area of a frame.
#[derive(Clone, Debug)]
pub(crate) struct Area {
    /// The pixels, sorted by row and column.
    pub spans: Vec<Span>,
    /// Number of samples of each cell in this area.
    pub samples: Vec<u16>,
    /// Cells that a border crosses, sorted, with the centroid of their samples in this area.
    border_cells: Vec<(usize, Place)>,
}

impl Area {
    /// Divides a frame of `width` x `height` pixels and a map of `size` into one area per polygon of
    /// `regions` and, last, one for the rest. Where regions overlap, the first one wins. Pixels in `ignored`
    /// belong to no area.
    pub fn divide(
        regions: &[&Polygon],
        ignored: &[Polygon],
        size: MapSize,
        [width, height]: [u32; 2],
    ) -> Vec<Self> {
        let samples = |cells: usize| (cells * SAMPLES_PER_SIDE) as u32;
        let pixels = divide(regions, ignored, width, height);
        let cells = divide(regions, ignored, samples(size.width), samples(size.height));
        let areas = pixels.into_iter().zip(&cells);
        areas
            .map(|(spans, cells)| Self::new(spans, cells, size))
            .collect()
    }

    fn new(spans: Vec<Span>, cells: &[Span], size: MapSize) -> Self {
        let mut samples = vec![0u16; size.cells()];
        let mut sums = vec![[0usize; 2]; size.cells()];
        for span in cells {
            let row = span.row as usize;
            for column in span.from as usize..span.to as usize {
                let cell = row / SAMPLES_PER_SIDE * size.width + column / SAMPLES_PER_SIDE;
                samples[cell] += 1;
                sums[cell][0] += column;
                sums[cell][1] += row;
            }
        }
        let crossed = |cell: &usize| (1..SAMPLES).contains(&samples[*cell]);
        let centroid = |cell: usize| {
            let [x, y] = sums[cell].map(|sum| {
                let sample = sum as f64 / f64::from(samples[cell]);
                (sample + 0.5) / SAMPLES_PER_SIDE as f64 - 0.5
            });
            (cell, Place::at(x, y, size))
        };
        Self {
            spans,
            border_cells: (0..size.cells()).filter(crossed).map(centroid).collect(),
            samples,
        }
    }

    /// Returns the map restricted to this area: minus infinity outside, the map's value in whole cells, and
    /// the interpolated value at the centroid of the area's samples in cells that a border crosses.
    pub fn values(&self, map: &[f32], size: MapSize) -> Vec<f32> {
        let inside = |(&value, &samples): (&f32, &u16)| {
            if samples == 0 {
                f32::NEG_INFINITY
            } else {
                value
            }
        };
        let mut values: Vec<f32> = map.iter().zip(&self.samples).map(inside).collect();
        for (cell, place) in &self.border_cells {
            values[*cell] = place.of(map, size);
        }
        values
    }

    /// Returns the position at which the value of a cell is taken.
    pub fn place(&self, cell: usize, size: MapSize) -> Place {
        let found = self
            .border_cells
            .binary_search_by_key(&cell, |(cell, _)| *cell);
        found.map_or_else(|_| Place::cell(cell, size), |at| self.border_cells[at].1)
    }
}

/// Owner of points that belong to no area.
const NO_AREA: usize = usize::MAX;

/// Returns the spans of each polygon of `regions` and, last, of the rest, on a grid of `width` x `height`
/// points.
fn divide(regions: &[&Polygon], ignored: &[Polygon], width: u32, height: u32) -> Vec<Vec<Span>> {
    let rest = regions.len();
    let mut areas = vec![Vec::new(); rest + 1];
    let mut owners = vec![rest; width as usize];
    let mut crossings = Vec::new();
    for row in 0..height {
        owners.fill(rest);
        let y = (f64::from(row) + 0.5) / f64::from(height);
        // From the last region to the first, so that the first one wins where they overlap.
        let regions = regions.iter().copied().enumerate().rev();
        let ignored = ignored.iter().map(|polygon| (NO_AREA, polygon));
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
            if run[0] != NO_AREA {
                areas[run[0]].push(Span { row, from, to });
            }
            from = to;
        }
    }
    areas
}

/// Returns the first of `width` points whose centre is at `x` or to the right of it.
fn first_point_from(x: f64, width: u32) -> usize {
    (x * f64::from(width) - 0.5)
        .ceil()
        .clamp(0.0, f64::from(width)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::maps::tests::any_size;
    use crate::polygon::tests::{any_polygon, rectangle, whole};

    fn count(spans: &[Span]) -> u32 {
        spans.iter().map(|span| span.to - span.from).sum()
    }

    #[test]
    fn first_of_overlapping_regions_wins_and_masks_win_over_regions() {
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
    fn cell_crossed_by_a_border_counts_with_its_share_and_is_read_at_its_centroid() {
        // Three quarters of the first of two columns of cells.
        let region = rectangle(0.0, 0.0, 0.375, 1.0);
        let size = MapSize::square(2);
        let areas = Area::divide(&[&region], &[], size, [100, 100]);
        assert_eq!(areas[0].samples, [192, 0, 192, 0]);
        assert_eq!(areas[1].samples, [64, 256, 64, 256]);
        let map = [0.0, 8.0, 0.0, 8.0];
        // Its centroid is an eighth of a cell left of the cell centre: clamped at the border of the map.
        let outside = f32::NEG_INFINITY;
        assert_eq!(areas[0].values(&map, size), [0.0, outside, 0.0, outside]);
        // The centroid of the last quarter is three eighths of a cell right of the cell centre.
        assert_eq!(areas[1].values(&map, size), [3.0, 8.0, 3.0, 8.0]);
        let at = |cell: usize| areas[1].place(cell, size).of(&map, size).to_bits();
        assert_eq!(at(0), 3f32.to_bits());
        assert_eq!(at(1), 8f32.to_bits());
    }

    #[test]
    fn map_that_is_wider_than_high_is_divided_by_its_own_columns_and_rows() {
        let lower_right = rectangle(0.5, 0.5, 1.0, 1.0);
        let size = MapSize {
            width: 4,
            height: 2,
        };
        let areas = Area::divide(&[&lower_right], &[], size, [40, 20]);
        assert_eq!(areas[0].samples, [0, 0, 0, 0, 0, 0, 256, 256]);
        assert_eq!(count(&areas[0].spans), 200);
        let map = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let expected = [&[f32::NEG_INFINITY; 6][..], &[6.0, 7.0]].concat();
        assert_eq!(areas[0].values(&map, size), expected);
    }

    proptest! {
        #[test]
        fn pixel_count_agrees_with_the_polygon_area(polygon in any_polygon(), width in 1u32..80, height in 1u32..80) {
            let pixels = count(&divide(&[&polygon], &[], width, height)[0]);
            // A row meets each side at most once, with an error of at most one pixel. A side also touches a
            // part of each row that it spans, and half a row above and below.
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
        fn areas_do_not_depend_on_direction_and_first_corner(polygon in any_polygon(), turn in 0usize..12) {
            let mut corners = polygon.corners().to_vec();
            corners.reverse();
            let turn = turn % corners.len();
            corners.rotate_left(turn);
            let other = Polygon::try_new(corners).expect("the same polygon");
            prop_assert_eq!(divide(&[&polygon], &[], 61, 47), divide(&[&other], &[], 61, 47));
        }

        #[test]
        fn every_pixel_belongs_to_exactly_one_area_or_mask(
            one in any_polygon(), two in any_polygon(), mask in any_polygon(),
        ) {
            let inside = count(&divide(&[&mask], &[], 50, 40)[0]);
            let areas = divide(&[&one, &two], std::slice::from_ref(&mask), 50, 40);
            let total: u32 = areas.iter().map(|spans| count(spans)).sum();
            prop_assert_eq!(total + inside, 50 * 40);
        }

        #[test]
        fn every_sample_belongs_to_exactly_one_area(
            one in any_polygon(), two in any_polygon(), size in any_size(),
        ) {
            let areas = Area::divide(&[&one, &two], &[], size, [50, 40]);
            for cell in 0..size.cells() {
                let total: u16 = areas.iter().map(|area| area.samples[cell]).sum();
                prop_assert_eq!(total, SAMPLES);
            }
        }
    }
}
