//! A piece of the scene: an outline with a height, an edge and a material.

use super::geometry::{Point, Pose};
use super::material::Material;
use super::shape::Shape;

/// How a surface bends down at its outline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    /// How far in from the outline it bends, in scene units.
    pub(super) width: f32,
    /// The steepest slope; negative for a hollow.
    pub(super) slope: f32,
}

/// A piece of the scene. Solids are painted one over the other, the lowest first.
#[derive(Clone, Debug)]
pub(super) struct Solid {
    /// The outline in its own frame.
    pub(super) shape: Shape,
    /// Where the outline is in the scene.
    pub(super) pose: Pose,
    /// The frame in which the texture lies; a dent in a plate continues the plate's.
    pub(super) ground: Pose,
    /// What it is made of.
    pub(super) material: Material,
    /// How far it stands out, or reaches down where negative, in scene units.
    pub(super) height: f32,
    /// Its edge; a width of 0 is none.
    pub(super) edge: Edge,
    /// From 0, unseen, to 1, hiding what is beneath.
    pub(super) opacity: f32,
}

impl Solid {
    /// A flat mark at `pose`: no height, no edge, opaque.
    pub(super) fn flat(shape: Shape, pose: Pose, material: Material) -> Self {
        Self {
            shape,
            pose,
            ground: pose,
            material,
            height: 0.0,
            edge: Edge {
                width: 0.0,
                slope: 0.0,
            },
            opacity: 1.0,
        }
    }

    pub(super) fn raised(self, height: f32) -> Self {
        Self { height, ..self }
    }

    pub(super) fn edged(self, width: f32, slope: f32) -> Self {
        Self {
            edge: Edge { width, slope },
            ..self
        }
    }

    pub(super) fn faint(self, opacity: f32) -> Self {
        Self { opacity, ..self }
    }

    pub(super) fn on(self, ground: Pose) -> Self {
        Self { ground, ..self }
    }

    /// The distance of a scene point from the outline.
    pub(super) fn distance(&self, p: Point) -> f32 {
        self.shape.distance(self.pose.inward(p))
    }

    /// The slope of the surface at a scene point `depth` inside the outline, downhill in x and y.
    pub(super) fn slope(&self, p: Point, depth: f32) -> Point {
        // Small against any edge, large against the rounding of a distance.
        const STEP: f32 = 6e-4;
        let Edge { width, slope } = self.edge;
        if width <= 0.0 || depth >= width {
            return [0.0, 0.0];
        }
        // A quarter circle: level at the inner end of the edge, steepest at the outline.
        let up = 1.0 - depth.max(0.0) / width;
        let steep = slope * up / (1.15 - up * up).sqrt();
        let here = -depth;
        let x = (self.distance([p[0] + STEP, p[1]]) - here) / STEP;
        let y = (self.distance([p[0], p[1] + STEP]) - here) / STEP;
        [x * steep, y * steep]
    }
}
