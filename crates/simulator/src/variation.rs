//! Differences between good parts: light, position, grain, rotations and tints.

use std::f32::consts::PI;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::assembly::CableColour;
use super::camera::Camera;
use super::geometry::{Colour, Point, Pose};
use super::light::Light;
use super::noise;

/// Rotation in radians after which clamp screws and cross recesses look the same.
const RECESS_PERIOD: f32 = std::f32::consts::FRAC_PI_2;

/// Random properties of one part, all within the tolerances of the drawing.
#[derive(Clone, Debug)]
pub(super) struct Variation {
    /// Colour of the connector and the cable.
    pub(super) cable_colour: CableColour,
    /// Pose of the plate in the scene.
    pub(super) plate: Pose,
    /// Position of the belt.
    pub(super) belt: Point,
    /// Distances of the cable's two control points from the straight line, in scene units.
    pub(super) sag: [f32; 2],
    /// Rotations of the connector's clamping screws, in radians.
    pub(super) clamp_rotations: [f32; 3],
    /// Factor on the reflectance of coloured plastic, per channel.
    tint: Colour,
    /// Seed of the grain of the metal.
    pub(super) seed: u32,
    /// The lighting.
    pub(super) light: Light,
    /// The exposure.
    pub(super) camera: Camera,
}

/// Direction of the lamp (upper left), in radians clockwise from the right.
const LAMP_ANGLE: f32 = -0.72 * PI;

impl Variation {
    pub(super) fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut around = |spread: f32| rng.random_range(-spread..=spread);
        let shift = [0.5 + around(0.010), 0.5 + around(0.009)];
        let plate = Pose::new(shift, around(0.020));
        let sag = [around(0.022) - 0.055, around(0.022) + 0.05];
        let clamp_rotations = [0; 3].map(|_| around(PI * 0.5));
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
            cable_colour: CableColour::ALL
                [rng.random_range(0..CableColour::ALL.len() as u32) as usize],
            plate,
            belt,
            sag,
            clamp_rotations,
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

    /// Returns the rotation of the screw or nut at a position on the plate, in radians. It depends only on the
    /// position, so that an additional part does not change the others.
    pub(super) fn screw_rotation(&self, at: Point) -> f32 {
        let [x, y] = at.map(|c| (c * 1_000.0) as i32);
        noise::fraction(noise::hash(x, y, self.seed)) * RECESS_PERIOD
    }

    /// Returns a plastic's colour with the tint of this part.
    pub(super) fn tinted(&self, colour: Colour) -> Colour {
        [0, 1, 2].map(|c| colour[c] * self.tint[c])
    }
}
