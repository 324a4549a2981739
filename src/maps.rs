//! The arithmetic between the network's two maps and a score: quantile normalisation, sum,
//! upsampling, maximum. Evaluation and the line call these same functions.

use thiserror::Error;

/// What a map's normalisation takes the value `b` to. From `EfficientAD` (Batzner et al., 2024),
/// section 3.3; any other positive value would only rescale all scores.
const UPPER_VALUE: f32 = 0.1;

/// Two quantiles of a map's values on good validation images; normalisation takes `a` to 0 and
/// `b` to 0.1. Finite, `a < b`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    a: f32,
    b: f32,
}

/// Why two numbers are not quantiles.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[error("quantiles a = {a} and b = {b} must be finite with a < b")]
pub struct QuantilesError {
    /// The lower one.
    pub a: f32,
    /// The upper one.
    pub b: f32,
}

impl Quantiles {
    /// Takes the lower quantile `a` and the upper one `b`.
    ///
    /// # Errors
    /// Unless both, and their distance, are finite and `a < b`.
    pub fn try_new(a: f32, b: f32) -> Result<Self, QuantilesError> {
        if a < b && a.is_finite() && (b - a).is_finite() {
            Ok(Self { a, b })
        } else {
            Err(QuantilesError { a, b })
        }
    }

    /// The lower quantile, taken to 0.
    pub fn a(self) -> f32 {
        self.a
    }

    /// The upper quantile, taken to 0.1.
    pub fn b(self) -> f32 {
        self.b
    }

    /// `0.1 (m - a) / (b - a)`.
    pub fn normalise(self, m: f32) -> f32 {
        UPPER_VALUE * (m - self.a) / (self.b - self.a)
    }
}

/// All that turns a model's two raw maps into one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapCalibration {
    /// Of the structural map.
    pub structural: Quantiles,
    /// Of the logical map.
    pub logical: Quantiles,
    /// What the normalised maps are multiplied by before they are added: structural, logical.
    pub weights: [f32; 2],
}

impl MapCalibration {
    fn structural_part(&self, m: f32) -> f32 {
        self.weights[0] * self.structural.normalise(m)
    }

    /// The structural map's share of the combined map, at the maps' own resolution.
    pub fn structural_share(&self, structural: &[f32]) -> Vec<f32> {
        structural
            .iter()
            .map(|&m| self.structural_part(m))
            .collect()
    }

    fn logical_part(&self, m: f32) -> f32 {
        self.weights[1] * self.logical.normalise(m)
    }
}

/// An image's score and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The maximum of the combined map at the image's size.
    pub score: f32,
    /// The structural map's share of it: normalised, weighted, at the place of the maximum.
    pub structural: f32,
    /// The logical map's share; the two shares add up to the score, to rounding.
    pub logical: f32,
}

/// The combined map at the maps' own resolution: normalised by their quantiles, weighted, added.
///
/// # Panics
/// When the maps differ in length.
pub fn combine(structural: &[f32], logical: &[f32], calibration: &MapCalibration) -> Vec<f32> {
    assert_eq!(structural.len(), logical.len(), "two maps of one size");
    structural
        .iter()
        .zip(logical)
        .map(|(&s, &l)| calibration.structural_part(s) + calibration.logical_part(l))
        .collect()
}

/// Where one output row or column reads its input: `low (1 - weight) + high weight`.
#[derive(Clone, Copy)]
struct Tap {
    low: usize,
    high: usize,
    weight: f32,
}

impl Tap {
    fn blend(self, low: f32, high: f32) -> f32 {
        // Not `low * (1 - weight) + high * weight`: this form keeps a constant exactly.
        low + (high - low) * self.weight
    }

    fn of(self, line: &[f32]) -> f32 {
        self.blend(line[self.low], line[self.high])
    }
}

/// Pixel centres at `i + 0.5`, clamped at the edges: `align_corners=False`.
fn taps(from: usize, to: u32) -> Vec<Tap> {
    let scale = from as f64 / f64::from(to);
    (0..to)
        .map(|i| {
            let at = ((f64::from(i) + 0.5) * scale - 0.5).clamp(0.0, (from - 1) as f64);
            let low = at as usize;
            Tap {
                low,
                high: (low + 1).min(from - 1),
                weight: (at - low as f64) as f32,
            }
        })
        .collect()
}

/// One row of the resized map before it is stretched to the full width. `line` is overwritten.
fn blend_rows(map: &[f32], width: usize, tap: Tap, line: &mut [f32]) {
    let low = &map[tap.low * width..][..width];
    let high = &map[tap.high * width..][..width];
    for ((out, &l), &h) in line.iter_mut().zip(low).zip(high) {
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
    let columns = taps(side_w, width);
    let mut line = vec![0.0; side_w];
    let mut resized = Vec::with_capacity(width as usize * height as usize);
    for row in taps(side_h, height) {
        blend_rows(map, side_w, row, &mut line);
        resized.extend(columns.iter().map(|column| column.of(&line)));
    }
    resized
}

/// The score of an image of `width` x `height` pixels from its two raw maps of `map_side` x
/// `map_side` values: the maximum of the combined map resized to the image's own size.
///
/// The sum is taken at the maps' resolution and resized once: resizing is linear, so it commutes
/// with the sum. The maximum is taken after resizing, as the published evaluation does; it is at
/// most the maximum before. A map with a value that is not finite scores NaN in all three fields:
/// no judgement can be made of it, and a caller must not read it as good.
///
/// # Panics
/// When a map has not `map_side * map_side` values, or a size is zero.
pub fn image_score(
    structural: &[f32],
    logical: &[f32],
    map_side: usize,
    calibration: &MapCalibration,
    width: u32,
    height: u32,
) -> Score {
    assert!(
        map_side > 0 && width > 0 && height > 0,
        "sizes with an area"
    );
    assert_eq!(structural.len(), map_side * map_side, "a square map");
    let combined = combine(structural, logical, calibration);
    if combined.iter().any(|value| !value.is_finite()) {
        return Score {
            score: f32::NAN,
            structural: f32::NAN,
            logical: f32::NAN,
        };
    }
    let (column, row, score) = maximum(&combined, map_side, width, height);
    let at = |map: &[f32]| {
        let line = |y: usize| column.of(&map[y * map_side..][..map_side]);
        row.blend(line(row.low), line(row.high))
    };
    Score {
        score,
        structural: calibration.structural_part(at(structural)),
        logical: calibration.logical_part(at(logical)),
    }
}

/// The largest value of the resized map and where it lies, without keeping the resized map.
fn maximum(map: &[f32], side: usize, width: u32, height: u32) -> (Tap, Tap, f32) {
    let columns = taps(side, width);
    let rows = taps(side, height);
    let mut line = vec![0.0; side];
    let mut best = (columns[0], rows[0], f32::NEG_INFINITY);
    for row in rows {
        blend_rows(map, side, row, &mut line);
        // No blend exceeds what it blends, so most rows of a large image need no stretching.
        if line.iter().all(|&value| value <= best.2) {
            continue;
        }
        for &column in &columns {
            let value = column.of(&line);
            if value > best.2 {
                best = (column, row, value);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests;
