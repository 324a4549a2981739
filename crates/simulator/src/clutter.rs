//! Clutter: images of random shapes with random materials under random light.
//!
//! A network can learn edges, textures and materials from them without photographs, because each image has
//! labels for every pixel.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::camera::{Camera, tone};
use super::canvas::{Canvas, Labels};
use super::collage;
use super::geometry::{Colour, View};
use super::light::Light;
use super::line::stream;
use super::scene::MAX_SIDE;
use super::solid::Solid;
use super::texture::Texture;
use inspectd_core::frame::Frame;

/// Number of material classes.
pub const MATERIALS: usize = Texture::ALL.len();

/// Random stream of clutter; no other code uses it.
const CLUTTER_PURPOSE: u64 = 2 << 32;

/// An image with labels for each pixel; all maps are `[height, width]`, top row first.
#[derive(Clone, Debug, PartialEq)]
pub struct Clutter {
    /// The image.
    pub frame: Frame,
    /// Material class, 0 to [`MATERIALS`] - 1.
    pub material: Vec<u8>,
    /// Direction of the grain in radians, from 0 to below pi, clockwise from the right; 0 for a material without
    /// direction.
    pub orientation: Vec<f32>,
    /// Period of the texture, as a share of the frame's shorter side.
    pub scale: Vec<f32>,
    /// Whether the outline of an object is within about 1.5 pixels.
    pub edge: Vec<bool>,
    /// Reflectance of the surface without light: red, green and blue from 0 to 1, with the tone curve of the
    /// image.
    pub albedo: Vec<[f32; 3]>,
    /// Light on the surface: linear, 0 in the deepest shadow, about 1 on a lit level surface, higher in
    /// highlights.
    pub shade: Vec<f32>,
}

/// Renders the image number `index` of the collection `seed`. Each side is clamped to 1..=[`MAX_SIDE`].
pub fn clutter(seed: u64, index: u64, width: u32, height: u32) -> Frame {
    let shot = Shot::draw(seed, index, width, height);
    let canvas = shot.painted(false);
    shot.camera.develop(&shot.view, canvas.light)
}

/// As [`clutter`], with labels.
pub fn clutter_labelled(seed: u64, index: u64, width: u32, height: u32) -> Clutter {
    let shot = Shot::draw(seed, index, width, height);
    let canvas = shot.painted(true);
    let labels = canvas.labels.unwrap_or_default();
    let of = |place: &u16| &shot.solids[usize::from(*place)];
    Clutter {
        material: labels
            .solid
            .iter()
            .map(|place| of(place).material.texture as u8)
            .collect(),
        orientation: labels.solid.iter().map(|p| orientation(of(p))).collect(),
        scale: labels
            .solid
            .iter()
            .map(|place| of(place).material.wavelength)
            .collect(),
        edge: edges(&shot.view, &labels.solid),
        shade: shades(&canvas.light, &labels),
        albedo: labels.albedo.iter().map(|c| c.map(tone)).collect(),
        frame: shot.camera.develop(&shot.view, canvas.light),
    }
}

/// Everything that defines one image.
struct Shot {
    view: View,
    solids: Vec<Solid>,
    light: Light,
    camera: Camera,
}

impl Shot {
    fn draw(seed: u64, index: u64, width: u32, height: u32) -> Self {
        let side = |pixels: u32| pixels.clamp(1, MAX_SIDE) as usize;
        let rng = &mut stream(seed, index, CLUTTER_PURPOSE);
        let solids = collage::solids(rng);
        let light = Light::from(
            rng.random_range(0.0..TAU),
            rng.random_range(0.5..1.3),
            rng.random_range(0.15..0.7),
        );
        Self {
            view: View::new(side(width), side(height)),
            solids,
            light,
            camera: camera(rng),
        }
    }

    fn painted(&self, labelled: bool) -> Canvas {
        let mut canvas = Canvas::new(self.view, labelled);
        canvas.paint(&self.solids, &self.light);
        canvas
    }
}

/// Returns a random camera: most are sharp with little noise; some are out of focus or noisy.
fn camera(rng: &mut ChaCha8Rng) -> Camera {
    let soft = if rng.random_bool(0.2) { 0.008 } else { 0.002 };
    let coarse = if rng.random_bool(0.25) { 0.05 } else { 0.01 };
    let gain = rng.random_range(0.7..1.4_f32);
    Camera {
        blur: rng.random_range(0.0..soft),
        exposure: [0; 3].map(|_| gain * rng.random_range(0.88..1.12_f32)),
        vignette: rng.random_range(0.0..0.5),
        read_noise: rng.random_range(0.0..coarse),
        shot_noise: rng.random_range(0.0..coarse),
        seed: rng.random(),
    }
}

fn orientation(solid: &Solid) -> f32 {
    let rotation = solid.ground.rotation() + solid.material.angle;
    if solid.material.texture.is_oriented() {
        // The remainder can be rounded up to the period.
        rotation.rem_euclid(std::f32::consts::PI) % std::f32::consts::PI
    } else {
        0.0
    }
}

/// Returns the pixels with an 8-connected neighbour that shows another solid.
fn edges(view: &View, solid: &[u16]) -> Vec<bool> {
    let (width, height) = (view.width, view.height);
    let near = |place: usize, side: usize| place.saturating_sub(1)..(place + 2).min(side);
    let mut edge = Vec::with_capacity(solid.len());
    for row in 0..height {
        for column in 0..width {
            let own = solid[row * width + column];
            edge.push(
                near(row, height).any(|r| near(column, width).any(|c| solid[r * width + c] != own)),
            );
        }
    }
    edge
}

/// Returns the ratio of light to reflectance, each summed over the channels.
fn shades(light: &[Colour], labels: &Labels) -> Vec<f32> {
    light
        .iter()
        .zip(&labels.albedo)
        .map(|(out, albedo)| out.iter().sum::<f32>() / albedo.iter().sum::<f32>().max(0.03))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seed_and_index_give_equal_images_and_others_differ() {
        assert_eq!(clutter(1, 2, 48, 40), clutter(1, 2, 48, 40));
        assert_ne!(clutter(1, 2, 48, 40), clutter(1, 3, 48, 40));
        assert_ne!(clutter(1, 2, 48, 40), clutter(2, 2, 48, 40));
    }

    #[test]
    fn labels_cover_the_image_and_do_not_change_it() {
        for index in 0..12 {
            let all = clutter_labelled(3, index, 64, 48);
            assert_eq!(all.frame, clutter(3, index, 64, 48));
            assert_eq!(all.material.len(), 64 * 48);
            assert!(all.material.iter().all(|&m| usize::from(m) < MATERIALS));
            assert!(
                all.orientation
                    .iter()
                    .all(|o| (0.0..std::f32::consts::PI).contains(o))
            );
            assert!(all.scale.iter().all(|s| (0.0..1.0).contains(s)));
            assert!(all.shade.iter().all(|s| s.is_finite() && *s >= 0.0));
            let colours = all.albedo.iter().flatten();
            assert!(colours.into_iter().all(|c| (0.0..=1.0).contains(c)));
            let edges = all.edge.iter().filter(|&&edge| edge).count();
            assert!(edges > 50 && edges < 64 * 48, "{edges}");
        }
    }

    #[test]
    fn collection_contains_every_material() {
        let mut seen = [false; MATERIALS];
        for index in 0..40 {
            for material in clutter_labelled(4, index, 32, 32).material {
                seen[usize::from(material)] = true;
            }
        }
        assert_eq!(seen, [true; MATERIALS]);
    }
}
