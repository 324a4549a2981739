//! Degradations of an image with increasing strength, and harmless changes of a good image.

use inspectd_core::frame::{CHANNELS, Frame};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The view is cropped to this fraction of the sides; the rest becomes visible when the view moves.
const SEEN: f32 = 0.88;

/// Image of a scene whose view was shifted by `shift` (fractions of the longer side) and rotated clockwise by
/// `turn_deg`.
pub fn view(scene: &Frame, shift: [f32; 2], turn_deg: f32) -> Frame {
    let (columns, rows) = (scene.width() as f32, scene.height() as f32);
    let (width, height) = ((columns * SEEN) as u32, (rows * SEEN) as u32);
    let (sin, cos) = turn_deg.to_radians().sin_cos();
    let longer = width.max(height) as f32;
    let middle = [(width - 1) as f32 / 2.0, (height - 1) as f32 / 2.0];
    let centre = [
        ((columns - 1.0) / 2.0).floor(),
        ((rows - 1.0) / 2.0).floor(),
    ];
    let mut rgb = Vec::with_capacity((width * height) as usize * CHANNELS);
    for y in 0..height {
        for x in 0..width {
            let dx = x as f32 - middle[0].floor() - shift[0] * longer;
            let dy = y as f32 - middle[1].floor() - shift[1] * longer;
            let at = [
                centre[0] + cos * dx + sin * dy,
                centre[1] + cos * dy - sin * dx,
            ];
            rgb.extend(interpolate(scene, at));
        }
    }
    Frame::new(width, height, rgb).expect("the buffer matches the size")
}

fn interpolate(frame: &Frame, [x, y]: [f32; 2]) -> [u8; CHANNELS] {
    let (right, bottom) = (frame.width() as usize - 1, frame.height() as usize - 1);
    let (x, y) = (x.clamp(0.0, right as f32), y.clamp(0.0, bottom as f32));
    let (left, top) = (x as usize, y as usize);
    let (fx, fy) = (x - left as f32, y - top as f32);
    let value = |x: usize, y: usize, c: usize| {
        let at = (y.min(bottom) * (right + 1) + x.min(right)) * CHANNELS + c;
        f32::from(frame.rgb()[at])
    };
    [0, 1, 2].map(|c| {
        let row = |y| value(left, y, c) * (1.0 - fx) + value(left + 1, y, c) * fx;
        rounded(row(top) * (1.0 - fy) + row(top + 1) * fy)
    })
}

/// Changes the exposure by `factor` and adds sensor noise of `noise` grey levels.
pub fn expose(frame: &Frame, factor: f32, noise: f32, seed: u64) -> Frame {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // The sum of four uniform numbers approximates a normal distribution; its deviation is sqrt(1/3).
    let scale = noise * 3.0_f32.sqrt() / 65_536.0;
    let mut grain = || {
        let bits = rng.next_u64();
        let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
        (sum as f32 - 131_072.0) * scale
    };
    let value = |&byte: &u8| rounded(f32::from(byte) * factor + grain());
    let rgb = frame.rgb().iter().map(value).collect();
    Frame::new(frame.width(), frame.height(), rgb).expect("the same size")
}

fn rounded(value: f32) -> u8 {
    (value + 0.5) as u8
}

/// Defocus: a Gaussian blur with a standard deviation of `sigma` pixels.
pub fn defocus(frame: &Frame, sigma: f32) -> Frame {
    let reach = (3.0 * sigma).ceil() as i32;
    let weight = |at: i32| (-(at as f32 / sigma).powi(2) / 2.0).exp();
    let taps: Vec<_> = (-reach..=reach).map(|at| (at, weight(at))).collect();
    convolve(&convolve(frame, &taps, [1, 0]), &taps, [0, 1])
}

/// Motion blur along a horizontal path of `length` pixels.
pub fn smear(frame: &Frame, length: usize) -> Frame {
    let half = length as i32 / 2;
    let taps: Vec<_> = (-half..length as i32 - half).map(|at| (at, 1.0)).collect();
    convolve(frame, &taps, [1, 0])
}

fn convolve(frame: &Frame, taps: &[(i32, f32)], step: [i32; 2]) -> Frame {
    let (width, height) = (frame.width() as i32, frame.height() as i32);
    let all: f32 = taps.iter().map(|(_, weight)| weight).sum();
    let mut rgb = Vec::with_capacity(frame.rgb().len());
    for y in 0..height {
        for x in 0..width {
            let mut sums = [0.0; CHANNELS];
            for (at, weight) in taps {
                let (x, y) = (x + at * step[0], y + at * step[1]);
                let place = y.clamp(0, height - 1) * width + x.clamp(0, width - 1);
                let pixel = &frame.rgb()[place as usize * CHANNELS..][..CHANNELS];
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += weight * f32::from(value);
                }
            }
            rgb.extend(sums.map(|sum| rounded(sum / all)));
        }
    }
    Frame::new(frame.width(), frame.height(), rgb).expect("the same size")
}

/// Another part in the same view: replaces the central third of width and height with another image.
pub fn other_part(frame: &Frame, other: &Frame) -> Frame {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let mut rgb = frame.rgb().to_vec();
    let (left, right) = (width / 3, (2 * width / 3).min(other.width() as usize));
    for y in height / 3..(2 * height / 3).min(other.height() as usize) {
        let from = (y * other.width() as usize + left) * CHANNELS;
        let to = (y * width + left) * CHANNELS;
        let bytes = (right - left) * CHANNELS;
        rgb[to..to + bytes].copy_from_slice(&other.rgb()[from..from + bytes]);
    }
    Frame::new(frame.width(), frame.height(), rgb).expect("the same size")
}
