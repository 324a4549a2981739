//! A solid of the scene: an outline with a height, an edge and a material.

use super::geometry::{Point, Pose};
use super::material::Material;
use super::shape::Shape;

/// The bevel of a surface at its outline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    /// Width from the outline inwards, in scene units.
    pub(super) width: f32,
    /// Steepest slope; negative for a hollow.
    pub(super) slope: f32,
}

/// A solid of the scene. Solids are painted on top of each other, the lowest first.
#[derive(Clone, Debug)]
pub(super) struct Solid {
    /// Outline in the frame of the solid.
    pub(super) shape: Shape,
    /// Pose of the outline in the scene.
    pub(super) pose: Pose,
    /// Frame of the texture; a dent in the plate continues the texture of the plate.
    pub(super) ground: Pose,
    /// Material.
    pub(super) material: Material,
    /// Height above the surface below, in scene units; negative for a hollow.
    pub(super) height: f32,
    /// Bevel; a width of 0 means no bevel.
    pub(super) edge: Edge,
    /// Opacity, from 0 (invisible) to 1 (hides what is below).
    pub(super) opacity: f32,
}

impl Solid {
    /// Builds a flat, opaque solid at `pose` without height and bevel.
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

    pub(super) fn with_opacity(self, opacity: f32) -> Self {
        Self { opacity, ..self }
    }

    pub(super) fn on(self, ground: Pose) -> Self {
        Self { ground, ..self }
    }

    /// Returns the signed distance of a scene point from the outline.
    pub(super) fn distance(&self, p: Point) -> f32 {
        self.shape.distance(self.pose.inward(p))
    }

    /// Returns the slope of the surface at a scene point `depth` inside the outline, downhill in x and y.
    pub(super) fn slope(&self, p: Point, depth: f32) -> Point {
        // Small compared with any edge, large compared with the rounding error of a distance.
        const STEP: f32 = 6e-4;
        let Edge { width, slope } = self.edge;
        if width <= 0.0 || depth >= width {
            return [0.0, 0.0];
        }
        // A quarter circle: level at the inner end of the bevel, steepest at the outline.
        let up = 1.0 - depth.max(0.0) / width;
        let steep = slope * up / (1.15 - up * up).sqrt();
        let here = -depth;
        let x = (self.distance([p[0] + STEP, p[1]]) - here) / STEP;
        let y = (self.distance([p[0], p[1] + STEP]) - here) / STEP;
        [x * steep, y * steep]
    }
}
