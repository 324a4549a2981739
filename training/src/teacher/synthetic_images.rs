//! Synthetic training images with labels on the grid of the teacher's features.

use inspectd_core::frame::Frame;
use inspectd_simulator::clutter::{Clutter, MATERIALS, clutter_labelled};
use rayon::prelude::*;
use tch::{Device, Tensor};

use crate::torch::copy_to;

/// Side of a grid cell, pixels.
const CELL: usize = 4;

/// Number of regression targets of a cell, in addition to its material class: edge, orientation as the
/// cosine and sine of twice the angle, logarithm of the wavelength, the three channels of the albedo, the
/// illumination, and the logarithms of the brightness gradients (horizontal and vertical, within the cell
/// and with a border around it).
pub const PROPERTIES: usize = 12;

/// A synthetic image with labels.
#[derive(Debug)]
pub struct LabelledImage {
    /// Image of `side` x `side` pixels.
    pub frame: Frame,
    /// Material class of each cell, `[side/4 * side/4]`, 0 to [`MATERIALS`] - 1.
    pub material: Vec<i64>,
    /// Regression targets, `[PROPERTIES, side/4, side/4]`.
    pub properties: Vec<f32>,
}

/// Generates `count` images of `side` pixels on all cores. Calls `done` after each image.
pub fn generate(seed: u64, count: u64, side: u32, done: impl Fn() + Sync) -> Vec<LabelledImage> {
    let make = |index| {
        let image = label(clutter_labelled(seed, index, side, side), side as usize);
        done();
        image
    };
    (0..count).into_par_iter().map(make).collect()
}

/// Number of classes in [`LabelledImage::material`].
pub fn material_classes() -> i64 {
    MATERIALS as i64
}

fn label(clutter: Clutter, side: usize) -> LabelledImage {
    let grid = side / CELL;
    let cells = || (0..grid * grid).map(|cell| (cell / grid * CELL, cell % grid * CELL));
    let centre = |(top, left): (usize, usize)| (top + CELL / 2) * side + left + CELL / 2;
    let mean = |(top, left): (usize, usize), value: &dyn Fn(usize) -> f32| {
        let pixels = (0..CELL * CELL).map(|i| value((top + i / CELL) * side + left + i % CELL));
        pixels.sum::<f32>() / (CELL * CELL) as f32
    };
    let per_pixel: [&dyn Fn(usize) -> f32; 8] = [
        &|pixel| f32::from(u8::from(clutter.edge[pixel])),
        &|pixel| (2.0 * clutter.orientation[pixel]).cos(),
        &|pixel| (2.0 * clutter.orientation[pixel]).sin(),
        // log2 of the wavelength over 0.004, divided by 4. Without texture the wavelength is 0.
        &|pixel| (clutter.scale[pixel].max(0.004) / 0.004).log2() / 4.0,
        // Weighted by 8, because the logical branch has to learn which colours occur together.
        &|pixel| clutter.albedo[pixel][0] * 8.0,
        &|pixel| clutter.albedo[pixel][1] * 8.0,
        &|pixel| clutter.albedo[pixel][2] * 8.0,
        &|pixel| clutter.shade[pixel],
    ];
    let brightness: Vec<f32> = clutter.frame.rgb().chunks_exact(3).map(luma).collect();
    let gradients = [
        BrightnessGradient {
            border: 0,
            vertical: false,
        },
        BrightnessGradient {
            border: 0,
            vertical: true,
        },
        BrightnessGradient {
            border: 4,
            vertical: false,
        },
        BrightnessGradient {
            border: 4,
            vertical: true,
        },
    ];
    let mut properties: Vec<f32> = per_pixel
        .iter()
        .flat_map(|value| cells().map(move |cell| mean(cell, value)))
        .collect();
    for gradient in gradients {
        properties.extend(cells().map(|cell| gradient.measure(&brightness, side, cell)));
    }
    LabelledImage {
        material: cells()
            .map(|cell| i64::from(clutter.material[centre(cell)]))
            .collect(),
        properties,
        frame: clutter.frame,
    }
}

fn luma(pixel: &[u8]) -> f32 {
    (0.2989 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2]))
        / 255.0
}

/// Logarithm of the mean squared brightness difference between adjacent pixels in one direction, over a
/// cell and `border` pixels around it.
///
/// The logarithm separates a faint scratch from a smooth plate as well as it separates an edge from the
/// scratch. The squares themselves are dominated by edges.
#[derive(Clone, Copy)]
struct BrightnessGradient {
    border: usize,
    vertical: bool,
}

impl BrightnessGradient {
    fn measure(self, brightness: &[f32], side: usize, (top, left): (usize, usize)) -> f32 {
        let range = |start: usize| {
            start.saturating_sub(self.border)..(start + CELL + self.border).min(side - 1)
        };
        let next = if self.vertical { side } else { 1 };
        let pixels = range(top).flat_map(|y| range(left).map(move |x| y * side + x));
        let (sum, count) = pixels.fold((0.0, 0.0), |(sum, count), pixel| {
            let difference = brightness[pixel + next] - brightness[pixel];
            (sum + difference * difference, count + 1.0)
        });
        // Range -2 to 2: from camera noise (1e-5) to an edge between black and white (0.1).
        (sum / count + 1e-6_f32).log10() + 3.0
    }
}

impl LabelledImage {
    /// Returns the labels as tensors: material `[1, grid, grid]` and properties `[1, PROPERTIES, grid, grid]`.
    pub fn labels(&self, device: Device) -> (Tensor, Tensor) {
        let grid = (self.material.len() as i64).isqrt();
        let material = Tensor::from_slice(&self.material).reshape([1, grid, grid]);
        let properties =
            Tensor::from_slice(&self.properties).reshape([1, PROPERTIES as i64, grid, grid]);
        (copy_to(&material, device), copy_to(&properties, device))
    }
}
