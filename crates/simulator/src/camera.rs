//! From linear light to a frame: lens, exposure, sensor noise, tone curve.

use super::geometry::{Colour, View};
use super::noise;
use inspectd_core::frame::Frame;

/// Properties of the camera.
#[derive(Clone, Copy, Debug)]
pub(super) struct Camera {
    /// Blur of the lens: standard deviation in scene units.
    pub(super) blur: f32,
    /// Exposure of each channel; unequal values give a colour cast.
    pub(super) exposure: Colour,
    /// Share of the light that is lost in the corners of the square.
    pub(super) vignette: f32,
    /// Read noise, which does not depend on the light, as a share of full scale.
    pub(super) read_noise: f32,
    /// Shot noise at full scale; it grows with the root of the light.
    pub(super) shot_noise: f32,
    /// Seed of the noise.
    pub(super) seed: u32,
}

impl Camera {
    /// Converts the light at the pixels of `view` to a frame.
    pub(super) fn develop(&self, view: &View, light: Vec<Colour>) -> Frame {
        let light = blurred(view, light, self.blur / view.pixel);
        let mut rgb = Vec::with_capacity(light.len() * 3);
        for row in 0..view.height {
            for column in 0..view.width {
                let pixel = row * view.width + column;
                let kept = self.vignetting(view, column, row);
                for (channel, &amount) in light[pixel].iter().enumerate() {
                    let exposed = amount * self.exposure[channel] * kept;
                    rgb.push(self.value(exposed, (pixel * 3 + channel) as u32));
                }
            }
        }
        Frame::new(view.width as u32, view.height as u32, rgb)
            .expect("a view has an area and three bytes were pushed for each of its pixels")
    }

    /// Returns the share of light that the lens passes to a pixel.
    fn vignetting(&self, view: &View, column: usize, row: usize) -> f32 {
        let p = view.centre(column, row);
        let (x, y) = (p[0] - 0.5, p[1] - 0.5);
        1.0 - self.vignette * 2.0 * (x * x + y * y)
    }

    /// Applies the tone curve, noise and rounding. The noise is added after the root of the tone curve, where
    /// shot noise does not depend on the light.
    fn value(&self, light: f32, index: u32) -> u8 {
        let toned = tone(light);
        let deviation = self.read_noise * (1.0 - toned) + self.shot_noise;
        let noisy = toned + deviation * noise::gaussian(index, self.seed);
        (noisy * 255.0 + 0.5).clamp(0.0, 255.0) as u8
    }
}

/// Converts linear light to display values: a gamma of 2 with a soft shoulder, so that highlights saturate
/// gradually.
pub(super) fn tone(light: f32) -> f32 {
    let light = light.max(0.0);
    let shoulder = light * (1.0 + light * 0.16) / (1.0 + light * 0.28 * light.sqrt());
    shoulder.sqrt().min(1.0)
}

/// Reduces the size: averages blocks of `factor` x `factor` pixels.
pub(super) fn reduced(light: Vec<Colour>, view: &View, factor: usize) -> Vec<Colour> {
    if factor == 1 {
        return light;
    }
    let share = 1.0 / (factor * factor) as f32;
    let wide = view.width * factor;
    let mut small = vec![[0.0_f32; 3]; view.width * view.height];
    for (row, line) in light.chunks_exact(wide).enumerate() {
        let target = row / factor * view.width;
        for (column, colour) in line.iter().enumerate() {
            let sum = &mut small[target + column / factor];
            for c in 0..3 {
                sum[c] += colour[c] * share;
            }
        }
    }
    small
}

/// Blurs with a standard deviation of `deviation` pixels, along rows and then along columns.
fn blurred(view: &View, light: Vec<Colour>, deviation: f32) -> Vec<Colour> {
    let weights = kernel(deviation);
    if weights.len() == 1 {
        return light;
    }
    let (width, height) = (view.width, view.height);
    let across = pass(&light, &weights, width, |i| {
        (i / width * width, 1, i % width)
    });
    pass(&across, &weights, height, |i| (i % width, width, i / width))
}

/// Blurs along one axis. `line` returns the start and step of a pixel's line, and the pixel's index on it.
fn pass(
    light: &[Colour],
    weights: &[f32],
    side: usize,
    line: impl Fn(usize) -> (usize, usize, usize),
) -> Vec<Colour> {
    (0..light.len())
        .map(|pixel| {
            let (start, step, place) = line(pixel);
            let mut sum = light[pixel].map(|c| c * weights[0]);
            for (offset, weight) in weights.iter().enumerate().skip(1) {
                let before = light[start + place.saturating_sub(offset) * step];
                let after = light[start + (place + offset).min(side - 1) * step];
                for c in 0..3 {
                    sum[c] += (before[c] + after[c]) * weight;
                }
            }
            sum
        })
        .collect()
}

/// Returns half of a kernel with the given standard deviation, the centre first: Tukey's biweight, whose
/// support is finite (root 7 deviations).
fn kernel(deviation: f32) -> Vec<f32> {
    let reach = (deviation * 7.0_f32.sqrt()).max(1e-3);
    let mut weights: Vec<f32> = (0..=reach as u16)
        .map(|i| {
            let t = f32::from(i) / reach;
            (1.0 - t * t).max(0.0) * (1.0 - t * t).max(0.0)
        })
        .collect();
    let total = weights[0] + 2.0 * weights[1..].iter().sum::<f32>();
    for weight in &mut weights {
        *weight /= total;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_keeps_the_total_light_and_spreads_it() {
        let view = View::new(9, 9);
        let mut light = vec![[0.0; 3]; 81];
        light[40] = [1.0; 3];
        let soft = blurred(&view, light, 1.0);
        let total: f32 = soft.iter().map(|c| c[0]).sum();
        assert!((total - 1.0).abs() < 1e-4);
        assert!(soft[40][0] < 0.5 && soft[41][0] > 0.05);
    }

    #[test]
    fn tone_rises_monotonically_to_one() {
        let mut last = -1.0;
        for step in 0..300_u16 {
            let now = tone(f32::from(step) * 0.01);
            assert!(now >= last && now <= 1.0);
            last = now;
        }
    }
}
