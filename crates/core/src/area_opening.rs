//! The level that a defect of a least area reaches (in the words of mathematical morphology, the
//! largest value of an area opening). Pure.
//!
//! A frame is rejected if a connected part above the threshold is large enough. The highest threshold
//! that still rejects it is a score: it decides as looking for such a part does, says by how much, and
//! only falls as the least area grows.

use crate::regions::fraction;

/// A level, and a cell that has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Level {
    /// The level.
    pub value: f32,
    /// A cell of that value.
    pub cell: usize,
}

/// The highest level at which cells at or above it hang together (corners count) over an area of at
/// least `min_area`, as a fraction of the frame; nothing if at no level. Cells count with their
/// `samples`; none counts that is minus infinity.
pub(crate) fn opened(
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
    let mut parts = Parts::new(values.len(), width);
    // From the highest cell down, each joined with its neighbours that are in already.
    order.into_iter().find_map(|cell| {
        let area = parts.add(cell, usize::from(samples(cell)));
        let value = values[cell];
        (fraction(area, values.len()) >= min_area).then_some(Level { value, cell })
    })
}

/// Connected cells and their area: a union-find forest.
struct Parts {
    width: usize,
    /// Each cell's parent, itself for a root; [`Self::OUT`] while it is in no part.
    parents: Vec<usize>,
    /// A root's samples.
    areas: Vec<usize>,
}

impl Parts {
    const OUT: usize = usize::MAX;

    fn new(cells: usize, width: usize) -> Self {
        Self {
            width,
            parents: vec![Self::OUT; cells],
            areas: vec![0; cells],
        }
    }

    /// Takes a cell in; the area of the part that it is now in.
    fn add(&mut self, cell: usize, samples: usize) -> usize {
        self.parents[cell] = cell;
        self.areas[cell] = samples;
        let (width, height) = (self.width, self.parents.len() / self.width);
        let (x, y) = (cell % width, cell / width);
        for ny in y.saturating_sub(1)..(y + 2).min(height) {
            for nx in x.saturating_sub(1)..(x + 2).min(width) {
                let neighbour = ny * width + nx;
                if self.parents[neighbour] != Self::OUT {
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
        // The smaller below the larger, so that ways to the root stay short.
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
    use crate::partition::SAMPLES;
    use crate::regions::{Cells, RegionRules, regions};

    fn level(values: &[f32], width: usize, min_area: f32) -> Option<f32> {
        opened(values, |_| SAMPLES, width, min_area).map(|level| level.value)
    }

    #[test]
    fn a_defect_counts_from_its_least_area_on() {
        // A lone 9, and three that touch at corners.
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

    proptest! {
        #[test]
        fn the_level_decides_as_the_regions_do(
            map in prop::collection::vec((-3i8..4).prop_map(f32::from), 30),
            threshold in (-4i8..4).prop_map(|level| f32::from(level) + 0.5),
            cells in 1u8..31,
        ) {
            let min_area = f32::from(cells) / 30.0;
            let structural = [0.0; 30];
            let whole = Cells { combined: &map, structural: &structural, samples: None, width: 6 };
            let found = regions(whole, threshold, RegionRules { min_area, limit: 1 });
            let above = level(&map, 6, min_area).is_some_and(|level| level > threshold);
            prop_assert_eq!(above, !found.is_empty());
        }
    }
}
