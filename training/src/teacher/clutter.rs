//! Generated pictures with what is known about them, on the grid of a teacher's features.

use inspectd::frame::Frame;
use inspectd::simulator::clutter::{Clutter, MATERIALS, clutter_labelled};
use rayon::prelude::*;
use tch::{Device, Tensor};

/// Pixels of a picture for each of the grid's cells.
const CELL: usize = 4;

/// Numbers that a cell is described by, beside its material: edge, orientation as the cosine and sine
/// of twice the angle, logarithm of the wavelength, the albedo's three channels, the light.
pub const MEASURES: usize = 8;

/// One generated picture.
#[derive(Debug)]
pub struct Example {
    /// The picture, `side` x `side`.
    pub frame: Frame,
    /// Material of each cell, `[side/4 * side/4]`, 0 to [`MATERIALS`] - 1.
    pub material: Vec<i64>,
    /// `[MEASURES, side/4, side/4]`.
    pub measures: Vec<f32>,
}

/// `count` pictures of `side` pixels, on all cores; `done` is called after each.
pub fn generate(seed: u64, count: u64, side: u32, done: impl Fn() + Sync) -> Vec<Example> {
    let make = |index| {
        let example = describe(clutter_labelled(seed, index, side, side), side as usize);
        done();
        example
    };
    (0..count).into_par_iter().map(make).collect()
}

/// Classes that `Example::material` has.
pub fn materials() -> i64 {
    MATERIALS as i64
}

fn describe(clutter: Clutter, side: usize) -> Example {
    let grid = side / CELL;
    let cells = || (0..grid * grid).map(|cell| (cell / grid * CELL, cell % grid * CELL));
    let centre = |(top, left): (usize, usize)| (top + CELL / 2) * side + left + CELL / 2;
    let mean = |(top, left): (usize, usize), value: &dyn Fn(usize) -> f32| {
        let pixels = (0..CELL * CELL).map(|i| value((top + i / CELL) * side + left + i % CELL));
        pixels.sum::<f32>() / (CELL * CELL) as f32
    };
    let planes: [&dyn Fn(usize) -> f32; MEASURES] = [
        &|pixel| f32::from(u8::from(clutter.edge[pixel])),
        &|pixel| (2.0 * clutter.orientation[pixel]).cos(),
        &|pixel| (2.0 * clutter.orientation[pixel]).sin(),
        // One octave of wavelength is one unit; without texture the wavelength is 0.
        &|pixel| (clutter.scale[pixel].max(0.004) / 0.004).log2() / 4.0,
        &|pixel| clutter.albedo[pixel][0] * 4.0,
        &|pixel| clutter.albedo[pixel][1] * 4.0,
        &|pixel| clutter.albedo[pixel][2] * 4.0,
        &|pixel| clutter.shade[pixel],
    ];
    Example {
        material: cells().map(|cell| i64::from(clutter.material[centre(cell)])).collect(),
        measures: planes.iter().flat_map(|plane| cells().map(move |cell| mean(cell, plane))).collect(),
        frame: clutter.frame,
    }
}

impl Example {
    /// Material `[1, grid, grid]` and measures `[1, MEASURES, grid, grid]`.
    pub fn labels(&self, device: Device) -> (Tensor, Tensor) {
        let grid = (self.material.len() as i64).isqrt();
        (
            Tensor::from_slice(&self.material).reshape([1, grid, grid]).to_device(device),
            Tensor::from_slice(&self.measures).reshape([1, MEASURES as i64, grid, grid]).to_device(device),
        )
    }
}
