//! What differs from one sound part to the next: light, place, grain, turns and tints.

use std::f32::consts::PI;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::assembly::Livery;
use super::camera::Camera;
use super::geometry::{Colour, Point, Pose};
use super::light::Light;
use super::noise;
use super::part::RECESS_PERIOD;

/// The differences of one part. All of them are within what the drawing allows.
#[derive(Clone, Debug)]
pub(super) struct Variation {
    /// The connector's and the cable's colour.
    pub(super) livery: Livery,
    /// Where the plate lies in the scene.
    pub(super) plate: Pose,
    /// Where the belt has run to.
    pub(super) belt: Point,
    /// The two control points of the cable, beside its straight line, scene units.
    pub(super) sag: [f32; 2],
    /// The turns of the connector's clamping screws, radians.
    pub(super) clamp_turns: [f32; 3],
    /// The reflectance of dyed plastic, per channel.
    tint: Colour,
    /// The grain of this part's metal.
    pub(super) seed: u32,
    /// The lighting.
    pub(super) light: Light,
    /// The exposure.
    pub(super) camera: Camera,
}

/// The lamp hangs to the upper left, radians clockwise from the right.
const LAMP_ANGLE: f32 = -0.72 * PI;

impl Variation {
    pub(super) fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut around = |spread: f32| rng.random_range(-spread..=spread);
        let shift = [0.5 + around(0.010), 0.5 + around(0.009)];
        let plate = Pose::new(shift, around(0.020));
        let sag = [around(0.022) - 0.055, around(0.022) + 0.05];
        let clamp_turns = [0; 3].map(|_| around(PI * 0.5));
        let tint = [0; 3].map(|_| 1.0 + around(0.05));
        let light = Light::from(
            LAMP_ANGLE + around(0.08),
            0.95 * (1.0 + around(0.05)),
            0.36 * (1.0 + around(0.05)),
        );
        let gain = 1.0 + around(0.03);
        let exposure = [1.0, 0.99, 0.955].map(|cast: f32| cast * gain * (1.0 + around(0.008)));
        let blur = 0.0013 + around(0.0003);
        let belt = [0.5 + around(0.5), 0.5];
        Self {
            livery: Livery::ALL[rng.random_range(0..Livery::ALL.len() as u32) as usize],
            plate,
            belt,
            sag,
            clamp_turns,
            tint,
            seed: rng.random(),
            light,
            camera: Camera {
                blur,
                exposure,
                vignette: 0.16,
                read_noise: 0.006,
                shot_noise: 0.006,
                seed: rng.random(),
            },
        }
    }

    /// The turn of the screw or nut at a place on the plate, radians. It follows the place, so that a
    /// part too many does not turn the others.
    pub(super) fn screw_turn(&self, at: Point) -> f32 {
        let [x, y] = at.map(|c| (c * 1_000.0) as i32);
        noise::fraction(noise::hash(x, y, self.seed)) * RECESS_PERIOD
    }

    /// This batch's shade of a dye.
    pub(super) fn dyed(&self, colour: Colour) -> Colour {
        [0, 1, 2].map(|c| colour[c] * self.tint[c])
    }
}
