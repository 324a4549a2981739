//! Bilinear resizing of a map to a frame's size, and the largest value of the resized map in a part of
//! the frame, without keeping the resized map.

/// Where one output row or column reads its input: `low (1 - weight) + high weight`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tap {
    low: usize,
    high: usize,
    weight: f32,
}

impl Tap {
    /// At `position` cells from the first cell's centre, held within the map of `side` cells.
    fn at(position: f64, side: usize) -> Self {
        let at = position.clamp(0.0, (side - 1) as f64);
        let low = at as usize;
        Self {
            low,
            high: (low + 1).min(side - 1),
            weight: (at - low as f64) as f32,
        }
    }

    fn blend(self, low: f32, high: f32) -> f32 {
        // Not `low * (1 - weight) + high * weight`: this form keeps a constant exactly.
        low + (high - low) * self.weight
    }

    fn of(self, line: &[f32]) -> f32 {
        self.blend(line[self.low], line[self.high])
    }
}

/// A point of a square map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    column: Tap,
    row: Tap,
}

impl Place {
    /// At `x` and `y` cells from the first cell's centre, held within the map.
    pub fn at(x: f64, y: f64, side: usize) -> Self {
        Self {
            column: Tap::at(x, side),
            row: Tap::at(y, side),
        }
    }

    /// The middle of a cell.
    pub fn cell(cell: usize, side: usize) -> Self {
        Self::at((cell % side) as f64, (cell / side) as f64, side)
    }

    /// The map's value there.
    pub fn of(self, map: &[f32], side: usize) -> f32 {
        let line = |y: usize| self.column.of(&map[y * side..][..side]);
        self.row.blend(line(self.row.low), line(self.row.high))
    }
}

/// Pixels of one row: columns `from` up to, not including, `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The row.
    pub row: u32,
    /// The first column.
    pub from: u32,
    /// The first column that is not part of it; above `from`.
    pub to: u32,
}

/// One direction of the resizing.
#[derive(Clone, Debug)]
struct Axis {
    /// One a pixel.
    taps: Vec<Tap>,
    /// The first pixel that reads this cell or a later one as its `low`; one more at the end.
    starts: Vec<usize>,
}

impl Axis {
    /// Pixel centres at `i + 0.5`, clamped at the edges: `align_corners=False`.
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

/// How a map of `side` x `side` cells is resized to a frame.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    columns: Axis,
    rows: Axis,
    side: usize,
}

/// The largest value, and where it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Peak {
    /// Where.
    pub place: Place,
    /// The value there.
    pub value: f32,
}

impl Grid {
    pub fn new(side: usize, width: u32, height: u32) -> Self {
        Self {
            columns: Axis::new(side, width),
            rows: Axis::new(side, height),
            side,
        }
    }

    /// All pixels.
    pub fn all(&self) -> impl Iterator<Item = Span> + use<> {
        let to = self.columns.taps.len() as u32;
        (0..self.rows.taps.len() as u32).map(move |row| Span { row, from: 0, to })
    }

    /// The largest value of the resized map in `spans`, the first of equal ones; nothing if there are
    /// no spans.
    pub fn maximum(&self, map: &[f32], spans: impl Iterator<Item = Span>) -> Option<Peak> {
        let mut line = vec![0.0; self.side];
        let mut best: Option<Peak> = None;
        for span in spans {
            let row = self.rows.taps[span.row as usize];
            let columns = &self.columns.taps[span.from as usize..span.to as usize];
            let cells = columns[0].low..columns[columns.len() - 1].high + 1;
            blend_rows(map, self.side, row, cells.clone(), &mut line);
            let best = best.get_or_insert(Peak {
                place: Place {
                    column: columns[0],
                    row,
                },
                value: f32::NEG_INFINITY,
            });
            // No blend exceeds what it blends, so most rows of a large frame need no stretching.
            if line[cells].iter().all(|&value| value <= best.value) {
                continue;
            }
            self.stretch(span, row, &line, best);
        }
        best
    }

    /// Puts the largest value of a row's span in `best` if it is larger.
    ///
    /// Between the centres of two cells values only rise or only fall, after rounding too, so the ends
    /// of such a run tell its largest value.
    fn stretch(&self, span: Span, row: Tap, line: &[f32], best: &mut Peak) {
        let (from, to) = (span.from as usize, span.to as usize);
        let Axis { taps, starts } = &self.columns;
        for low in taps[from].low..=taps[to - 1].low {
            let run = &taps[starts[low].clamp(from, to)..starts[low + 1].clamp(from, to)];
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue; // A frame smaller than the map skips cells.
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

/// The cells `cells` of one row of the resized map before it is stretched to the full width; they are
/// overwritten in `line`.
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

/// Resizes a map of `side_w` x `side_h` values to `width` x `height` as `PyTorch`'s
/// `interpolate(mode="bilinear", align_corners=False)` does.
///
/// # Panics
/// When the map has no area or not `side_w * side_h` values.
pub fn upsample(map: &[f32], side_w: usize, side_h: usize, width: u32, height: u32) -> Vec<f32> {
    assert!(side_w > 0 && side_h > 0, "a map with an area");
    assert_eq!(map.len(), side_w * side_h, "a map of {side_w}x{side_h}");
    let columns = Axis::new(side_w, width).taps;
    let mut line = vec![0.0; side_w];
    let mut resized = Vec::with_capacity(width as usize * height as usize);
    for row in Axis::new(side_h, height).taps {
        blend_rows(map, side_w, row, 0..side_w, &mut line);
        resized.extend(columns.iter().map(|column| column.of(&line)));
    }
    resized
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The plain way: every pixel in the order of rows, a larger value replaces.
    fn pixel_by_pixel(map: &[f32], grid: &Grid, spans: &[Span]) -> Option<Peak> {
        let mut best: Option<Peak> = None;
        let mut line = vec![0.0; grid.side];
        for span in spans {
            let row = grid.rows.taps[span.row as usize];
            blend_rows(map, grid.side, row, 0..grid.side, &mut line);
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

    /// Maps with plateaus and with gradients, and spans of a frame.
    fn scene() -> impl Strategy<Value = (Vec<f32>, Grid, Vec<Span>)> {
        (1usize..9, 1u32..60, 1u32..40).prop_flat_map(|(side, width, height)| {
            let level = prop_oneof![(-2i8..3).prop_map(f32::from), -1.0f32..1.0];
            let span = (0..height, 0..width, 1..=width).prop_map(move |(row, from, length)| Span {
                row,
                from,
                to: (from + length).min(width),
            });
            (
                prop::collection::vec(level, side * side),
                Just(Grid::new(side, width, height)),
                prop::collection::vec(span, 0..20),
            )
        })
    }

    proptest! {
        #[test]
        fn the_ends_of_runs_tell_the_largest_value((map, grid, spans) in scene()) {
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
        fn the_middle_of_a_cell_has_the_cells_value(map in prop::collection::vec(-9.0f32..9.0, 25)) {
            for (cell, value) in map.iter().enumerate() {
                prop_assert_eq!(Place::cell(cell, 5).of(&map, 5).to_bits(), value.to_bits());
            }
        }
    }
}
