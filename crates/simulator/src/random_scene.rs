//! Random colours, materials, outlines and solids for a clutter image.

use std::f32::consts::{PI, TAU};

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::geometry::{Colour, Pose, mix};
use super::material::{Finish, Material};
use super::shape::Shape;
use super::solid::Solid;
use super::texture::Texture;

/// The random numbers and the palette of one image.
pub(super) struct RandomScene<'a> {
    pub(super) rng: &'a mut ChaCha8Rng,
    pub(super) palette: Vec<Colour>,
}

/// Returns a random colour of any hue; unsaturated colours, which are typical for real objects, are more likely.
pub(super) fn colour(rng: &mut ChaCha8Rng) -> Colour {
    let light = rng.random_range(0.0..1.0_f32);
    let light = 0.01 + 0.85 * light * light; // perceptually uniform
    let pure = [0; 3].map(|_| rng.random_range(0.0..1.0_f32));
    let vivid = rng.random_range(0.0..1.0_f32);
    mix(
        [light; 3],
        pure.map(|c| c * c * (0.3 + light)),
        vivid * vivid,
    )
}

impl RandomScene<'_> {
    pub(super) fn within(&mut self, low: f32, high: f32) -> f32 {
        self.rng.random_range(low..high)
    }

    /// Returns a number between `low` and `high`; each octave is about equally likely.
    pub(super) fn octaves(&mut self, low: f32, high: f32) -> f32 {
        let t = self.within(0.0, 1.0);
        low + (high - low) * t * t * t
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.rng.random_range(0..choices.len() as u32) as usize]
    }

    pub(super) fn colour(&mut self) -> Colour {
        let place = self.rng.random_range(0..self.palette.len() as u32);
        self.palette[place as usize].map(|c| c * self.rng.random_range(0.85..1.15_f32))
    }

    pub(super) fn material(&mut self) -> Material {
        let texture = self.one_of(&Texture::ALL);
        let tint = self.colour();
        let second = if self.rng.random_bool(0.5) {
            self.colour()
        } else {
            let change = self.one_of(&[0.4, 0.7, 0.85, 1.2, 1.5, 2.2]);
            tint.map(|c| (c * change).min(0.95))
        };
        let wavelength = match texture {
            Texture::Brushed | Texture::Rough => self.octaves(0.006, 0.05),
            Texture::Print => self.octaves(0.03, 0.15),
            _ => self.octaves(0.012, 0.25),
        };
        let finishes = [
            Finish::MATTE,
            Finish::SATIN,
            Finish::GLOSSY,
            Finish::METAL,
            Finish::BRUSHED,
        ];
        Material {
            texture,
            tint,
            second,
            wavelength,
            angle: self.within(0.0, TAU),
            finish: self.one_of(&finishes),
            relief: if self.rng.random_bool(0.25) {
                self.within(0.3, 1.8)
            } else {
                0.0
            },
            seed: self.rng.random(),
        }
    }

    /// Returns a random pose; half of all rotations are multiples of 90 degrees, as is typical for made objects.
    pub(super) fn pose(&mut self) -> Pose {
        let at = [self.within(-0.1, 1.1), self.within(-0.1, 1.1)];
        let rotation = if self.rng.random_bool(0.5) {
            self.one_of(&[0.0, PI * 0.5, PI, -PI * 0.5])
        } else {
            self.within(0.0, TAU)
        };
        Pose::new(at, rotation)
    }

    /// Returns a random outline with a radius of about `size`.
    pub(super) fn shape(&mut self, size: f32) -> Shape {
        let flat = self.within(0.25, 1.0);
        let half = [size, size * flat];
        match self.rng.random_range(0..10_u32) {
            0 => Shape::Disc { radius: size },
            1 => Shape::Oval { half },
            2 | 3 => Shape::Block {
                half,
                corner: size * flat * self.one_of(&[0.0, 0.1, 0.4, 1.0]),
            },
            4 => Shape::regular(self.rng.random_range(3..=8_u16), size),
            5 => self.irregular_polygon(size),
            6 => Shape::ring(size * self.within(0.3, 0.85), size),
            7 => Shape::Cap {
                radius: size,
                chord: size * self.within(-0.5, 0.5),
            },
            8 => Shape::Blob {
                radius: size,
                roughness: self.within(0.1, 0.6),
                seed: self.rng.random(),
            },
            _ => Shape::Rim {
                of: Box::new(Shape::Block {
                    half,
                    corner: size * 0.15,
                }),
                half_width: size * self.within(0.04, 0.2),
            },
        }
    }

    /// Returns a star-shaped polygon with irregular corners.
    pub(super) fn irregular_polygon(&mut self, size: f32) -> Shape {
        let corners = self.rng.random_range(5..=9_u16);
        let step = TAU / f32::from(corners);
        let points = (0..corners)
            .map(|i| {
                let rotation = step * f32::from(i);
                let radius = size * self.rng.random_range(0.35..1.0_f32);
                Pose::new([0.0; 2], rotation).outward([radius, 0.0])
            })
            .collect();
        Shape::Polygon { points }
    }

    /// Returns a solid with a random material, height, edge and opacity.
    pub(super) fn random_solid(&mut self, shape: Shape, pose: Pose, size: f32) -> Solid {
        let solid = Solid::flat(shape, pose, self.material());
        let edge = size * self.octaves(0.03, 0.9);
        let solid = match self.rng.random_range(0..6_u32) {
            0 => solid,
            1 => {
                let depth = size * self.within(0.1, 0.5);
                solid.raised(-depth).edged(edge, -0.8)
            }
            2 => solid.edged(edge, self.one_of(&[-0.8, -0.4, 0.4, 0.8])),
            _ => {
                let height = size * self.within(0.1, 0.7);
                let slope = self.within(0.3, 1.0);
                solid.raised(height.min(0.12)).edged(edge, slope)
            }
        };
        if self.rng.random_bool(0.15) {
            let opacity = self.within(0.25, 0.9);
            solid.with_opacity(opacity)
        } else {
            solid
        }
    }
}
