//! Points and poses in the plane of the scene.
//!
//! The scene unit is the shorter side of the frame; x is to the right and y is down, and the square from (0, 0)
//! to (1, 1) is centred in the frame. A longer side shows more of the belt.

use super::portable_math;

/// A point or a vector in the plane: x, y.
pub(super) type Point = [f32; 2];

/// A vector in space; z points to the camera.
pub(super) type Vector = [f32; 3];

/// Linear light or reflectance: red, green, blue.
pub(super) type Colour = [f32; 3];

/// A position and a direction in the plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    at: Point,
    rotation: f32,
    sine: f32,
    cosine: f32,
}

impl Pose {
    /// Builds a pose at `at`, rotated by `rotation` radians, clockwise in the image.
    pub(super) fn new(at: Point, rotation: f32) -> Self {
        let (sine, cosine) = portable_math::sin_cos(rotation);
        Self {
            at,
            rotation,
            sine,
            cosine,
        }
    }

    /// Returns the position.
    pub(super) fn at(&self) -> Point {
        self.at
    }

    /// Returns the rotation in radians, clockwise in the image.
    pub(super) fn rotation(&self) -> f32 {
        self.rotation
    }

    /// Converts a point from the frame of this pose to the outer frame.
    pub(super) fn outward(&self, p: Point) -> Point {
        [
            self.at[0] + self.cosine * p[0] - self.sine * p[1],
            self.at[1] + self.sine * p[0] + self.cosine * p[1],
        ]
    }

    /// Converts a point from the outer frame to the frame of this pose.
    pub(super) fn inward(&self, p: Point) -> Point {
        self.rotate_inward([p[0] - self.at[0], p[1] - self.at[1]])
    }

    /// Converts a direction from the outer frame to the frame of this pose.
    pub(super) fn rotate_inward(&self, v: Point) -> Point {
        [
            self.cosine * v[0] + self.sine * v[1],
            self.cosine * v[1] - self.sine * v[0],
        ]
    }

    /// Converts a direction from the frame of this pose to the outer frame.
    pub(super) fn rotate_outward(&self, v: Point) -> Point {
        [
            self.cosine * v[0] - self.sine * v[1],
            self.sine * v[0] + self.cosine * v[1],
        ]
    }

    /// Converts the pose `inner` from the frame of this pose to the outer frame.
    pub(super) fn then(&self, inner: &Self) -> Self {
        Self {
            at: self.outward(inner.at),
            rotation: self.rotation + inner.rotation,
            sine: self.sine * inner.cosine + self.cosine * inner.sine,
            cosine: self.cosine * inner.cosine - self.sine * inner.sine,
        }
    }

    /// Returns the pose moved by `by` in the outer frame.
    pub(super) fn moved(&self, by: Point) -> Self {
        Self {
            at: [self.at[0] + by[0], self.at[1] + by[1]],
            ..*self
        }
    }

    /// Returns half the sides of the axis-aligned bounding box of a rotated box with half sides `half`.
    pub(super) fn reach(&self, half: Point) -> Point {
        let (s, c) = (self.sine.abs(), self.cosine.abs());
        [c * half[0] + s * half[1], s * half[0] + c * half[1]]
    }
}

/// Mapping between the pixels of a frame and scene points.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Width in pixels.
    pub(super) width: usize,
    /// Height in pixels.
    pub(super) height: usize,
    /// Side of a pixel in scene units.
    pub(super) pixel: f32,
}

impl View {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixel: 1.0 / width.min(height) as f32,
        }
    }

    /// Returns the scene point at the centre of a pixel.
    pub(super) fn centre(&self, column: usize, row: usize) -> Point {
        [
            (column as f32 + 0.5 - self.width as f32 * 0.5) * self.pixel + 0.5,
            (row as f32 + 0.5 - self.height as f32 * 0.5) * self.pixel + 0.5,
        ]
    }

    /// Returns the columns and rows that can show the axis-aligned box around `middle` with half sides `half`.
    pub(super) fn window(
        &self,
        middle: Point,
        half: Point,
    ) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let span = |m: f32, h: f32, side: usize| {
            let edge = |x: f32| (x - 0.5) / self.pixel + side as f32 * 0.5;
            let low = edge(m - h).max(0.0) as usize;
            let high = (edge(m + h) + 1.0).clamp(0.0, side as f32) as usize;
            low.min(high)..high
        };
        (
            span(middle[0], half[0], self.width),
            span(middle[1], half[1], self.height),
        )
    }
}

pub(super) fn length(v: Point) -> f32 {
    (v[0] * v[0] + v[1] * v[1]).sqrt()
}

pub(super) fn dot(a: Vector, b: Vector) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn unit(v: Vector) -> Vector {
    let scale = 1.0 / dot(v, v).sqrt().max(1e-9);
    [v[0] * scale, v[1] * scale, v[2] * scale]
}

/// Interpolates between the colours `a` (`t` = 0) and `b` (`t` = 1).
pub(super) fn mix(a: Colour, b: Colour, t: f32) -> Colour {
    [
        a[0] + (b[0] - a[0]) * t,
        a[1] + (b[1] - a[1]) * t,
        a[2] + (b[2] - a[2]) * t,
    ]
}

/// Multiplies a colour by a factor.
pub(super) fn scale(colour: Colour, factor: f32) -> Colour {
    [colour[0] * factor, colour[1] * factor, colour[2] * factor]
}
