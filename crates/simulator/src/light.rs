//! Shading of a surface by one lamp and ambient light, seen by a camera above.

use super::geometry::{Colour, Point, Pose, Vector, dot, unit};
use super::material::Finish;

/// The lighting of a scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Light {
    /// Position of the lamp; x and y in the scene, z above it.
    position: Vector,
    /// Intensity of the lamp.
    key: f32,
    /// Intensity of the ambient light.
    ambient: f32,
    /// Offset of a shadow per unit of height.
    pub(super) throw: Point,
    /// Direction to the lamp in the plane of the scene, of length 1.
    pub(super) towards: Point,
}

/// Position of the camera, which looks straight down on the centre of the scene.
const EYE: Vector = [0.5, 0.5, 2.2];

/// Distance of the lamp from the centre of the scene, sideways and above.
const LAMP_ASIDE: f32 = 0.95;
const LAMP_ABOVE: f32 = 1.25;

impl Light {
    /// Builds a light with the lamp in the direction `angle` (radians, clockwise from the right) from the centre.
    pub(super) fn from(angle: f32, key: f32, ambient: f32) -> Self {
        let towards = Pose::new([0.0, 0.0], angle).outward([1.0, 0.0]);
        Self {
            position: [
                0.5 + towards[0] * LAMP_ASIDE,
                0.5 + towards[1] * LAMP_ASIDE,
                LAMP_ABOVE,
            ],
            key,
            ambient,
            throw: towards.map(|c| -c * LAMP_ASIDE / LAMP_ABOVE),
            towards,
        }
    }

    /// Returns the light that a surface reflects to the camera. `lit` is the share of the lamp's light that
    /// reaches it, and `grain` is the direction of its brushing.
    pub(super) fn shade(
        &self,
        at: Point,
        normal: Vector,
        albedo: Colour,
        finish: &Finish,
        grain: Point,
        lit: f32,
    ) -> Colour {
        let lamp = unit([
            self.position[0] - at[0],
            self.position[1] - at[1],
            self.position[2],
        ]);
        let eye = unit([EYE[0] - at[0], EYE[1] - at[1], EYE[2]]);
        let half = unit([lamp[0] + eye[0], lamp[1] + eye[1], lamp[2] + eye[2]]);
        let lambert = dot(normal, lamp).max(0.0);
        let highlight =
            finish.gloss * highlight_shape(half, normal, finish, grain) * lit * self.key;
        // Ambient light is brighter on the side of the lamp, and metal reflects it.
        let sky = 0.75 + 0.9 * (normal[0] * self.towards[0] + normal[1] * self.towards[1]);
        let metal = finish.metal;
        let body = self.ambient * (0.35 + 0.65 * sky) * (0.6 + 0.4 * lit)
            + self.key * lambert * lit * (1.0 - 0.55 * metal);
        [0, 1, 2].map(|c| {
            let mirrored = metal * albedo[c] + (1.0 - metal) * 0.35;
            albedo[c] * body + mirrored * highlight
        })
    }
}

/// Anisotropic Trowbridge-Reitz distribution, scaled to a peak of 1.
fn highlight_shape(half: Vector, normal: Vector, finish: &Finish, grain: Point) -> f32 {
    // Slopes of the half vector relative to the normal of the surface: exact for a level surface, approximate for
    // bevels.
    let up = dot(half, normal).max(1e-3);
    let (x, y) = (
        half[0] / half[2] - normal[0] / normal[2].max(0.1),
        half[1] / half[2] - normal[1] / normal[2].max(0.1),
    );
    let along = (x * grain[0] + y * grain[1]) / finish.spread[0];
    let across = (y * grain[0] - x * grain[1]) / finish.spread[1];
    let spread = 1.0 + along * along + across * across;
    up.min(1.0) / (spread * spread)
}
