//! Sharpness of an image, independent of its content.
//!
//! An image that is blurred again loses much of its gradients if it was sharp, and little if it was already
//! blurred (the idea of Crété et al. 2007, "The blur effect"). The lost share needs no reference, and does
//! not depend on contrast and brightness: both are factors that cancel out. Laplacian or gradient energy by
//! itself, even divided by the variance, follows the number of edges in the image: it distinguishes plain
//! parts from detailed ones, and not blurred images from sharp ones.
//!
//! Only the strongest edges count. Elsewhere the gradient is noise, which is sharp in every image.

use super::plane::Plane;

/// Share of the pixels that count: those with the strongest gradients after blurring.
const EDGES: f32 = 0.05;

/// Minimum gradient of an edge, grey levels per pixel: quantisation and noise cause weaker ones.
const FAINTEST: f32 = 1.0;

/// The share of its gradients' energy that the image loses when it is blurred again, 0 (completely blurred)
/// to 1. Horizontal and vertical are measured separately and the lower value counts, because motion during
/// the exposure blurs only one direction. None if the image has no edges.
pub(super) fn sharpness(plane: &Plane) -> Option<f32> {
    let (width, height) = (plane.width, plane.height);
    if width < 8 || height < 8 {
        return None;
    }
    let blurred = blur(plane);
    let across = lost(plane, &blurred, 1);
    let down = lost(plane, &blurred, width);
    [across, down].into_iter().flatten().reduce(f32::min)
}

/// The share that is lost in one direction, between pixels that are `step` apart.
fn lost(sharp: &Plane, blurred: &Plane, step: usize) -> Option<f32> {
    let before = gradients(sharp, step);
    let after = gradients(blurred, step);
    let floor = faintest_edge(after.clone())?;
    let (mut all, mut left) = (0.0, 0.0);
    for (before, after) in before.iter().zip(&after) {
        if *after >= floor {
            all += f64::from(*before);
            left += f64::from(*after);
        }
    }
    Some((1.0 - left / all.max(left)) as f32)
}

/// Squared differences between the pixels on either side, without borders.
fn gradients(plane: &Plane, step: usize) -> Vec<f32> {
    let (width, height) = (plane.width, plane.height);
    let mut gradients = Vec::with_capacity(plane.grey.len());
    for y in 1..height - 1 {
        let row = y * width + 1..(y + 1) * width - 1;
        let before = &plane.grey[row.start - step..row.end - step];
        let after = &plane.grey[row.start + step..row.end + step];
        let pairs = before.iter().zip(after);
        gradients.extend(pairs.map(|(a, b)| (b - a) * (b - a) / 4.0));
    }
    gradients
}

/// The minimum squared gradient of the strongest edges; none if the image has no edges.
fn faintest_edge(mut gradients: Vec<f32>) -> Option<f32> {
    let least = FAINTEST * FAINTEST;
    let rank = (gradients.len() as f32 * (1.0 - EDGES)) as usize;
    let (_, floor, above) = gradients.select_nth_unstable_by(rank, f32::total_cmp);
    let strongest = above.iter().copied().fold(*floor, f32::max);
    (strongest >= least).then(|| floor.max(least))
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
        let lit = |at: usize| (at / period).is_multiple_of(2);
        let pixel = |at: usize| {
            if lit(at % width) == lit(at / width) {
                dark
            } else {
                light
            }
        };
        Plane {
            width,
            height,
            grey: (0..width * height).map(pixel).collect(),
        }
    }

    #[test]
    fn each_blur_reduces_the_sharpness() {
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
    fn sharpness_is_independent_of_contrast_and_brightness_and_nearly_of_the_number_of_edges() {
        let expected = sharpness(&bars(16, 200.0, 40.0)).expect("edges");
        let check = |plane: Plane, within: f32| {
            let found = sharpness(&plane).expect("edges");
            assert!((found - expected).abs() < within, "{found}, not {expected}");
        };
        check(bars(16, 250.0, 90.0), 0.01);
        check(bars(16, 60.0, 40.0), 0.01);
        // With fewer edges, more of their flanks are among the strongest gradients.
        check(bars(32, 200.0, 40.0), 0.1);
    }

    #[test]
    fn a_uniform_image_has_no_sharpness() {
        assert_eq!(sharpness(&bars(16, 100.0, 100.0)), None);
        let tiny = Plane {
            width: 2,
            height: 2,
            grey: vec![0.0; 4],
        };
        assert_eq!(sharpness(&tiny), None);
    }
}
