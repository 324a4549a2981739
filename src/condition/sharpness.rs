//! How sharp a picture is, whatever it shows.
//!
//! A picture that is blurred once more loses much of its gradients if it was sharp, and little if it was
//! blurred already (the thought of Crété et al. 2007, "The blur effect"). The share that is lost needs no
//! reference, and neither contrast nor brightness changes it: both are factors that cancel out. Laplacian
//! or gradient energy alone, even divided by the variance, follows the number of edges in the picture, and
//! so tells a plain part from a busy one rather than a blurred one from a sharp one.
//!
//! Only the strongest edges count. Elsewhere a gradient is noise, which is sharp in every picture.

use super::plane::Plane;

/// This share of the pixels counts, those with the strongest gradients after blurring.
const EDGES: f32 = 0.05;

/// Weaker gradients, grey levels a pixel, are no edges: quantisation and noise have them too.
const FAINTEST: f32 = 1.0;

/// A direction with a smaller share of the edges' energy says nothing about blur along it.
const LEAST_SHARE: f64 = 0.1;

/// Gradient energy before and after blurring.
#[derive(Clone, Copy, Debug, Default)]
struct Energy {
    sharp: f64,
    blurred: f64,
}

/// The share of its gradient energy that the picture loses when it is blurred once more, 0 (nothing left
/// to lose) to 1, in the direction that is the softer one, for motion blurs in one direction alone. None
/// if the picture has no edges.
pub(super) fn sharpness(plane: &Plane) -> Option<f32> {
    let (width, height) = (plane.width, plane.height);
    if width < 8 || height < 8 {
        return None;
    }
    let blurred = blur(plane);
    let floor = faintest_edge(&blurred)?;
    let [mut across, mut down] = [Energy::default(); 2];
    for y in 1..height - 1 {
        for x in 1..width - 1 {
            let at = y * width + x;
            let [dx, dy] = gradient(&blurred.grey, at, width);
            let strength = dx * dx + dy * dy;
            if strength < floor {
                continue;
            }
            let [sx, sy] = gradient(&plane.grey, at, width);
            across.add(sx, dx);
            down.add(sy, dy);
        }
    }
    let all = across.blurred + down.blurred;
    let telling = [across, down]
        .into_iter()
        .filter(|energy| energy.blurred >= all * LEAST_SHARE);
    telling.map(Energy::lost).reduce(f32::min)
}

impl Energy {
    fn add(&mut self, sharp: f32, blurred: f32) {
        self.sharp += f64::from(sharp * sharp);
        self.blurred += f64::from(blurred * blurred);
    }

    fn lost(self) -> f32 {
        (1.0 - self.blurred / self.sharp.max(self.blurred)) as f32
    }
}

/// Central differences across and down; `at` is no border.
fn gradient(grey: &[f32], at: usize, width: usize) -> [f32; 2] {
    [
        (grey[at + 1] - grey[at - 1]) / 2.0,
        (grey[at + width] - grey[at - width]) / 2.0,
    ]
}

/// The squared gradient from which on a pixel is among the strongest edges; none if there are no edges.
fn faintest_edge(plane: &Plane) -> Option<f32> {
    let (width, height) = (plane.width, plane.height);
    let mut strengths = Vec::with_capacity(width * height);
    for y in 1..height - 1 {
        for x in 1..width - 1 {
            let [dx, dy] = gradient(&plane.grey, y * width + x, width);
            strengths.push(dx * dx + dy * dy);
        }
    }
    let rank = (strengths.len() as f32 * (1.0 - EDGES)) as usize;
    let (_, floor, above) = strengths.select_nth_unstable_by(rank, f32::total_cmp);
    let strongest = above.iter().copied().fold(*floor, f32::max);
    (strongest >= FAINTEST * FAINTEST).then(|| floor.max(FAINTEST * FAINTEST))
}

/// Binomial weights 1 4 6 4 1 in both directions: a blur of one pixel. Borders repeat.
fn blur(plane: &Plane) -> Plane {
    let (width, height) = (plane.width, plane.height);
    let mut across = Vec::with_capacity(plane.grey.len());
    for row in plane.grey.chunks_exact(width) {
        let at = |x: usize| row[x.min(width - 1)];
        let mix = |x: usize| {
            let (a, b) = (row[x.saturating_sub(2)], row[x.saturating_sub(1)]);
            binomial(a, b, row[x], at(x + 1), at(x + 2))
        };
        across.extend((0..2).map(mix));
        across.extend(
            row.windows(5)
                .map(|w| binomial(w[0], w[1], w[2], w[3], w[4])),
        );
        across.extend((width - 2..width).map(mix));
    }
    let line = |y: usize| &across[y * width..(y + 1) * width];
    let mut grey = Vec::with_capacity(across.len());
    for y in 0..height {
        let rows = [
            line(y.saturating_sub(2)),
            line(y.saturating_sub(1)),
            line(y),
            line((y + 1).min(height - 1)),
            line((y + 2).min(height - 1)),
        ];
        grey.extend(
            (0..width)
                .map(|x| binomial(rows[0][x], rows[1][x], rows[2][x], rows[3][x], rows[4][x])),
        );
    }
    Plane {
        width,
        height,
        grey,
    }
}

fn binomial(a: f32, b: f32, c: f32, d: f32, e: f32) -> f32 {
    (a + e + 4.0 * (b + d) + 6.0 * c) / 16.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(period: usize, light: f32, dark: f32) -> Plane {
        let (width, height) = (96, 96);
        let lit = |at: usize| at / period % 2 == 0;
        let pixel = |at: usize| {
            if lit(at % width) != lit(at / width) {
                light
            } else {
                dark
            }
        };
        Plane {
            width,
            height,
            grey: (0..width * height).map(pixel).collect(),
        }
    }

    #[test]
    fn each_blur_takes_sharpness_away() {
        let mut plane = bars(16, 200.0, 40.0);
        let mut last = sharpness(&plane).expect("edges");
        assert!(last > 0.5, "{last}");
        for _ in 0..6 {
            plane = blur(&plane);
            let now = sharpness(&plane).expect("edges");
            assert!(now < last, "{now} after {last}");
            last = now;
        }
        assert!(last < 0.2, "{last}");
    }

    #[test]
    fn neither_contrast_nor_brightness_nor_the_number_of_edges_changes_it() {
        let expected = sharpness(&bars(16, 200.0, 40.0)).expect("edges");
        let check = |plane: Plane| {
            let found = sharpness(&plane).expect("edges");
            assert!((found - expected).abs() < 0.05, "{found}, not {expected}");
        };
        check(bars(16, 250.0, 90.0));
        check(bars(16, 60.0, 40.0));
        check(bars(32, 200.0, 40.0));
    }

    #[test]
    fn a_plain_picture_has_no_sharpness() {
        assert_eq!(sharpness(&bars(16, 100.0, 100.0)), None);
        let tiny = Plane {
            width: 2,
            height: 2,
            grey: vec![0.0; 4],
        };
        assert_eq!(sharpness(&tiny), None);
    }
}
