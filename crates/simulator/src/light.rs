//! One lamp, the room's reflection and a camera above: how bright a surface looks.

use super::geometry::{Colour, Point, Pose, Vector, dot, unit};
use super::material::Finish;

/// The lighting of a scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Light {
    /// Where the lamp is; x and y in the scene, z above it.
    position: Vector,
    /// The lamp's light.
    key: f32,
    /// Light from everywhere else.
    ambient: f32,
    /// How far a shadow reaches for each unit of height.
    pub(super) throw: Point,
    /// The direction to the lamp in the scene's plane, of length 1.
    pub(super) towards: Point,
}

/// The camera looks straight down from above the scene's middle.
const EYE: Vector = [0.5, 0.5, 2.2];

/// How far from the scene's middle the lamp hangs, sideways and above.
const LAMP_ASIDE: f32 = 0.95;
const LAMP_ABOVE: f32 = 1.25;

impl Light {
    /// A lamp in the direction `angle` (radians, clockwise from the right) as seen from the middle.
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

    /// The light a surface sends to the camera. `lit` is the share of the lamp that reaches it,
    /// `grain` the direction of its brushing.
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
        let highlight = finish.gloss * lobe(half, normal, finish, grain) * lit * self.key;
        // The room is brighter towards the lamp's side, and metal mirrors it.
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

/// The anisotropic form of Trowbridge and Reitz's distribution, scaled to a peak of 1.
fn lobe(half: Vector, normal: Vector, finish: &Finish, grain: Point) -> f32 {
    // Slopes of the half vector relative to the surface's normal, which is exact for a level
    // surface and close for bevels.
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
