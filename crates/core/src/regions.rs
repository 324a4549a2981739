//! Defect regions: the connected components of the combined map above a level. Pure.

use crate::decision::{AnomalyKind, Region};
use crate::partition::SAMPLES;

/// The cells of a map, row-major. In cells outside the inspected area the combined map is minus infinity.
#[derive(Clone, Copy, Debug)]
pub struct MapCells<'a> {
    /// The combined map.
    pub combined: &'a [f32],
    /// Share of the structural map in the combined map.
    pub structural: &'a [f32],
    /// Share of each cell in the inspected area, in 256ths; `None` if the whole frame is inspected.
    pub samples: Option<&'a [u16]>,
    /// Cells per row.
    pub width: usize,
}

impl MapCells<'_> {
    /// Returns the area of `members`, a fraction of the frame.
    pub(crate) fn area(&self, members: &[usize]) -> f32 {
        let samples =
            |samples: &[u16]| members.iter().map(|&cell| usize::from(samples[cell])).sum();
        let whole = usize::from(SAMPLES);
        let area: usize = self.samples.map_or(members.len() * whole, samples);
        fraction(area, self.combined.len())
    }
}

/// Converts a number of samples to a fraction of a frame of `cells` cells.
pub(crate) fn fraction(samples: usize, cells: usize) -> f32 {
    samples as f32 / (cells * usize::from(SAMPLES)) as f32
}

/// Which regions are listed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegionRules {
    /// Minimum area, a fraction of the frame.
    pub min_area: f32,
    /// Maximum number of regions; those with the largest peaks are kept.
    pub limit: usize,
}

/// Returns the 8-connected components of the cells above `level`, largest peak first.
///
/// Bounding boxes consist of whole cells: with 64 cells per side, their resolution is 1.6 % of the frame.
///
/// # Panics
/// When the maps differ in length or their length is not a multiple of the width.
pub fn regions(cells: MapCells<'_>, level: f32, rules: RegionRules) -> Vec<Region> {
    assert_eq!(
        cells.combined.len(),
        cells.structural.len(),
        "maps of equal length"
    );
    assert_eq!(cells.combined.len() % cells.width, 0, "whole rows");
    let mut visited: Vec<bool> = cells.combined.iter().map(|&value| value <= level).collect();
    let mut found = Vec::new();
    for start in 0..visited.len() {
        if !visited[start] {
            found.push(region(cells, &component(cells, &mut visited, start)));
        }
    }
    found.retain(|region| region.area >= rules.min_area);
    found.sort_by(|one, other| other.peak.total_cmp(&one.peak));
    found.truncate(rules.limit);
    found
}

/// Returns the cells that are connected with `start`, and marks them as visited.
pub(crate) fn component(cells: MapCells<'_>, visited: &mut [bool], start: usize) -> Vec<usize> {
    let (width, height) = (cells.width, visited.len() / cells.width);
    visited[start] = true;
    let mut members = vec![start];
    let mut next = 0;
    while let Some(&cell) = members.get(next) {
        next += 1;
        let (x, y) = (cell % width, cell / width);
        for ny in y.saturating_sub(1)..(y + 2).min(height) {
            for nx in x.saturating_sub(1)..(x + 2).min(width) {
                let neighbour = ny * width + nx;
                if !visited[neighbour] {
                    visited[neighbour] = true;
                    members.push(neighbour);
                }
            }
        }
    }
    members
}

fn region(cells: MapCells<'_>, members: &[usize]) -> Region {
    let (width, height) = (cells.width, cells.combined.len() / cells.width);
    let columns = || members.iter().map(|cell| cell % width);
    let rows = || members.iter().map(|cell| cell / width);
    let (left, right) = (columns().min(), columns().max());
    let (top, bottom) = (rows().min(), rows().max());
    let extent = |from: Option<usize>, to: Option<usize>, of: usize| {
        let (from, to) = from.zip(to).expect("a component has at least one cell");
        (from as f32 / of as f32, (to + 1 - from) as f32 / of as f32)
    };
    let (left, box_width) = extent(left, right, width);
    let (top, box_height) = extent(top, bottom, height);
    let highest = *members
        .iter()
        .max_by(|&&one, &&other| cells.combined[one].total_cmp(&cells.combined[other]))
        .expect("a component has at least one cell");
    let peak = cells.combined[highest];
    let structural = cells.structural[highest];
    Region {
        left,
        top,
        width: box_width,
        height: box_height,
        area: cells.area(members),
        peak,
        kind: AnomalyKind::of(structural, peak - structural),
        rule: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: RegionRules = RegionRules {
        min_area: 0.0,
        limit: 10,
    };

    fn found(combined: &[f32], width: usize, rules: RegionRules) -> Vec<Region> {
        let structural = vec![0.0; combined.len()];
        let cells = MapCells {
            combined,
            structural: &structural,
            samples: None,
            width,
        };
        regions(cells, 1.0, rules)
    }

    /// Two regions: three cells that touch at corners, and a single cell with a higher value.
    const MAP: [f32; 12] = [
        2.0, 0.0, 0.0, 0.0, //
        0.0, 3.0, 0.0, 5.0, //
        0.0, 2.0, 0.0, 1.0,
    ];

    #[test]
    fn cells_that_touch_at_corners_are_one_region() {
        let regions = found(&MAP, 4, ALL);
        let boxes: Vec<_> = regions
            .iter()
            .map(|r| (r.left, r.top, r.width, r.height, r.peak))
            .collect();
        let third = 1.0 / 3.0;
        assert_eq!(
            boxes,
            [(0.75, third, 0.25, third, 5.0), (0.0, 0.0, 0.5, 1.0, 3.0)]
        );
        assert!((regions[1].area - 0.25).abs() < 1e-6);
    }

    #[test]
    fn partial_cell_counts_with_its_share_of_the_area() {
        let cells = MapCells {
            combined: &[2.0, 2.0, f32::NEG_INFINITY, f32::NEG_INFINITY],
            structural: &[0.0; 4],
            samples: Some(&[256, 64, 0, 0]),
            width: 2,
        };
        let area = regions(cells, 1.0, ALL)[0].area;
        assert_eq!(area.to_bits(), 0.3125_f32.to_bits());
    }

    #[test]
    fn regions_below_the_minimum_area_and_above_the_limit_are_dropped() {
        let two_cells = RegionRules {
            min_area: 2.0 / 12.0,
            ..ALL
        };
        assert_eq!(found(&MAP, 4, two_cells).len(), 1);
        let one = RegionRules { limit: 1, ..ALL };
        assert_eq!(found(&MAP, 4, one)[0].peak.to_bits(), 5.0_f32.to_bits());
    }

    #[test]
    fn cells_at_the_level_are_not_a_region() {
        assert_eq!(found(&[1.0; 9], 3, ALL), []);
        assert_eq!(found(&[1.1; 9], 3, ALL).len(), 1);
    }

    #[test]
    fn region_kind_is_the_branch_with_the_larger_share_of_the_peak() {
        let cells = MapCells {
            combined: &[2.0, 3.0],
            structural: &[1.9, 1.0],
            samples: None,
            width: 2,
        };
        assert_eq!(regions(cells, 1.0, ALL)[0].kind, AnomalyKind::Logical);
    }
}
