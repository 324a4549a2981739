//! What pictures of a camera say about focus, light, noise and motion.

use inspectd_core::frame::Frame;

use super::grey::Grey;
use crate::camera::health::{HealthMonitor, ViewAids};
use crate::config::settings::HealthLimits;

/// Longer side of the reduced pictures whose differences are motion, pixels.
const MOTION_SIDE: u32 = 160;

/// Smallest difference of reduced pictures that counts as motion, grey levels.
const LEAST_MOTION: f32 = 8.0;

/// A difference counts as motion only above this multiple of the noise.
const MOTION_OF_NOISE: f32 = 6.0;

/// Samples per side that the noise is measured at.
const NOISE_SAMPLES: usize = 400;

/// Differences beyond this multiple of the standard deviation are edges or motion, and not noise.
const CLIPPED_SIGMAS: f64 = 3.0;

/// Repetitions of the clipping; the result hardly changes after a few.
const CLIPPINGS: usize = 8;

/// Measurements of the pictures of one camera.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PictureMeasurements {
    /// Number of pictures.
    pub pictures: usize,
    /// Median of the sharpness: the share of the edges' gradients that another blur removes, 0 (blurred) to 1; none if no
    /// picture has edges.
    pub sharpness: Option<f32>,
    /// Mean grey level of all pictures, 0 to 255.
    pub mean: f32,
    /// Largest share of pixels that are black (grey level 5 or less), 0 to 1.
    pub black: f32,
    /// Largest share of pixels that are clipped (grey level 250 or more), 0 to 1.
    pub clipped: f32,
    /// Standard deviation of the noise of a pixel, grey levels.
    pub noise: f32,
    /// Median share of the picture that differs from the picture before, 0 to 1; none for a single picture or pictures of
    /// different sizes.
    pub motion: Option<f32>,
}

impl PictureMeasurements {
    /// Measures pictures; none if there is none.
    pub fn of(pictures: &[Frame]) -> Option<Self> {
        if pictures.is_empty() {
            return None;
        }
        let aids: Vec<ViewAids> = pictures.iter().map(ViewAids::of).collect();
        let largest = |value: fn(&ViewAids) -> f32| aids.iter().map(value).fold(0.0, f32::max);
        let noise = noise(pictures);
        Some(Self {
            pictures: pictures.len(),
            sharpness: median(aids.iter().filter_map(|aids| aids.sharpness).collect()),
            mean: aids.iter().map(|aids| aids.mean).sum::<f32>() / aids.len() as f32,
            black: largest(|aids| aids.black),
            clipped: largest(|aids| aids.clipped),
            noise,
            motion: median(motions(pictures, noise)),
        })
    }
}

/// Limits of camera health that all pictures satisfy with a margin; none without a picture.
pub fn suggested_limits(pictures: &[Frame]) -> Option<HealthLimits> {
    let mut monitor = HealthMonitor::new(None);
    let measured: Vec<_> = pictures
        .iter()
        .map(|picture| monitor.measure(picture, 0.0))
        .collect();
    HealthLimits::suggested(&measured)
}

/// The median, the lower one of two.
fn median(mut values: Vec<f32>) -> Option<f32> {
    values.sort_unstable_by(f32::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

/// Shares of changed pixels from each picture to the next one.
fn motions(pictures: &[Frame], noise: f32) -> Vec<f32> {
    let reduced: Vec<Grey> = pictures
        .iter()
        .map(|picture| Grey::reduced(picture, MOTION_SIDE))
        .collect();
    let least = LEAST_MOTION.max(MOTION_OF_NOISE * noise);
    let pairs = reduced.windows(2).filter(|pair| pair[0].fits(&pair[1]));
    let share = |pair: &[Grey]| {
        let levels = pair[0].levels.iter().zip(&pair[1].levels);
        let changed = levels.filter(|(one, other)| (*one - *other).abs() > least);
        changed.count() as f32 / pair[0].levels.len() as f32
    };
    pairs.map(share).collect()
}

/// Standard deviation of the noise. Differences of two pictures contain motion, and differences within a picture contain
/// edges: each estimate is too high where the other one is good, so that the lower one counts.
fn noise(pictures: &[Frame]) -> f32 {
    let greys: Vec<Grey> = pictures.iter().take(6).map(Grey::of).collect();
    let within = greys.iter().filter_map(spread_within);
    let between = greys
        .windows(2)
        .filter_map(|pair| spread_between(&pair[0], &pair[1]));
    let least = within.chain(between).min_by(f64::total_cmp);
    least.unwrap_or(0.0) as f32
}

/// From the difference of two pictures, whose variance is twice that of the noise.
fn spread_between(one: &Grey, other: &Grey) -> Option<f64> {
    if !one.fits(other) {
        return None;
    }
    let step = step_of(one);
    let rows = (0..one.height).step_by(step);
    let differences = rows.flat_map(|y| {
        let columns = (0..one.width).step_by(step);
        columns.map(move |x| f64::from(one.at(x, y) - other.at(x, y)))
    });
    clipped_deviation(differences.collect()).map(|deviation| deviation / 2_f64.sqrt())
}

/// From the differences of two Laplacians, which remove planes and straight edges (Immerkær 1996, "Fast noise variance
/// estimation"): the squares of the weights add up to 36.
fn spread_within(picture: &Grey) -> Option<f64> {
    const WEIGHTS: [[f32; 3]; 3] = [[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]];
    const LENGTH: f64 = 6.0;
    if picture.width < 3 || picture.height < 3 {
        return None;
    }
    let step = step_of(picture);
    let response = |x: usize, y: usize| {
        let rows = WEIGHTS.iter().enumerate();
        let terms = rows.flat_map(|(row, weights)| {
            let columns = weights.iter().enumerate();
            columns.map(move |(column, weight)| {
                f64::from(weight * picture.at(x + column - 1, y + row - 1))
            })
        });
        terms.sum::<f64>()
    };
    let rows = (1..picture.height - 1).step_by(step);
    let responses = rows.flat_map(|y| {
        let columns = (1..picture.width - 1).step_by(step);
        columns.map(move |x| response(x, y))
    });
    clipped_deviation(responses.collect()).map(|deviation| deviation / LENGTH)
}

fn step_of(picture: &Grey) -> usize {
    picture
        .width
        .max(picture.height)
        .div_ceil(NOISE_SAMPLES)
        .max(1)
}

/// The standard deviation around 0 of the values that are not outliers; none without values.
fn clipped_deviation(mut values: Vec<f64>) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    for value in &mut values {
        *value = value.abs();
    }
    values.sort_unstable_by(f64::total_cmp);
    // The median of the absolute values, as a standard deviation of a normal distribution; at least that of rounding to
    // whole grey levels, so that a picture without noise is not clipped to nothing.
    let mut sigma = (values[values.len() / 2] * 1.4826).max(1.0);
    for _ in 0..CLIPPINGS {
        let inside = values.partition_point(|value| *value <= CLIPPED_SIGMAS * sigma);
        if inside == 0 {
            return Some(sigma);
        }
        let squares: f64 = values[..inside].iter().map(|value| value * value).sum();
        let found = (squares / inside as f64).sqrt();
        if found == 0.0 {
            return Some(0.0);
        }
        sigma = found;
    }
    Some(sigma)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::commissioning::grey::tests::frame;

    /// Pictures of squares with normal noise; the squares move by `shift` pixels from one picture to the next.
    fn pictures(sigma: f64, shift: u32) -> Vec<Frame> {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        (0..4)
            .map(|number| {
                let noise: Vec<f64> = (0..200 * 150)
                    .map(|_| (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0)
                    .collect();
                frame(200, 150, |x, y| {
                    let square = ((x + number * shift) / 50 + y / 50) % 2;
                    let level = 80.0 + 60.0 * f64::from(square);
                    let at = (y * 200 + x) as usize;
                    (level + sigma * noise[at]).round().clamp(0.0, 255.0) as u8
                })
            })
            .collect()
    }

    #[test]
    fn noise_is_measured_next_to_edges_and_motion() {
        for (sigma, shift) in [
            (0.0, 0),
            (0.0, 20),
            (2.0, 0),
            (2.0, 20),
            (6.0, 0),
            (6.0, 20),
        ] {
            let measured = PictureMeasurements::of(&pictures(sigma, shift)).expect("pictures");
            let error = f64::from(measured.noise) - sigma;
            assert!(
                error.abs() < 0.15 + 0.1 * sigma,
                "{sigma} {shift}: {measured:?}"
            );
        }
    }

    #[test]
    fn motion_is_the_changed_share_and_is_not_noise() {
        let still = PictureMeasurements::of(&pictures(6.0, 0)).expect("pictures");
        assert!(still.motion.expect("pairs") < 0.002, "{still:?}");
        // Squares of 50 pixels that move by 20 change 40 of 100 pixels.
        let moving = PictureMeasurements::of(&pictures(2.0, 20)).expect("pictures");
        let motion = moving.motion.expect("pairs");
        assert!((0.34..0.46).contains(&motion), "{moving:?}");
        assert_eq!(PictureMeasurements::of(&[]), None);
        let one = &pictures(0.0, 0)[..1];
        assert_eq!(
            PictureMeasurements::of(one).expect("a picture").motion,
            None
        );
    }

    #[test]
    fn light_is_that_of_all_pictures_and_clipping_that_of_the_worst() {
        let dark = frame(100, 100, |_, _| 40);
        let bright = frame(100, 100, |x, _| if x < 10 { 255 } else { 100 });
        let measured = PictureMeasurements::of(&[dark, bright]).expect("pictures");
        assert!((measured.mean - 77.75).abs() < 0.1, "{measured:?}");
        assert!((measured.clipped - 0.1).abs() < 1e-6, "{measured:?}");
        assert!(measured.black < 1e-6, "{measured:?}");
    }
}
