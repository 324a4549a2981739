//! Where in a frame the defects are: the connected parts of the combined map above a level. Pure.

use crate::decision::{AnomalyKind, Region};
use crate::partition::SAMPLES;

/// A map's cells, row-major, `width` of them a row. Cells that do not belong to the part of the frame
/// that is looked at are minus infinity.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a> {
    /// The combined map.
    pub combined: &'a [f32],
    /// The structural map's share of it.
    pub structural: &'a [f32],
    /// How much of each cell belongs to the part of the frame that is looked at, in 256ths; nothing if
    /// that is the whole frame.
    pub samples: Option<&'a [u16]>,
    /// Cells a row.
    pub width: usize,
}

impl Cells<'_> {
    /// The area of `members`, as a fraction of the frame.
    fn area(&self, members: &[usize]) -> f32 {
        let samples =
            |samples: &[u16]| members.iter().map(|&cell| usize::from(samples[cell])).sum();
        let whole = usize::from(SAMPLES);
        let area: usize = self.samples.map_or(members.len() * whole, samples);
        fraction(area, self.combined.len())
    }
}

/// Samples as a fraction of a frame of so many cells.
pub(crate) fn fraction(samples: usize, cells: usize) -> f32 {
    samples as f32 / (cells * usize::from(SAMPLES)) as f32
}

/// Which regions are worth a mention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegionRules {
    /// The least area, as a fraction of the frame.
    pub min_area: f32,
    /// At most so many, largest peak first.
    pub limit: usize,
}

/// The parts of the map that are above `level` and hang together (corners count), largest peak first.
///
/// Regions are told in whole cells: with 64 cells a side to 1.6 % of the frame.
///
/// # Panics
/// When the maps differ in length, or are not whole rows.
pub fn regions(cells: Cells<'_>, level: f32, rules: RegionRules) -> Vec<Region> {
    assert_eq!(
        cells.combined.len(),
        cells.structural.len(),
        "one map's cells"
    );
    assert_eq!(cells.combined.len() % cells.width, 0, "whole rows");
    let mut taken: Vec<bool> = cells.combined.iter().map(|&value| value <= level).collect();
    let mut found = Vec::new();
    for start in 0..taken.len() {
        if !taken[start] {
            found.push(region(cells, &flood(cells, &mut taken, start)));
        }
    }
    found.retain(|region| region.area >= rules.min_area);
    found.sort_by(|one, other| other.peak.total_cmp(&one.peak));
    found.truncate(rules.limit);
    found
}

/// The cells that hang together with `start`; they are taken.
fn flood(cells: Cells<'_>, taken: &mut [bool], start: usize) -> Vec<usize> {
    let (width, height) = (cells.width, taken.len() / cells.width);
    taken[start] = true;
    let mut members = vec![start];
    let mut next = 0;
    while let Some(&cell) = members.get(next) {
        next += 1;
        let (x, y) = (cell % width, cell / width);
        for ny in y.saturating_sub(1)..(y + 2).min(height) {
            for nx in x.saturating_sub(1)..(x + 2).min(width) {
                let neighbour = ny * width + nx;
                if !taken[neighbour] {
                    taken[neighbour] = true;
                    members.push(neighbour);
                }
            }
        }
    }
    members
}

fn region(cells: Cells<'_>, members: &[usize]) -> Region {
    let (width, height) = (cells.width, cells.combined.len() / cells.width);
    let columns = || members.iter().map(|cell| cell % width);
    let rows = || members.iter().map(|cell| cell / width);
    let (left, right) = (columns().min(), columns().max());
    let (top, bottom) = (rows().min(), rows().max());
    let extent = |from: Option<usize>, to: Option<usize>, of: usize| {
        let (from, to) = from.zip(to).expect("a region has a cell");
        (from as f32 / of as f32, (to + 1 - from) as f32 / of as f32)
    };
    let (left, box_width) = extent(left, right, width);
    let (top, box_height) = extent(top, bottom, height);
    let highest = *members
        .iter()
        .max_by(|&&one, &&other| cells.combined[one].total_cmp(&cells.combined[other]))
        .expect("a region has a cell");
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
        let cells = Cells {
            combined,
            structural: &structural,
            samples: None,
            width,
        };
        regions(cells, 1.0, rules)
    }

    /// Two regions: one of three cells that touch at corners, one of a single, higher cell.
    const MAP: [f32; 12] = [
        2.0, 0.0, 0.0, 0.0, //
        0.0, 3.0, 0.0, 5.0, //
        0.0, 2.0, 0.0, 1.0,
    ];

    #[test]
    fn what_touches_is_one_region() {
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
    fn a_cut_cell_counts_with_the_share_that_belongs() {
        let cells = Cells {
            combined: &[2.0, 2.0, f32::NEG_INFINITY, f32::NEG_INFINITY],
            structural: &[0.0; 4],
            samples: Some(&[256, 64, 0, 0]),
            width: 2,
        };
        let area = regions(cells, 1.0, ALL)[0].area;
        assert_eq!(area.to_bits(), 0.3125_f32.to_bits());
    }

    #[test]
    fn small_and_surplus_regions_are_left_out() {
        let two_cells = RegionRules {
            min_area: 2.0 / 12.0,
            ..ALL
        };
        assert_eq!(found(&MAP, 4, two_cells).len(), 1);
        let one = RegionRules { limit: 1, ..ALL };
        assert_eq!(found(&MAP, 4, one)[0].peak.to_bits(), 5.0_f32.to_bits());
    }

    #[test]
    fn nothing_above_the_level_is_no_region() {
        assert_eq!(found(&[1.0; 9], 3, ALL), []);
        assert_eq!(found(&[1.1; 9], 3, ALL).len(), 1);
    }

    #[test]
    fn a_region_is_of_the_kind_of_its_peak() {
        let cells = Cells {
            combined: &[2.0, 3.0],
            structural: &[1.9, 1.0],
            samples: None,
            width: 2,
        };
        assert_eq!(regions(cells, 1.0, ALL)[0].kind, AnomalyKind::Logical);
    }
}
