//! Alignment of a frame with the reference image: whether the camera's view has moved.
//!
//! The reference is rotated by a set of small angles in advance. A frame is phase-correlated with each of
//! them (Kuglin and Hines 1975): the angle with the highest peak is the rotation, the position of the peak
//! is the shift. A parabola refines both between the steps of the grid. Phase is independent of brightness
//! and contrast. Everything that moved in the same way contributes to a peak; so a part that differs from
//! that of the reference lowers the peak but does not move it, as long as enough of the view is the same.
//!
//! Angles are tried and not read from a log-polar spectrum, because the magnitudes of a spectrum mix
//! everything in the image: they cannot distinguish a moved view from a rotated part.

use super::plane::Plane;
use super::spectrum::{Complex32, Transform};
use crate::config::settings::LARGEST_TURN_DEG;

/// Side of the correlated squares, pixels.
const SIDE: usize = 64;

/// Number of rotation steps in either direction.
const STEPS: i32 = 10;

/// Degrees per step.
const STEP_DEG: f32 = LARGEST_TURN_DEG / STEPS as f32;

/// A rotation is accepted if its peak is higher than the unrotated one by this factor. A view with a round
/// centre, such as that of a bottle, looks the same at every angle: noise would choose the angle.
const ROTATION_FACTOR: f32 = 1.05;

/// Minimum peak of two images with content: below it, one of them is uniform.
const UNIFORM_PEAK: f32 = 0.05;

/// Alignment of a frame's view, relative to the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ViewAlignment {
    /// Shift of the image, as a fraction of its longer side, 0 to 0.7.
    pub shift: f32,
    /// Clockwise rotation, degrees, -10 to 10.
    pub turn_deg: f32,
    /// Similarity with the reference at this alignment, 0 to 1. Unrelated images have 0.1, rarely 0.15.
    pub likeness: f32,
}

/// A reference image, prepared for comparison.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// Size of the reference, and of comparable frames.
    size: [usize; 2],
    transform: Transform,
    /// Conjugated spectra of the reference, rotated from -STEPS to STEPS, weighted so that a frame that
    /// equals it has a peak of 1.
    rotated: Vec<Vec<Complex32>>,
}

/// The highest value of a correlation.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    height: f32,
    /// Position in pixels of the square, with subpixel resolution.
    shift: [f32; 2],
}

impl Reference {
    pub fn new(plane: &Plane) -> Self {
        let mut transform = Transform::new(SIDE);
        let rotated = (-STEPS..=STEPS)
            .map(|step| {
                let rotated = rotate(plane, step as f32 * STEP_DEG);
                let mut square = windowed(&rotated.reduced(SIDE));
                transform.forward(&mut square);
                filter(&mut square);
                square
            })
            .collect();
        Self {
            size: [plane.width, plane.height],
            transform,
            rotated,
        }
    }

    /// Aligns a frame; none if its size differs from the reference's, or if one of the two is uniform.
    pub fn align(&mut self, plane: &Plane) -> Option<ViewAlignment> {
        if self.size != [plane.width, plane.height] {
            return None;
        }
        let small = plane.reduced(SIDE);
        let mut frame = windowed(&small);
        self.transform.forward(&mut frame);
        for value in &mut frame {
            *value = phase(*value);
        }
        let peaks = self.peaks(&frame);
        let (step, peak) = best(&peaks);
        if peak.height < UNIFORM_PEAK {
            return None;
        }
        let [x, y] = peak.shift;
        Some(ViewAlignment {
            shift: x.hypot(y) / small.width.max(small.height) as f32,
            turn_deg: (step - STEPS as f32) * STEP_DEG,
            likeness: peak.height.clamp(0.0, 1.0),
        })
    }

    /// The peak for each angle. One complex inverse transform computes two real correlations.
    fn peaks(&mut self, frame: &[Complex32]) -> Vec<Peak> {
        let mut peaks = Vec::with_capacity(self.rotated.len());
        let zeros = vec![Complex32::default(); SIDE * SIDE];
        for pair in self.rotated.chunks(2) {
            let one = &pair[0];
            let other = pair.get(1).unwrap_or(&zeros);
            let both = frame.iter().zip(one.iter().zip(other));
            let mut square: Vec<_> = both
                .map(|(f, (a, b))| f * (a + Complex32::new(-b.im, b.re)))
                .collect();
            self.transform.inverse(&mut square);
            let mut values: Vec<f32> = square.iter().map(|value| value.re).collect();
            peaks.push(highest(&values));
            if pair.len() > 1 {
                values
                    .iter_mut()
                    .zip(&square)
                    .for_each(|(to, from)| *to = from.im);
                peaks.push(highest(&values));
            }
        }
        peaks
    }
}

/// The step, interpolated, with the highest peak; the unrotated one unless another is clearly higher.
fn best(peaks: &[Peak]) -> (f32, Peak) {
    let unrotated = peaks[STEPS as usize];
    let highest = (0..peaks.len())
        .max_by(|&a, &b| peaks[a].height.total_cmp(&peaks[b].height))
        .unwrap_or(STEPS as usize);
    let peak = peaks[highest];
    if peak.height < unrotated.height * ROTATION_FACTOR {
        return (STEPS as f32, unrotated);
    }
    let neighbour = |step: Option<usize>| step.and_then(|step| peaks.get(step));
    let (Some(before), Some(after)) = (
        neighbour(highest.checked_sub(1)),
        neighbour(highest.checked_add(1)),
    ) else {
        return (highest as f32, peak);
    };
    let offset = parabola_maximum(before.height, peak.height, after.height);
    (highest as f32 + offset, peak)
}

/// The highest value, with its distance from the first pixel; a distance of more than half a side is a
/// shift in the opposite direction.
fn highest(values: &[f32]) -> Peak {
    let (mut at, mut height) = (0, f32::MIN);
    for (place, &value) in values.iter().enumerate() {
        if value > height {
            (at, height) = (place, value);
        }
    }
    let (x, y) = (at % SIDE, at / SIDE);
    let value = |x: usize, y: usize| values[(y % SIDE) * SIDE + x % SIDE];
    let signed = |place: usize| {
        if place > SIDE / 2 {
            place as f32 - SIDE as f32
        } else {
            place as f32
        }
    };
    let across = parabola_maximum(value(x + SIDE - 1, y), height, value(x + 1, y));
    let down = parabola_maximum(value(x, y + SIDE - 1), height, value(x, y + 1));
    Peak {
        height,
        shift: [signed(x) + across, signed(y) + down],
    }
}

/// The position of the maximum, between -0.5 and 0.5, of the parabola through three adjacent values.
fn parabola_maximum(before: f32, at: f32, after: f32) -> f32 {
    let bend = before - 2.0 * at + after;
    if bend >= 0.0 {
        return 0.0;
    }
    ((before - after) / (2.0 * bend)).clamp(-0.5, 0.5)
}

/// The share of a side over which an image fades out at either end. Most of it counts fully: the fixed
/// objects of a view are at its border rather than in its centre, where the parts are.
const FADE: f32 = 0.15;

/// The image minus its mean, faded out at its borders, in the corner of a square.
fn windowed(plane: &Plane) -> Vec<Complex32> {
    let across: Vec<f32> = (0..plane.width).map(|x| fade(x, plane.width)).collect();
    let mean = plane.mean();
    let mut square = vec![Complex32::default(); SIDE * SIDE];
    let rows = plane.grey.chunks_exact(plane.width);
    for (y, (to, from)) in square.chunks_exact_mut(SIDE).zip(rows).enumerate() {
        let down = fade(y, plane.height);
        for ((to, &grey), across) in to.iter_mut().zip(from).zip(&across) {
            to.re = (grey - mean) * across * down;
        }
    }
    square
}

/// Weight of a pixel of a side: rises from 0 at either end like a cosine.
fn fade(at: usize, side: usize) -> f32 {
    let from_end = at.min(side - 1 - at) as f32 + 0.5;
    let position = (from_end / (FADE * side as f32)).min(1.0);
    (1.0 - (std::f32::consts::PI * position).cos()) / 2.0
}

/// Magnitude of noise in a spectrum: averaged sensor noise has a few.
const NOISE: f32 = 1.0;

/// The value with the same phase and magnitude 1, or less if it is only noise.
fn phase(value: Complex32) -> Complex32 {
    value / (value.norm() + NOISE)
}

/// Converts a reference's spectrum to a filter: conjugated phases, weighted. Low frequencies are lighting,
/// high ones are noise and aliasing; at frequencies where the reference has little energy, a frame has
/// only noise.
fn filter(spectrum: &mut [Complex32]) {
    let frequency = |at: usize| {
        let at = at.min(SIDE - at) as f32;
        at / SIDE as f32
    };
    let mut all = 0.0;
    for (at, value) in spectrum.iter_mut().enumerate() {
        let radius = frequency(at % SIDE).hypot(frequency(at / SIDE));
        let band = (-(radius / 0.25).powi(2)).exp() * (1.0 - (-(radius / 0.04).powi(2)).exp());
        let weight = band * value.norm().sqrt();
        all += weight;
        *value = phase(*value).conj() * weight;
    }
    let scale = 1.0 / all.max(f32::MIN_POSITIVE);
    for value in spectrum {
        *value *= scale;
    }
}

/// Rotates the image clockwise about its centre; pixels from outside repeat the border.
fn rotate(plane: &Plane, degrees: f32) -> Plane {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (width, height) = (plane.width, plane.height);
    let centre = [(width - 1) as f32 / 2.0, (height - 1) as f32 / 2.0];
    let mut grey = Vec::with_capacity(plane.grey.len());
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = (x as f32 - centre[0], y as f32 - centre[1]);
            let from = [cos * dx + sin * dy, cos * dy - sin * dx];
            grey.push(interpolate(plane, from[0] + centre[0], from[1] + centre[1]));
        }
    }
    Plane {
        width,
        height,
        grey,
    }
}

/// The grey level interpolated between four pixels.
fn interpolate(plane: &Plane, x: f32, y: f32) -> f32 {
    let x = x.clamp(0.0, (plane.width - 1) as f32);
    let y = y.clamp(0.0, (plane.height - 1) as f32);
    let (left, top) = (x as usize, y as usize);
    let (right, bottom) = (
        (left + 1).min(plane.width - 1),
        (top + 1).min(plane.height - 1),
    );
    let (fx, fy) = (x - left as f32, y - top as f32);
    let row = |y: usize| {
        let at = |x: usize| plane.grey[y * plane.width + x];
        at(left) * (1.0 - fx) + at(right) * fx
    };
    row(top) * (1.0 - fy) + row(bottom) * fy
}
