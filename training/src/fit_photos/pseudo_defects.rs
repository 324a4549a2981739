//! Artificial defects on photographs of good parts, for choosing between methods without defective parts.
//!
//! Five kinds, after `CutPaste` (Li et al. 2021) and the simulator's defects: a patch from elsewhere in the
//! photograph, a thin scar, a stain with soft borders, a smeared area, and a
//! mixture of two photographs.

use inspectd_core::frame::{CHANNELS, Frame};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A kind of artificial defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PseudoDefect {
    /// A rectangle copied from elsewhere, mirrored.
    Patch,
    /// A thin line with the colour of another pixel.
    Scar,
    /// An ellipse with soft borders, darker or brighter.
    Stain,
    /// A rectangle whose pixels are averaged over their neighbourhood.
    Smear,
    /// One side of another photograph, with a soft border: parts that may not belong together.
    Mix,
}

impl PseudoDefect {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Patch, Self::Scar, Self::Stain, Self::Smear, Self::Mix];

    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Scar => "scar",
            Self::Stain => "stain",
            Self::Smear => "smear",
            Self::Mix => "mix",
        }
    }
}

/// Share of the frame's shorter side that a defect measures, at least and at most.
const LENGTH: [f64; 2] = [0.04, 0.15];

/// Draws a defect of `kind` on a copy of `frame`. The same seed draws the same defect. `other` is another photograph
/// of the same size.
///
/// # Panics
/// When the sizes differ.
pub fn draw(frame: &Frame, other: &Frame, kind: PseudoDefect, seed: u64) -> Frame {
    assert_eq!(
        (frame.width(), frame.height()),
        (other.width(), other.height()),
        "photographs of the same size"
    );
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut canvas = Canvas {
        width: frame.width() as usize,
        height: frame.height() as usize,
        pixels: frame.rgb().to_vec(),
    };
    match kind {
        PseudoDefect::Patch => canvas.patch(&mut rng),
        PseudoDefect::Scar => canvas.scar(&mut rng),
        PseudoDefect::Stain => canvas.stain(&mut rng),
        PseudoDefect::Smear => canvas.smear(&mut rng),
        PseudoDefect::Mix => canvas.mix(&mut rng, other),
    }
    Frame::new(frame.width(), frame.height(), canvas.pixels).expect("the size is unchanged")
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn pixel(&self, x: usize, y: usize) -> [u8; CHANNELS] {
        let at = (y * self.width + x) * CHANNELS;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }

    fn set(&mut self, x: usize, y: usize, pixel: [u8; CHANNELS]) {
        let at = (y * self.width + x) * CHANNELS;
        self.pixels[at..at + CHANNELS].copy_from_slice(&pixel);
    }

    fn length(&self, rng: &mut ChaCha8Rng) -> usize {
        let side = self.width.min(self.height) as f64;
        let share = rng.random_range(LENGTH[0]..LENGTH[1]);
        ((side * share) as usize).max(4)
    }

    /// A point in the middle of the frame, where parts are: at least a tenth of a side from the border.
    fn centre(&self, rng: &mut ChaCha8Rng) -> [usize; 2] {
        [self.width, self.height].map(|side| rng.random_range(side / 10..side - side / 10))
    }

    /// A rectangle of `width` x `height` around a random point, within the frame.
    fn place(&self, rng: &mut ChaCha8Rng, width: usize, height: usize) -> [usize; 2] {
        let [x, y] = self.centre(rng);
        [
            x.saturating_sub(width / 2).min(self.width - width),
            y.saturating_sub(height / 2).min(self.height - height),
        ]
    }

    fn patch(&mut self, rng: &mut ChaCha8Rng) {
        let (width, height) = (self.length(rng), self.length(rng));
        let [from_x, from_y] = self.place(rng, width, height);
        let [to_x, to_y] = self.place(rng, width, height);
        let source: Vec<[u8; CHANNELS]> = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| self.pixel(from_x + width - 1 - x, from_y + y))
            .collect();
        for (index, pixel) in source.into_iter().enumerate() {
            self.set(to_x + index % width, to_y + index / width, pixel);
        }
    }

    /// Replaces one side, from about the middle on, by that of `other`.
    fn mix(&mut self, rng: &mut ChaCha8Rng, other: &Frame) {
        let vertical = rng.random_bool(0.5);
        let side = if vertical { self.height } else { self.width } as f64;
        let border = side * rng.random_range(0.35..0.65);
        let soft = 0.03 * side;
        let sign = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
        for y in 0..self.height {
            for x in 0..self.width {
                let at = if vertical { y } else { x } as f64;
                let share = (0.5 + sign * (at - border) / (2.0 * soft)).clamp(0.0, 1.0);
                let start = (y * self.width + x) * CHANNELS;
                let mixed = std::array::from_fn(|channel| {
                    let own = f64::from(self.pixels[start + channel]);
                    let foreign = f64::from(other.rgb()[start + channel]);
                    (own + share * (foreign - own)).round() as u8
                });
                self.set(x, y, mixed);
            }
        }
    }

    fn scar(&mut self, rng: &mut ChaCha8Rng) {
        let length = 2 * self.length(rng);
        let thickness = rng.random_range(1..=3_usize);
        let [x, y] = self.centre(rng);
        let [other_x, other_y] = self.centre(rng);
        let shade = rng.random_range(-60..60_i16);
        let colour = self
            .pixel(other_x, other_y)
            .map(|level| (i16::from(level) + shade).clamp(0, 255) as u8);
        let angle = rng.random_range(0.0..std::f64::consts::TAU);
        let bend = rng.random_range(-0.02..0.02);
        for step in 0..length {
            let along = step as f64;
            let turned = angle + bend * along;
            let at_x = x as f64 + along * turned.cos();
            let at_y = y as f64 + along * turned.sin();
            for dy in 0..thickness {
                for dx in 0..thickness {
                    let (px, py) = (at_x as i64 + dx as i64, at_y as i64 + dy as i64);
                    let inside = (0..self.width as i64).contains(&px)
                        && (0..self.height as i64).contains(&py);
                    if inside {
                        self.set(px as usize, py as usize, colour);
                    }
                }
            }
        }
    }

    fn stain(&mut self, rng: &mut ChaCha8Rng) {
        let (width, height) = (self.length(rng), self.length(rng));
        let [left, top] = self.place(rng, width, height);
        let strength = rng.random_range(0.25..0.7);
        let target = if rng.random_bool(0.5) { 0.0 } else { 255.0 };
        for y in 0..height {
            for x in 0..width {
                let unit = |at: usize, side: usize| 2.0 * (at as f64 + 0.5) / side as f64 - 1.0;
                let radius = unit(x, width).hypot(unit(y, height));
                let cover = strength * (1.5 - 1.5 * radius).clamp(0.0, 1.0);
                let blended = self
                    .pixel(left + x, top + y)
                    .map(|level| (f64::from(level) * (1.0 - cover) + target * cover) as u8);
                self.set(left + x, top + y, blended);
            }
        }
    }

    fn smear(&mut self, rng: &mut ChaCha8Rng) {
        let (width, height) = (self.length(rng), self.length(rng));
        let [left, top] = self.place(rng, width, height);
        let reach = (width.min(height) / 4).max(2);
        let rows: Vec<Vec<[u8; CHANNELS]>> = (0..height)
            .map(|y| {
                (0..width)
                    .map(|x| self.mean(left + x, top + y, reach))
                    .collect()
            })
            .collect();
        for (y, row) in rows.into_iter().enumerate() {
            for (x, pixel) in row.into_iter().enumerate() {
                self.set(left + x, top + y, pixel);
            }
        }
    }

    /// Mean of the pixels of a row around a point.
    fn mean(&self, x: usize, y: usize, reach: usize) -> [u8; CHANNELS] {
        let columns = x.saturating_sub(reach)..(x + reach + 1).min(self.width);
        let count = columns.len() as u32;
        let mut sums = [0u32; CHANNELS];
        for column in columns {
            for (sum, level) in sums.iter_mut().zip(self.pixel(column, y)) {
                *sum += u32::from(level);
            }
        }
        sums.map(|sum| (sum / count) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: u32, height: u32) -> Frame {
        let pixels = (0..width * height * 3).map(|i| (i * 37 % 251) as u8);
        Frame::new(width, height, pixels.collect()).expect("sized")
    }

    #[test]
    fn every_kind_changes_a_small_part_and_repeats_with_its_seed() {
        for (width, height) in [(256, 256), (512, 128), (128, 768)] {
            let good = frame(width, height);
            let pixels = good.rgb().iter().map(|level| 255 - level);
            let other = Frame::new(width, height, pixels.collect()).expect("sized");
            for kind in PseudoDefect::ALL {
                for seed in 0..20 {
                    let bad = draw(&good, &other, kind, seed);
                    assert_eq!(bad, draw(&good, &other, kind, seed));
                    let pairs = good.rgb().chunks(3).zip(bad.rgb().chunks(3));
                    let changed = pairs.filter(|(one, other)| one != other).count();
                    let share = changed as f64 / f64::from(width * height);
                    let limit = if kind == PseudoDefect::Mix { 0.7 } else { 0.05 };
                    assert!(share > 0.0 && share < limit, "{kind:?} {seed}: {share}");
                }
            }
        }
    }
}
