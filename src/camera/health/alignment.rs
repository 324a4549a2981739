//! Whether the camera still looks where it looked when the reference image was taken.
//!
//! The reference is turned by a fan of small angles in advance. A frame is correlated by phase with each
//! of them (Kuglin and Hines 1975): the angle with the highest peak is the turn, the peak's place is the
//! shift. Both are refined between the grid's steps by a parabola. Phase alone does not see brightness or
//! contrast; and as a peak is made of everything that moved alike, a part that differs from the
//! reference's lowers it and does not move it, as long as enough of the view is the same.
//!
//! Angles are tried rather than read from a log-polar spectrum, as the magnitudes of a spectrum mix
//! everything in the picture: a moved view and a turned part cannot be told apart in them.

use super::plane::Plane;
use super::spectrum::{Complex32, Transform};
use crate::config::settings::LARGEST_TURN_DEG;

/// Pixels a side of the correlated squares.
const SIDE: usize = 64;

/// The turned references, of the frame's small picture turned this many steps either way.
const STEPS: i32 = 10;

/// Degrees between two of them.
const STEP_DEG: f32 = LARGEST_TURN_DEG / STEPS as f32;

/// A turn is believed if its peak is higher than the unturned one by this factor. A view whose middle is
/// round, such as a bottle's, looks the same however it is turned: noise alone would choose the angle.
const CLEARLY: f32 = 1.05;

/// Two pictures of anything are more alike than this: one of them is plain.
const PLAIN: f32 = 0.05;

/// Where a frame's view lies, seen from the reference's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// How far the picture has moved, as a fraction of its longer side, 0 to 0.7.
    pub shift: f32,
    /// How far it has turned clockwise, degrees, -10 to 10.
    pub turn_deg: f32,
    /// How much of the picture fits the reference there, 0 to 1. Pictures with nothing in common have
    /// 0.1, rarely 0.15.
    pub likeness: f32,
}

/// A reference image, ready to be compared.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// Of the reference, and of frames that can be compared.
    size: [usize; 2],
    transform: Transform,
    /// Conjugated spectra of the reference, turned from -STEPS to STEPS, weighed so that a frame that
    /// equals it has a peak of 1.
    turned: Vec<Vec<Complex32>>,
}

/// The highest value of a correlation.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    height: f32,
    /// In pixels of the square, between pixels.
    shift: [f32; 2],
}

impl Reference {
    pub fn new(plane: &Plane) -> Self {
        let mut transform = Transform::new(SIDE);
        let turned = (-STEPS..=STEPS)
            .map(|step| {
                let turned = turn(plane, step as f32 * STEP_DEG);
                let mut square = windowed(&turned.reduced(SIDE));
                transform.forward(&mut square);
                filter(&mut square);
                square
            })
            .collect();
        Self {
            size: [plane.width, plane.height],
            transform,
            turned,
        }
    }

    /// The frame's view; none if its size is not the reference's, or if one of the two is plain.
    pub fn view(&mut self, plane: &Plane) -> Option<View> {
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
        if peak.height < PLAIN {
            return None;
        }
        let [x, y] = peak.shift;
        Some(View {
            shift: x.hypot(y) / small.width.max(small.height) as f32,
            turn_deg: (step - STEPS as f32) * STEP_DEG,
            likeness: peak.height.clamp(0.0, 1.0),
        })
    }

    /// The peak for every angle. Two real correlations are one complex inverse transform.
    fn peaks(&mut self, frame: &[Complex32]) -> Vec<Peak> {
        let mut peaks = Vec::with_capacity(self.turned.len());
        let nothing = vec![Complex32::default(); SIDE * SIDE];
        for pair in self.turned.chunks(2) {
            let one = &pair[0];
            let other = pair.get(1).unwrap_or(&nothing);
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

/// The step, between steps, with the highest peak, or the unturned one unless another is clearly higher.
fn best(peaks: &[Peak]) -> (f32, Peak) {
    let unturned = peaks[STEPS as usize];
    let highest = (0..peaks.len())
        .max_by(|&a, &b| peaks[a].height.total_cmp(&peaks[b].height))
        .unwrap_or(STEPS as usize);
    let peak = peaks[highest];
    if peak.height < unturned.height * CLEARLY {
        return (STEPS as f32, unturned);
    }
    let beside = |step: Option<usize>| step.and_then(|step| peaks.get(step));
    let (Some(before), Some(after)) = (
        beside(highest.checked_sub(1)),
        beside(highest.checked_add(1)),
    ) else {
        return (highest as f32, peak);
    };
    let between = summit(before.height, peak.height, after.height);
    (highest as f32 + between, peak)
}

/// The highest value, and how far from the first pixel it lies; what is beyond half a side has moved
/// the other way.
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
    let across = summit(value(x + SIDE - 1, y), height, value(x + 1, y));
    let down = summit(value(x, y + SIDE - 1), height, value(x, y + 1));
    Peak {
        height,
        shift: [signed(x) + across, signed(y) + down],
    }
}

/// Where between -0.5 and 0.5 the parabola through three values a step apart is highest.
fn summit(before: f32, at: f32, after: f32) -> f32 {
    let bend = before - 2.0 * at + after;
    if bend >= 0.0 {
        return 0.0;
    }
    ((before - after) / (2.0 * bend)).clamp(-0.5, 0.5)
}

/// The share of a side over which a picture fades out at either end. Most of it counts in full: what is
/// fixed in a view is rather at its border than in its middle, where the parts are.
const FADE: f32 = 0.15;

/// The picture less its mean, faded out at its borders, in the corner of a square.
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

/// What a pixel of a side counts: rises from 0 at either end as a cosine does.
fn fade(at: usize, side: usize) -> f32 {
    let from_end = at.min(side - 1 - at) as f32 + 0.5;
    let way = (from_end / (FADE * side as f32)).min(1.0);
    (1.0 - (std::f32::consts::PI * way).cos()) / 2.0
}

/// Values of a spectrum around this are noise: that of a sensor, averaged, is a few.
const NOISE: f32 = 1.0;

/// A value of the same phase and of length 1, or less where there is no more than noise.
fn phase(value: Complex32) -> Complex32 {
    value / (value.norm() + NOISE)
}

/// Makes a filter of a reference's spectrum: conjugated phases, weighed. What is low in frequency is
/// light and shade, what is high is noise and lost between pixels; and where the reference has little,
/// a frame has nothing but noise.
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

/// The picture turned clockwise about its centre; what comes from outside repeats the border.
fn turn(plane: &Plane, degrees: f32) -> Plane {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (width, height) = (plane.width, plane.height);
    let centre = [(width - 1) as f32 / 2.0, (height - 1) as f32 / 2.0];
    let mut grey = Vec::with_capacity(plane.grey.len());
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = (x as f32 - centre[0], y as f32 - centre[1]);
            let from = [cos * dx + sin * dy, cos * dy - sin * dx];
            grey.push(between(plane, from[0] + centre[0], from[1] + centre[1]));
        }
    }
    Plane {
        width,
        height,
        grey,
    }
}

/// The grey level between four pixels.
fn between(plane: &Plane, x: f32, y: f32) -> f32 {
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
