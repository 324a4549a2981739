//! Material of a surface: colours, texture and finish.

use super::geometry::{Colour, Point, Pose, mix};
use super::texture::Texture;

/// Reflection properties of a surface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finish {
    /// From 0 for paint and plastic, which have white highlights, to 1 for bare metal.
    pub(super) metal: f32,
    /// Peak intensity of the highlight.
    pub(super) gloss: f32,
    /// Width of the highlight along and across the grain, as slopes.
    pub(super) spread: Point,
}

impl Finish {
    pub(super) const MATTE: Self = Self::plastic(0.08, 0.6);
    pub(super) const SATIN: Self = Self::plastic(0.25, 0.3);
    pub(super) const GLOSSY: Self = Self::plastic(0.7, 0.14);
    /// Machined or cast metal.
    pub(super) const METAL: Self = Self {
        metal: 1.0,
        gloss: 0.9,
        spread: [0.3, 0.3],
    };
    /// Brushed metal scatters the light across its strokes, but hardly along them.
    pub(super) const BRUSHED: Self = Self {
        metal: 1.0,
        gloss: 1.15,
        spread: [0.22, 0.75],
    };

    const fn plastic(gloss: f32, spread: f32) -> Self {
        Self {
            metal: 0.0,
            gloss,
            spread: [spread, spread],
        }
    }
}

/// A surface's colours, texture and finish.
#[derive(Clone, Copy, Debug)]
pub(super) struct Material {
    /// Pattern between the two colours.
    pub(super) texture: Texture,
    /// Reflectance where the texture is 0.
    pub(super) tint: Colour,
    /// Reflectance where the texture is 1.
    pub(super) second: Colour,
    /// Coarsest period of the texture, in scene units.
    pub(super) wavelength: f32,
    /// Direction of the grain in the frame of the surface, in radians.
    pub(super) angle: f32,
    /// Reflection properties.
    pub(super) finish: Finish,
    /// How much the slope of the texture towards the light brightens it; 0 for a smooth surface.
    pub(super) relief: f32,
    /// Seed of the texture.
    pub(super) seed: u32,
}

impl Material {
    /// Builds a smooth material of one colour, with a variation of 3 % like moulded plastic.
    pub(super) fn smooth(tint: Colour, finish: Finish) -> Self {
        Self {
            texture: Texture::Plain,
            tint: tint.map(|c| c * 0.97),
            second: tint.map(|c| c * 1.03),
            wavelength: 0.05,
            angle: 0.0,
            finish,
            relief: 0.0,
            seed: 1,
        }
    }

    /// Builds a material with two colours around `tint`, each `contrast` away from it, in the pattern `texture`.
    pub(super) fn textured(
        texture: Texture,
        tint: Colour,
        contrast: f32,
        wavelength: f32,
        finish: Finish,
    ) -> Self {
        Self {
            texture,
            tint: tint.map(|c| c * (1.0 - contrast)),
            second: tint.map(|c| c * (1.0 + contrast)),
            wavelength,
            ..Self::smooth(tint, finish)
        }
    }

    pub(super) fn seeded(self, seed: u32) -> Self {
        Self { seed, ..self }
    }

    pub(super) fn embossed(self, relief: f32) -> Self {
        Self { relief, ..self }
    }

    /// Prepares the material for many points: `frame` is the frame of the surface, `pixel` the side of a pixel in
    /// scene units, and `to_light` the direction to the light in the plane of the scene.
    pub(super) fn grain(&self, frame: &Pose, pixel: f32, to_light: Point) -> Grain<'_> {
        let frame = frame.then(&Pose::new([0.0, 0.0], self.angle));
        let step = 0.18;
        let towards = frame.rotate_inward(to_light);
        Grain {
            material: self,
            frame,
            per_unit: 1.0 / self.wavelength,
            pixel: pixel / self.wavelength,
            step: [towards[0] * step, towards[1] * step],
        }
    }
}

/// A material on a surface, prepared for sampling.
pub(super) struct Grain<'a> {
    material: &'a Material,
    frame: Pose,
    per_unit: f32,
    pixel: f32,
    step: Point,
}

/// Appearance of a surface at one point.
pub(super) struct Look {
    /// Reflectance without shading.
    pub(super) albedo: Colour,
    /// Factor on the light from the relief of the texture.
    pub(super) emboss: f32,
}

impl Grain<'_> {
    /// Returns the appearance at a scene point.
    pub(super) fn at(&self, p: Point) -> Look {
        let own = self.frame.inward(p);
        let q = [own[0] * self.per_unit, own[1] * self.per_unit];
        let Material {
            texture,
            tint,
            second,
            relief,
            seed,
            ..
        } = *self.material;
        let level = texture.level(q, self.pixel, seed);
        let emboss = if relief > 0.0 {
            let lit = [q[0] + self.step[0], q[1] + self.step[1]];
            (1.0 + relief * (level - texture.level(lit, self.pixel, seed))).max(0.1)
        } else {
            1.0
        };
        Look {
            albedo: mix(tint, second, level),
            emboss,
        }
    }

    /// Returns the direction of the grain in the scene.
    pub(super) fn direction(&self) -> Point {
        self.frame.rotate_outward([1.0, 0.0])
    }
}
