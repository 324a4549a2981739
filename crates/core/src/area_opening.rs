//! Largest value of the area opening of a map (mathematical morphology): the highest level at which a
//! connected component has the minimum area. Pure.
//!
//! A frame is rejected if a connected component above the threshold has at least the minimum area. The
//! highest threshold that still rejects the frame is a score. It gives the same decision as a search for
//! such a component, it has a margin to the threshold, and it does not rise when the minimum area grows.

use crate::regions::fraction;

/// A level and a cell with that value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Level {
    /// The level.
    pub value: f32,
    /// Index of a cell with this value.
    pub cell: usize,
}

/// Returns the highest level at which the cells at or above the level contain an 8-connected component
/// of at least `min_area`, a fraction of the frame; `None` if no level has one. The area of a cell is
/// `samples(cell)`. Cells with the value minus infinity are excluded.
pub(crate) fn area_opening(
    values: &[f32],
    samples: impl Fn(usize) -> u16,
    width: usize,
    min_area: f32,
) -> Option<Level> {
    let inside = |cell: &usize| values[*cell] > f32::NEG_INFINITY;
    let mut order: Vec<usize> = (0..values.len()).filter(inside).collect();
    order.sort_unstable_by(|&one, &other| {
        let descending = values[other].total_cmp(&values[one]);
        descending.then(one.cmp(&other))
    });
    let mut components = Components::new(values.len(), width);
    // Cells are added in descending order; each is joined with its neighbours that were added before.
    order.into_iter().find_map(|cell| {
        let area = components.add(cell, usize::from(samples(cell)));
        let value = values[cell];
        (fraction(area, values.len()) >= min_area).then_some(Level { value, cell })
    })
}

/// Connected components and their areas: a union-find forest.
struct Components {
    width: usize,
    /// Parent of each cell; the cell itself for a root; [`Self::ABSENT`] for a cell that was not added.
    parents: Vec<usize>,
    /// Area of each root's component, in samples.
    areas: Vec<usize>,
}

impl Components {
    const ABSENT: usize = usize::MAX;

    fn new(cells: usize, width: usize) -> Self {
        Self {
            width,
            parents: vec![Self::ABSENT; cells],
            areas: vec![0; cells],
        }
    }

    /// Adds a cell and returns the area of its component.
    fn add(&mut self, cell: usize, samples: usize) -> usize {
        self.parents[cell] = cell;
        self.areas[cell] = samples;
        let (width, height) = (self.width, self.parents.len() / self.width);
        let (x, y) = (cell % width, cell / width);
        for ny in y.saturating_sub(1)..(y + 2).min(height) {
            for nx in x.saturating_sub(1)..(x + 2).min(width) {
                let neighbour = ny * width + nx;
                if self.parents[neighbour] != Self::ABSENT {
                    self.join(cell, neighbour);
                }
            }
        }
        let root = self.root(cell);
        self.areas[root]
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if one == other {
            return;
        }
        // The smaller tree goes below the larger one, which keeps paths to the root short.
        let (large, small) = if self.areas[one] < self.areas[other] {
            (other, one)
        } else {
            (one, other)
        };
        self.parents[small] = large;
        self.areas[large] += self.areas[small];
    }

    fn root(&mut self, mut cell: usize) -> usize {
        while self.parents[cell] != cell {
            self.parents[cell] = self.parents[self.parents[cell]];
            cell = self.parents[cell];
        }
        cell
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::maps::tests::any_size;
    use crate::partition::SAMPLES;
    use crate::regions::{MapCells, RegionRules, regions};

    fn level(values: &[f32], width: usize, min_area: f32) -> Option<f32> {
        area_opening(values, |_| SAMPLES, width, min_area).map(|level| level.value)
    }

    #[test]
    fn level_is_the_highest_at_which_a_component_has_the_minimum_area() {
        // An isolated 9, and three cells that touch at corners.
        let map = [
            9.0, 0.0, 0.0, 7.0, //
            0.0, 0.0, 5.0, 0.0, //
            0.0, 0.0, 0.0, 6.0,
        ];
        let check = |cells: f32, expected: Option<f32>| {
            assert_eq!(level(&map, 4, cells / 12.0), expected, "{cells}");
        };
        check(0.0, Some(9.0));
        check(1.0, Some(9.0));
        check(2.0, Some(5.0));
        check(3.0, Some(5.0));
        check(4.0, Some(0.0));
        check(12.0, Some(0.0));
        check(12.1, None);
        assert_eq!(level(&[f32::NEG_INFINITY; 4], 2, 0.0), None);
    }

    /// The width and the cells of a map with plateaus.
    fn plateaus() -> impl Strategy<Value = (usize, Vec<f32>)> {
        any_size().prop_flat_map(|size| {
            let level = (-3i8..4).prop_map(f32::from);
            let map = prop::collection::vec(level, size.cells());
            (Just(size.width), map)
        })
    }

    proptest! {
        #[test]
        fn level_is_above_threshold_exactly_if_a_region_is_found(
            (width, map) in plateaus(),
            threshold in (-4i8..4).prop_map(|level| f32::from(level) + 0.5),
            cells in 1u8..31,
        ) {
            let min_area = f32::from(cells) / map.len() as f32;
            let structural = vec![0.0; map.len()];
            let whole = MapCells { combined: &map, structural: &structural, samples: None, width };
            let found = regions(whole, threshold, RegionRules { min_area, limit: 1 });
            let rejects = level(&map, width, min_area).is_some_and(|level| level > threshold);
            prop_assert_eq!(rejects, !found.is_empty());
        }
    }
}
