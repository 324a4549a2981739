//! Bilinear resizing of a map to the size of a frame, and the maximum of the resized map in a part of the
//! frame without storing the resized map.

use super::MapSize;

/// Interpolation of one output row or column: `low (1 - weight) + high weight`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tap {
    low: usize,
    high: usize,
    weight: f32,
}

impl Tap {
    /// Builds the tap at `position`, in cells from the centre of the first cell, clamped to a line of `cells`
    /// cells.
    fn at(position: f64, cells: usize) -> Self {
        let at = position.clamp(0.0, (cells - 1) as f64);
        let low = at as usize;
        Self {
            low,
            high: (low + 1).min(cells - 1),
            weight: (at - low as f64) as f32,
        }
    }

    fn blend(self, low: f32, high: f32) -> f32 {
        // Not `low * (1 - weight) + high * weight`: this form returns a constant exactly.
        low + (high - low) * self.weight
    }

    fn of(self, line: &[f32]) -> f32 {
        self.blend(line[self.low], line[self.high])
    }

    /// Returns the two cells, the nearer one first.
    fn nearest_first(self) -> [usize; 2] {
        if self.weight < 0.5 {
            [self.low, self.high]
        } else {
            [self.high, self.low]
        }
    }
}

/// A position in a map, between cell centres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    column: Tap,
    row: Tap,
}

impl Place {
    /// Builds the position `x`, `y`, in cells from the centre of the first cell, clamped to the map.
    pub fn at(x: f64, y: f64, size: MapSize) -> Self {
        Self {
            column: Tap::at(x, size.width),
            row: Tap::at(y, size.height),
        }
    }

    /// Builds the position of the centre of a cell.
    pub fn cell(cell: usize, size: MapSize) -> Self {
        let (x, y) = (cell % size.width, cell / size.width);
        Self::at(x as f64, y as f64, size)
    }

    /// Returns the interpolated value of the map.
    pub fn of(self, map: &[f32], size: MapSize) -> f32 {
        let line = |y: usize| self.column.of(&map[y * size.width..][..size.width]);
        self.row.blend(line(self.row.low), line(self.row.high))
    }

    /// Returns the cells around this position, the nearest one first. At an edge, cells occur more than once.
    pub fn cells(self, size: MapSize) -> [usize; 4] {
        let [x, far_x] = self.column.nearest_first();
        let [y, far_y] = self.row.nearest_first();
        [(x, y), (far_x, y), (x, far_y), (far_x, far_y)].map(|(x, y)| y * size.width + x)
    }
}

/// Pixels of one row: the columns `from..to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The row.
    pub row: u32,
    /// The first column.
    pub from: u32,
    /// The column after the last one; greater than `from`.
    pub to: u32,
}

/// Interpolation along one axis.
#[derive(Clone, Debug)]
struct Axis {
    /// One tap per output pixel.
    taps: Vec<Tap>,
    /// For each cell, the first pixel whose `low` is this cell or a later one; one additional entry at the
    /// end.
    starts: Vec<usize>,
}

impl Axis {
    /// Pixel centres are at `i + 0.5` and clamped at the edges: `align_corners=False`.
    fn new(from: usize, to: u32) -> Self {
        let scale = from as f64 / f64::from(to);
        let taps: Vec<Tap> = (0..to)
            .map(|i| Tap::at((f64::from(i) + 0.5) * scale - 0.5, from))
            .collect();
        let mut starts = vec![0; from + 1];
        for tap in &taps {
            starts[tap.low + 1] += 1;
        }
        for cell in 0..from {
            starts[cell + 1] += starts[cell];
        }
        Self { taps, starts }
    }
}

/// Interpolation of a map to a frame.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    columns: Axis,
    rows: Axis,
    /// Cells per row of the map.
    map_width: usize,
}

/// Maximum of a resized map and its position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Peak {
    /// The position.
    pub place: Place,
    /// The value.
    pub value: f32,
}

impl Grid {
    /// Builds the interpolation of a map of `size` to a frame of `width` x `height` pixels.
    pub fn new(size: MapSize, width: u32, height: u32) -> Self {
        Self {
            columns: Axis::new(size.width, width),
            rows: Axis::new(size.height, height),
            map_width: size.width,
        }
    }

    /// Returns the spans of all pixels.
    pub fn all(&self) -> impl Iterator<Item = Span> + use<> {
        let to = self.columns.taps.len() as u32;
        (0..self.rows.taps.len() as u32).map(move |row| Span { row, from: 0, to })
    }

    /// Returns the maximum of the resized map in `spans`, the first one of equal values; `None` without
    /// spans.
    pub fn maximum(&self, map: &[f32], spans: impl Iterator<Item = Span>) -> Option<Peak> {
        let mut line = vec![0.0; self.map_width];
        let mut best: Option<Peak> = None;
        for span in spans {
            let row = self.rows.taps[span.row as usize];
            let columns = &self.columns.taps[span.from as usize..span.to as usize];
            let cells = columns[0].low..columns[columns.len() - 1].high + 1;
            blend_rows(map, self.map_width, row, cells.clone(), &mut line);
            let best = best.get_or_insert(Peak {
                place: Place {
                    column: columns[0],
                    row,
                },
                value: f32::NEG_INFINITY,
            });
            // An interpolated value never exceeds its inputs, so most rows of a large frame can be skipped.
            if line[cells].iter().all(|&value| value <= best.value) {
                continue;
            }
            self.stretch(span, row, &line, best);
        }
        best
    }

    /// Calls `visit` with the column and the position of each pixel of `span` for whose value in the resized map
    /// `wanted` is true. If `wanted` is true for a value, it must be true for all larger ones.
    pub fn visit(
        &self,
        map: &[f32],
        span: Span,
        wanted: impl Fn(f32) -> bool,
        mut visit: impl FnMut(u32, Place),
    ) {
        let row = self.rows.taps[span.row as usize];
        let columns = &self.columns.taps[span.from as usize..span.to as usize];
        let cells = columns[0].low..columns[columns.len() - 1].high + 1;
        let mut line = vec![0.0; self.map_width];
        blend_rows(map, self.map_width, row, cells.clone(), &mut line);
        // An interpolated value never exceeds its inputs, so most rows of a large frame can be skipped.
        if !line[cells].iter().any(|&value| wanted(value)) {
            return;
        }
        for (column, tap) in (span.from..).zip(columns) {
            if wanted(tap.of(&line)) {
                visit(column, Place { column: *tap, row });
            }
        }
    }

    /// Updates `best` with the maximum of a row's span if that is larger.
    ///
    /// Between the centres of two cells the values are monotonic, also after rounding, so the maximum of
    /// such a run is at one of its ends.
    fn stretch(&self, span: Span, row: Tap, line: &[f32], best: &mut Peak) {
        let (from, to) = (span.from as usize, span.to as usize);
        let Axis { taps, starts } = &self.columns;
        for low in taps[from].low..=taps[to - 1].low {
            let run = &taps[starts[low].clamp(from, to)..starts[low + 1].clamp(from, to)];
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue; // Downsampling skips cells.
            };
            let (start, end) = (first.of(line), last.of(line));
            if start > best.value && start >= end {
                let column = *first;
                best.place = Place { column, row };
                best.value = start;
            } else if end > best.value {
                let at = run.partition_point(|tap| tap.of(line) < end);
                let column = *run.get(at).unwrap_or(last);
                best.place = Place { column, row };
                best.value = end;
            }
        }
    }
}

/// Interpolates one row of the map vertically and writes its cells `cells` to `line`. The row is not yet
/// resized horizontally.
fn blend_rows(
    map: &[f32],
    width: usize,
    tap: Tap,
    cells: std::ops::Range<usize>,
    line: &mut [f32],
) {
    let low = &map[tap.low * width..][cells.clone()];
    let high = &map[tap.high * width..][cells.clone()];
    for ((out, &l), &h) in line[cells].iter_mut().zip(low).zip(high) {
        *out = tap.blend(l, h);
    }
}

/// Resizes a map of `size` to `width` x `height` pixels as `PyTorch`'s
/// `interpolate(mode="bilinear", align_corners=False)` does.
///
/// # Panics
/// When the size of the map is zero or the map does not have `size.cells()` values.
pub fn upsample(map: &[f32], size: MapSize, width: u32, height: u32) -> Vec<f32> {
    assert!(size.cells() > 0, "a map size above zero");
    assert_eq!(map.len(), size.cells(), "a map of {size:?}");
    let columns = Axis::new(size.width, width).taps;
    let mut line = vec![0.0; size.width];
    let mut resized = Vec::with_capacity(width as usize * height as usize);
    for row in Axis::new(size.height, height).taps {
        blend_rows(map, size.width, row, 0..size.width, &mut line);
        resized.extend(columns.iter().map(|column| column.of(&line)));
    }
    resized
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::maps::tests::any_size;

    /// Reference implementation: visits every pixel in row order and keeps the first maximum.
    fn pixel_by_pixel(map: &[f32], grid: &Grid, spans: &[Span]) -> Option<Peak> {
        let mut best: Option<Peak> = None;
        let mut line = vec![0.0; grid.map_width];
        for span in spans {
            let row = grid.rows.taps[span.row as usize];
            blend_rows(map, grid.map_width, row, 0..grid.map_width, &mut line);
            for column in span.from..span.to {
                let column = grid.columns.taps[column as usize];
                let value = column.of(&line);
                if best.is_none_or(|best| value > best.value) {
                    let place = Place { column, row };
                    best = Some(Peak { place, value });
                }
            }
        }
        best
    }

    /// Maps with plateaus and gradients, and random spans of a frame.
    fn scene() -> impl Strategy<Value = (Vec<f32>, Grid, Vec<Span>)> {
        (any_size(), 1u32..60, 1u32..40).prop_flat_map(|(size, width, height)| {
            let level = prop_oneof![(-2i8..3).prop_map(f32::from), -1.0f32..1.0];
            let span = (0..height, 0..width, 1..=width).prop_map(move |(row, from, length)| Span {
                row,
                from,
                to: (from + length).min(width),
            });
            (
                prop::collection::vec(level, size.cells()),
                Just(Grid::new(size, width, height)),
                prop::collection::vec(span, 0..20),
            )
        })
    }

    /// The size and the cells of a map.
    fn any_map() -> impl Strategy<Value = (MapSize, Vec<f32>)> {
        any_size().prop_flat_map(|size| {
            let cells = prop::collection::vec(-9.0f32..9.0, size.cells());
            (Just(size), cells)
        })
    }

    proptest! {
        #[test]
        fn maximum_agrees_with_pixel_by_pixel_search((map, grid, spans) in scene()) {
            prop_assert_eq!(
                grid.maximum(&map, spans.iter().copied()),
                pixel_by_pixel(&map, &grid, &spans)
            );
            let all: Vec<Span> = grid.all().collect();
            prop_assert_eq!(
                grid.maximum(&map, grid.all()),
                pixel_by_pixel(&map, &grid, &all)
            );
        }

        #[test]
        fn value_at_a_cell_centre_is_the_value_of_the_cell((size, map) in any_map()) {
            for (cell, value) in map.iter().enumerate() {
                prop_assert_eq!(Place::cell(cell, size).of(&map, size).to_bits(), value.to_bits());
            }
        }
    }
}
