//! Builds the solids of one part in the frame of the part.

use super::geometry::{Colour, Point, Pose};
use super::lettering;
use super::material::{Finish, Material};
use super::shape::Shape;
use super::solid::Solid;

/// Reflectance of black moulded plastic.
pub(super) const BLACK_PLASTIC: Colour = [0.022, 0.023, 0.026];

/// Collects the solids of one part.
pub(super) struct PartBuilder {
    pub(super) pose: Pose,
    pub(super) solids: Vec<Solid>,
}

impl PartBuilder {
    pub(super) fn new(pose: Pose) -> Self {
        let solids = Vec::new();
        Self { pose, solids }
    }

    /// Returns a flat solid at `at` in the frame of the part, rotated by `rotation`, with its texture aligned to
    /// the part.
    pub(super) fn piece(
        &self,
        shape: Shape,
        at: Point,
        rotation: f32,
        material: Material,
    ) -> Solid {
        Solid::flat(shape, self.pose.then(&Pose::new(at, rotation)), material).on(self.pose)
    }

    pub(super) fn add(&mut self, solid: Solid) {
        self.solids.push(solid);
    }

    pub(super) fn write(&mut self, text: &str, at: Point, rotation: f32, height: f32, ink: Colour) {
        if let Some(shape) = lettering::text(text, height, height * 0.17) {
            let ink = Material::smooth(ink, Finish::SATIN);
            self.add(self.piece(shape, at, rotation, ink).with_opacity(0.92));
        }
    }
}

pub(super) fn disc(radius: f32) -> Shape {
    Shape::Disc { radius }
}

pub(super) fn block(x: f32, y: f32, corner: f32) -> Shape {
    Shape::Block {
        half: [x, y],
        corner,
    }
}
