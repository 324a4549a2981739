//! The region of a scene in which a defect can be seen.

use super::geometry::{Pose, View};
use super::shape::Shape;

/// A union of outlines.
#[derive(Clone, Debug, Default)]
pub(super) struct Region {
    outlines: Vec<(Shape, Pose)>,
}

impl Region {
    pub(super) fn of(outline: (Shape, Pose)) -> Self {
        Self {
            outlines: vec![outline],
        }
    }

    pub(super) fn add(&mut self, outline: (Shape, Pose)) {
        self.outlines.push(outline);
    }

    /// Converts the region from `frame` to the outer frame.
    pub(super) fn placed(mut self, frame: &Pose) -> Self {
        for (_, pose) in &mut self.outlines {
            *pose = frame.then(pose);
        }
        self
    }

    /// Returns the pixels whose centres are inside or at most `margin` away, `[height, width]`.
    pub(super) fn pixels(&self, view: &View, margin: f32) -> Vec<bool> {
        let mut pixels = vec![false; view.width * view.height];
        for (shape, pose) in &self.outlines {
            let half = pose.reach(shape.reach()).map(|h| h + margin);
            let (columns, rows) = view.window(pose.at(), half);
            for row in rows {
                for column in columns.clone() {
                    let p = pose.inward(view.centre(column, row));
                    pixels[row * view.width + column] |= shape.distance(p) <= margin;
                }
            }
        }
        pixels
    }
}
