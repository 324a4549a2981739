//! Generated pictures with what is known about them, on the grid of a teacher's features.

use inspectd::frame::Frame;
use inspectd::simulator::clutter::{Clutter, MATERIALS, clutter_labelled};
use rayon::prelude::*;
use tch::{Device, Tensor};

/// Pixels of a picture for each of the grid's cells.
const CELL: usize = 4;

/// Numbers that a cell is described by, beside its material: edge, orientation as the cosine and sine
/// of twice the angle, logarithm of the wavelength, the albedo's three channels, the light, and the
/// logarithms of the steps in brightness along and across, within the cell and around it.
pub const MEASURES: usize = 12;

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
    let known: [&dyn Fn(usize) -> f32; 8] = [
        &|pixel| f32::from(u8::from(clutter.edge[pixel])),
        &|pixel| (2.0 * clutter.orientation[pixel]).cos(),
        &|pixel| (2.0 * clutter.orientation[pixel]).sin(),
        // One octave of wavelength is one unit; without texture the wavelength is 0.
        &|pixel| (clutter.scale[pixel].max(0.004) / 0.004).log2() / 4.0,
        // Weighted up: which colours belong together is what a logical branch has to learn.
        &|pixel| clutter.albedo[pixel][0] * 8.0,
        &|pixel| clutter.albedo[pixel][1] * 8.0,
        &|pixel| clutter.albedo[pixel][2] * 8.0,
        &|pixel| clutter.shade[pixel],
    ];
    let brightness: Vec<f32> = clutter.frame.rgb().chunks_exact(3).map(luma).collect();
    let steps = [
        Steps {
            reach: 0,
            down: false,
        },
        Steps {
            reach: 0,
            down: true,
        },
        Steps {
            reach: 4,
            down: false,
        },
        Steps {
            reach: 4,
            down: true,
        },
    ];
    let mut measures: Vec<f32> = known
        .iter()
        .flat_map(|value| cells().map(move |cell| mean(cell, value)))
        .collect();
    for step in steps {
        measures.extend(cells().map(|cell| step.measure(&brightness, side, cell)));
    }
    Example {
        material: cells()
            .map(|cell| i64::from(clutter.material[centre(cell)]))
            .collect(),
        measures,
        frame: clutter.frame,
    }
}

fn luma(pixel: &[u8]) -> f32 {
    (0.2989 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2]))
        / 255.0
}

/// The steps in brightness from pixel to pixel in one direction, in a cell and `reach` pixels around.
///
/// Their mean square is taken as a logarithm: a faint scratch on a smooth plate is then as far from the
/// plate as an edge is from it, where the squares themselves would tell of edges alone.
#[derive(Clone, Copy)]
struct Steps {
    reach: usize,
    down: bool,
}

impl Steps {
    fn measure(self, brightness: &[f32], side: usize, (top, left): (usize, usize)) -> f32 {
        let range = |start: usize| {
            start.saturating_sub(self.reach)..(start + CELL + self.reach).min(side - 1)
        };
        let next = if self.down { side } else { 1 };
        let pixels = range(top).flat_map(|y| range(left).map(move |x| y * side + x));
        let (sum, count) = pixels.fold((0.0, 0.0), |(sum, count), pixel| {
            let step = brightness[pixel + next] - brightness[pixel];
            (sum + step * step, count + 1.0)
        });
        // From the noise of a camera (1e-5) to the edge of black and white (0.1): -2 to 2.
        (sum / count + 1e-6_f32).log10() + 3.0
    }
}

impl Example {
    /// Material `[1, grid, grid]` and measures `[1, MEASURES, grid, grid]`.
    pub fn labels(&self, device: Device) -> (Tensor, Tensor) {
        let grid = (self.material.len() as i64).isqrt();
        (
            Tensor::from_slice(&self.material)
                .reshape([1, grid, grid])
                .to_device(device),
            Tensor::from_slice(&self.measures)
                .reshape([1, MEASURES as i64, grid, grid])
                .to_device(device),
        )
    }
}
