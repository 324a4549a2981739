//! Polygons in fractions of a frame: validation, area, and intersections with rows. Pure.

use serde::Serialize;
use thiserror::Error;

/// Maximum number of corners.
pub const MAX_CORNERS: usize = 64;

/// Minimum area of a polygon, a fraction of the frame: one pixel of a frame of a megapixel. A smaller
/// polygon is a mistake and may contain no pixel centre.
pub const MIN_AREA: f64 = 1e-6;

/// A simple polygon: its sides meet only at its corners. `x` is to the right and `y` is down, both from 0
/// to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Polygon(Vec<[f64; 2]>);

/// Why corners are not a polygon. Corners are numbered from 0; a side has the number of its first corner.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{}, must be {}", .0.found(), .0.allowed())]
pub struct PolygonError(pub PolygonFault);

/// What is wrong with corners.
#[derive(Clone, Debug, PartialEq)]
pub enum PolygonFault {
    /// There are too few or too many corners.
    Corners {
        /// Number of corners.
        count: usize,
    },
    /// A corner is outside the frame.
    Outside {
        /// Number of the corner.
        corner: usize,
        /// Its position.
        at: [f64; 2],
    },
    /// A corner is equal to the previous corner.
    Repeated {
        /// Number of the corner.
        corner: usize,
    },
    /// Two sides cross or touch.
    Crossing {
        /// Number of the first side.
        one: usize,
        /// Number of the second side.
        other: usize,
    },
    /// The area is below the minimum.
    Flat {
        /// The area, a fraction of the frame.
        area: f64,
    },
}

impl PolygonFault {
    /// Describes the fault.
    pub fn found(&self) -> String {
        match self {
            Self::Corners { count } => format!("{count} corners"),
            Self::Outside { corner, at } => format!("corner {corner} at {at:?}"),
            Self::Repeated { corner } => format!("corner {corner} equal to the previous corner"),
            Self::Crossing { one, other } => {
                format!("sides from corners {one} and {other} that cross or touch")
            }
            Self::Flat { area } => format!("an area of {area:e} of the frame"),
        }
    }

    /// Describes the allowed values.
    pub fn allowed(&self) -> String {
        match self {
            Self::Corners { .. } => format!("3 to {MAX_CORNERS} corners"),
            Self::Outside { .. } => "x and y from 0 to 1".to_owned(),
            Self::Repeated { .. } => "corners that differ from the previous one".to_owned(),
            Self::Crossing { .. } => "sides that meet only at corners".to_owned(),
            Self::Flat { .. } => format!("at least {MIN_AREA:e} of the frame"),
        }
    }
}

impl Polygon {
    /// Builds a polygon from corners in either direction.
    ///
    /// # Errors
    /// When there are fewer than 3 or more than 64 corners, a corner is outside the frame, two sides cross
    /// or touch, or the area is below [`MIN_AREA`].
    pub fn try_new(mut corners: Vec<[f64; 2]>) -> Result<Self, PolygonError> {
        if let Some(fault) = fault(&corners) {
            return Err(PolygonError(fault));
        }
        for at in corners.iter_mut().flatten() {
            *at += 0.0; // Makes -0 to 0, so that equal polygons have equal text.
        }
        Ok(Self(corners))
    }

    /// Returns the corners.
    pub fn corners(&self) -> &[[f64; 2]] {
        &self.0
    }

    /// Returns the area, a fraction of the frame.
    pub fn area(&self) -> f64 {
        area(&self.0)
    }

    /// Writes the intersections of the sides with the horizontal line at `y` to `found`, from left to right.
    /// The interior is between the first and the second, the third and the fourth, and so on.
    pub fn crossings(&self, y: f64, found: &mut Vec<f64>) {
        found.clear();
        for [from, to] in sides(&self.0) {
            // From top to bottom, so that a side gives the same intersections in both directions. Polygons
            // that share a side then neither overlap nor leave a gap.
            let ([x0, y0], [x1, y1]) = if from[1] <= to[1] {
                (from, to)
            } else {
                (to, from)
            };
            if y0 <= y && y < y1 {
                found.push(x0 + (x1 - x0) * ((y - y0) / (y1 - y0)));
            }
        }
        found.sort_by(f64::total_cmp);
    }
}

fn sides(corners: &[[f64; 2]]) -> impl Iterator<Item = [[f64; 2]; 2]> + '_ {
    let next = corners.iter().cycle().skip(1);
    corners.iter().zip(next).map(|(from, to)| [*from, *to])
}

/// The shoelace formula.
fn area(corners: &[[f64; 2]]) -> f64 {
    let twice: f64 = sides(corners)
        .map(|[[x0, y0], [x1, y1]]| x0 * y1 - x1 * y0)
        .sum();
    (twice / 2.0).abs()
}

fn fault(corners: &[[f64; 2]]) -> Option<PolygonFault> {
    let count = corners.len();
    if !(3..=MAX_CORNERS).contains(&count) {
        return Some(PolygonFault::Corners { count });
    }
    let outside = |corner: &[f64; 2]| !corner.iter().all(|at| (0.0..=1.0).contains(at));
    if let Some(corner) = corners.iter().position(outside) {
        let at = corners[corner];
        return Some(PolygonFault::Outside { corner, at });
    }
    // Exact comparison: finds a corner that was written twice.
    #[expect(clippy::float_cmp, reason = "equal corners, not close ones")]
    if let Some(side) = sides(corners).position(|[from, to]| from == to) {
        let corner = (side + 1) % count;
        return Some(PolygonFault::Repeated { corner });
    }
    if let Some((one, other)) = crossing(corners) {
        return Some(PolygonFault::Crossing { one, other });
    }
    let area = area(corners);
    (area < MIN_AREA).then_some(PolygonFault::Flat { area })
}

/// Returns the first two sides that meet elsewhere than at a shared corner.
fn crossing(corners: &[[f64; 2]]) -> Option<(usize, usize)> {
    let sides: Vec<_> = sides(corners).collect();
    let count = sides.len();
    (0..count)
        .flat_map(|one| (one + 1..count).map(move |other| (one, other)))
        .find(|&(one, other)| {
            if other == one + 1 {
                folds_back(sides[one], sides[other])
            } else if (other + 1) % count == one {
                folds_back(sides[other], sides[one])
            } else {
                meet(sides[one], sides[other])
            }
        })
}

/// Returns the side of the line from `from` to `to` on which a point is: positive, negative, or 0 on the
/// line.
fn turn([from, to]: [[f64; 2]; 2], point: [f64; 2]) -> f64 {
    (to[0] - from[0]) * (point[1] - from[1]) - (to[1] - from[1]) * (point[0] - from[0])
}

/// Returns whether `second`, which starts at the end of `first`, overlaps it.
fn folds_back(first: [[f64; 2]; 2], second: [[f64; 2]; 2]) -> bool {
    let [along, back] = [first, second].map(|[from, to]| [to[0] - from[0], to[1] - from[1]]);
    turn(first, second[1]) == 0.0 && along[0] * back[0] + along[1] * back[1] < 0.0
}

/// Returns whether two sides have a common point.
fn meet(one: [[f64; 2]; 2], other: [[f64; 2]; 2]) -> bool {
    let apart = |line, [from, to]: [[f64; 2]; 2]| turn(line, from) * turn(line, to) > 0.0;
    let boxes_apart = (0..2).any(|axis| {
        let extent = |side: [[f64; 2]; 2]| {
            let [a, b] = side.map(|corner| corner[axis]);
            (a.min(b), a.max(b))
        };
        let ((low, high), (other_low, other_high)) = (extent(one), extent(other));
        high < other_low || other_high < low
    });
    !boxes_apart && !apart(one, other) && !apart(other, one)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A polygon over the whole frame.
    pub(crate) fn whole() -> Polygon {
        rectangle(0.0, 0.0, 1.0, 1.0)
    }

    /// A rectangle.
    pub(crate) fn rectangle(left: f64, top: f64, right: f64, bottom: f64) -> Polygon {
        let corners = vec![[left, top], [right, top], [right, bottom], [left, bottom]];
        Polygon::try_new(corners).expect("a rectangle")
    }

    /// Star-shaped polygons with 3 to 12 corners, many of them concave.
    pub(crate) fn any_polygon() -> impl Strategy<Value = Polygon> {
        prop::collection::vec(0.05..0.45f64, 3..=12).prop_map(|radii| {
            let step = std::f64::consts::TAU / radii.len() as f64;
            let corner = |(at, radius): (usize, &f64)| {
                let (sin, cos) = (at as f64 * step).sin_cos();
                [0.5 + radius * cos, 0.5 + radius * sin]
            };
            let corners = radii.iter().enumerate().map(corner).collect();
            Polygon::try_new(corners).expect("a star-shaped polygon is simple")
        })
    }

    #[test]
    fn polygon_must_be_simple_and_within_the_frame() {
        let check = |corners: &[[f64; 2]], expected: Option<PolygonFault>| {
            let found = Polygon::try_new(corners.to_vec()).err();
            assert_eq!(found, expected.map(PolygonError), "{corners:?}");
        };
        let triangle = [[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]];
        check(&triangle, None);
        check(&triangle[..2], Some(PolygonFault::Corners { count: 2 }));
        check(&[[0.5; 2]; 65], Some(PolygonFault::Corners { count: 65 }));
        for at in [[1.1, 0.5], [0.5, -0.1]] {
            let corners = [triangle[0], at, triangle[2]];
            check(&corners, Some(PolygonFault::Outside { corner: 1, at }));
        }
        assert!(Polygon::try_new(vec![[f64::NAN, 0.0], [1.0, 0.0], [0.5, 1.0]]).is_err());
        check(
            &[[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.5, 1.0]],
            Some(PolygonFault::Repeated { corner: 2 }),
        );
        // A bow tie.
        check(
            &[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]],
            Some(PolygonFault::Crossing { one: 0, other: 2 }),
        );
        // A spike: the second side returns along the first one.
        check(
            &[[0.0, 0.0], [1.0, 0.0], [0.5, 0.0], [0.5, 1.0]],
            Some(PolygonFault::Crossing { one: 0, other: 1 }),
        );
        // A corner on another side.
        check(
            &[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 0.0], [0.0, 1.0]],
            Some(PolygonFault::Crossing { one: 0, other: 2 }),
        );
        check(
            &[[0.0, 0.0], [1.0, 0.0], [0.5, 1e-7]],
            Some(PolygonFault::Flat { area: 5e-8 }),
        );
    }

    #[test]
    fn concave_polygon_and_collinear_corner_are_allowed() {
        let concave = [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [0.5, 0.2], [0.5, 1.0]];
        let polygon = Polygon::try_new(concave.to_vec()).expect("a simple polygon");
        assert!((polygon.area() - 0.3).abs() < 1e-12, "{}", polygon.area());
    }

    #[test]
    fn error_names_the_allowed_number_of_corners() {
        let error = Polygon::try_new(vec![[0.0; 2]; 2]).expect_err("two corners");
        assert_eq!(error.to_string(), "2 corners, must be 3 to 64 corners");
    }

    #[test]
    fn row_crosses_an_even_number_of_sides() {
        // Two teeth that point down from the top.
        let teeth = [
            [0.0, 0.0],
            [1.0, 0.0],
            [0.75, 1.0],
            [0.5, 0.25],
            [0.25, 1.0],
        ];
        let polygon = Polygon::try_new(teeth.to_vec()).expect("a simple polygon");
        let check = |y: f64, expected: &[f64]| {
            let mut found = Vec::new();
            polygon.crossings(y, &mut found);
            let near = found
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(near && found.len() == expected.len(), "{y}: {found:?}");
        };
        check(0.0, &[0.0, 1.0]);
        check(0.5, &[0.125, 5.0 / 12.0, 7.0 / 12.0, 0.875]);
        check(1.0, &[]);
    }
}
