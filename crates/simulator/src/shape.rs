//! Outlines as signed distance functions: negative inside, in scene units.

use super::geometry::{Point, Pose, length};
use super::noise;

/// An outline around its origin; lengths are in scene units.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A disc.
    Disc { radius: f32 },
    /// A rectangle with rounded corners.
    Block { half: Point, corner: f32 },
    /// An ellipse; the distance is approximate away from the outline.
    Oval { half: Point },
    /// A closed polygon.
    Polygon { points: Vec<Point> },
    /// Straight strokes with round ends.
    Strokes {
        segments: Vec<[Point; 2]>,
        radius: f32,
    },
    /// The part of a disc to the right of the line x = `chord`.
    Cap { radius: f32, chord: f32 },
    /// A disc with a randomly varying radius.
    Blob {
        radius: f32,
        roughness: f32,
        seed: u32,
    },
    /// A band with `half_width` on either side of another outline.
    Rim { of: Box<Shape>, half_width: f32 },
}

impl Shape {
    /// Builds a regular polygon with a corner on the positive x axis.
    pub(super) fn regular(corners: u16, radius: f32) -> Self {
        let step = std::f32::consts::TAU / f32::from(corners);
        let points = (0..corners)
            .map(|i| Pose::new([0.0, 0.0], step * f32::from(i)).outward([radius, 0.0]))
            .collect();
        Self::Polygon { points }
    }

    /// Builds a ring between two radii.
    pub(super) fn ring(inner: f32, outer: f32) -> Self {
        Self::Rim {
            of: Box::new(Self::Disc {
                radius: (inner + outer) * 0.5,
            }),
            half_width: (outer - inner) * 0.5,
        }
    }

    /// Builds a line through `points` with round ends and joints.
    pub(super) fn path(points: &[Point], radius: f32) -> Self {
        Self::Strokes {
            segments: points.windows(2).map(|pair| [pair[0], pair[1]]).collect(),
            radius,
        }
    }

    /// Returns the signed distance of `p` from the outline.
    pub(super) fn distance(&self, p: Point) -> f32 {
        match self {
            Self::Disc { radius } => length(p) - radius,
            Self::Block { half, corner } => {
                let x = p[0].abs() - half[0] + corner;
                let y = p[1].abs() - half[1] + corner;
                length([x.max(0.0), y.max(0.0)]) + x.max(y).min(0.0) - corner
            }
            Self::Oval { half } => {
                let near = length([p[0] / half[0], p[1] / half[1]]);
                let slope = length([p[0] / (half[0] * half[0]), p[1] / (half[1] * half[1])]);
                if slope > 1e-6 {
                    near * (near - 1.0) / slope
                } else {
                    -half[0].min(half[1])
                }
            }
            Self::Polygon { points } => polygon(points, p),
            Self::Strokes { segments, radius } => {
                let square = segments
                    .iter()
                    .map(|&[a, b]| square_to_segment(p, a, b))
                    .fold(f32::MAX, f32::min);
                square.sqrt() - radius
            }
            Self::Cap { radius, chord } => (length(p) - radius).max(chord - p[0]),
            Self::Blob {
                radius,
                roughness,
                seed,
            } => {
                let r = length(p).max(1e-6);
                let direction = [p[0] / r * 1.3 + 7.0, p[1] / r * 1.3 + 7.0];
                r - radius * (1.0 + roughness * noise::fractal(direction, 3, *seed))
            }
            Self::Rim { of, half_width } => of.distance(p).abs() - half_width,
        }
    }

    /// Returns half the sides of an axis-aligned bounding box that is centred on the origin.
    pub(super) fn reach(&self) -> Point {
        let furthest = |points: &mut dyn Iterator<Item = Point>| {
            points.fold([0.0_f32; 2], |reach, p| {
                [reach[0].max(p[0].abs()), reach[1].max(p[1].abs())]
            })
        };
        match self {
            Self::Disc { radius } | Self::Cap { radius, .. } => [*radius; 2],
            Self::Block { half, .. } | Self::Oval { half } => *half,
            Self::Polygon { points } => furthest(&mut points.iter().copied()),
            Self::Strokes { segments, radius } => {
                let reach = furthest(&mut segments.iter().flatten().copied());
                [reach[0] + radius, reach[1] + radius]
            }
            Self::Blob {
                radius, roughness, ..
            } => [radius * (1.0 + roughness); 2],
            Self::Rim { of, half_width } => of.reach().map(|side| side + half_width),
        }
    }
}

fn square_to_segment(p: Point, a: Point, b: Point) -> f32 {
    let (px, py) = (p[0] - a[0], p[1] - a[1]);
    let (bx, by) = (b[0] - a[0], b[1] - a[1]);
    let along = ((px * bx + py * by) / (bx * bx + by * by).max(1e-12)).clamp(0.0, 1.0);
    let (x, y) = (px - bx * along, py - by * along);
    x * x + y * y
}

/// Signed distance from a polygon: the sign follows the even-odd rule, the magnitude is the distance from the
/// nearest side.
fn polygon(points: &[Point], p: Point) -> f32 {
    let mut square = f32::MAX;
    let mut inside = false;
    let mut previous = points[points.len() - 1];
    for &corner in points {
        square = square.min(square_to_segment(p, corner, previous));
        let crosses = (corner[1] > p[1]) != (previous[1] > p[1]);
        if crosses {
            let rise = (p[1] - corner[1]) / (previous[1] - corner[1]);
            inside ^= p[0] < corner[0] + rise * (previous[0] - corner[0]);
        }
        previous = corner;
    }
    if inside {
        -square.sqrt()
    } else {
        square.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_negative_inside_and_grow_outwards() {
        let shapes = [
            Shape::Disc { radius: 0.1 },
            Shape::Block {
                half: [0.1, 0.1],
                corner: 0.02,
            },
            Shape::Oval { half: [0.1, 0.08] },
            Shape::regular(6, 0.1),
            Shape::path(&[[-0.1, 0.0], [0.1, 0.0]], 0.02),
            Shape::Blob {
                radius: 0.1,
                roughness: 0.3,
                seed: 4,
            },
        ];
        for shape in shapes {
            assert!(shape.distance([0.0, 0.0]) < 0.0, "{shape:?}");
            let (near, far) = (shape.distance([0.2, 0.0]), shape.distance([0.3, 0.0]));
            assert!(0.0 < near && near < far, "{shape:?}");
            assert!(shape.reach()[0] >= 0.09, "{shape:?}");
        }
    }

    #[test]
    fn ring_centre_is_outside_the_outline() {
        let ring = Shape::ring(0.05, 0.1);
        assert!(ring.distance([0.0, 0.0]) > 0.0);
        assert!(ring.distance([0.075, 0.0]) < 0.0);
        assert!(ring.distance([0.0, 0.12]) > 0.0);
    }
}
