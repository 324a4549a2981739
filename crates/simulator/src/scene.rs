//! One part under the camera, independent of resolution.

use super::camera::{Camera, reduced};
use super::canvas::Canvas;
use super::defect::{Defect, Saturation};
use super::geometry::View;
use super::light::Light;
use super::region::Region;
use super::solid::Solid;
use inspectd_core::frame::Frame;

/// A frame with a shorter side below this is painted at twice its size and averaged, because bars and strokes
/// would be thinner than its pixels.
const FINE_SIDE: u32 = 512;

/// Maximum side of a rendered frame in pixels, far above the sensors of inspection cameras.
pub const MAX_SIDE: u32 = 16_384;

/// One part under the camera: its solids, its light and exposure, and its defects.
///
/// Lengths are shares of the frame's shorter side, and the scene is centred, so it can be rendered at any size; a
/// longer side shows more of the belt.
#[derive(Clone, Debug)]
pub struct Scene {
    pub(super) solids: Vec<Solid>,
    pub(super) light: Light,
    pub(super) camera: Camera,
    pub(super) regions: Vec<(Defect, Region)>,
}

/// One channel of the ground truth: the mask of one defect.
#[derive(Clone, Debug, PartialEq)]
pub struct DefectMask {
    /// The defect.
    pub defect: Defect,
    /// Whether each pixel belongs to the defect, `[height, width]`, top row first.
    pub pixels: Vec<bool>,
    /// How much of the mask must be found.
    pub saturation: Saturation,
}

impl Scene {
    /// Returns the defects of the part, in the order of the channels of the ground truth.
    pub fn defects(&self) -> impl Iterator<Item = Defect> + '_ {
        self.regions.iter().map(|(defect, _)| *defect)
    }

    /// Renders the camera's image of `width` x `height` pixels. Each side is clamped to 1..=[`MAX_SIDE`].
    pub fn render(&self, width: u32, height: u32) -> Frame {
        let (width, height) = (width.clamp(1, MAX_SIDE), height.clamp(1, MAX_SIDE));
        let factor = if width.min(height) < FINE_SIDE { 2 } else { 1 };
        let view = View::new(width as usize, height as usize);
        let fine = View::new(view.width * factor, view.height * factor);
        let mut canvas = Canvas::new(fine, false);
        canvas.paint(&self.solids, &self.light);
        let light = reduced(canvas.light, &view, factor);
        self.camera.develop(&view, light)
    }

    /// Returns one mask per defect, with the same size as an image from [`Scene::render`].
    pub fn truth(&self, width: u32, height: u32) -> Vec<DefectMask> {
        let (width, height) = (width.clamp(1, MAX_SIDE), height.clamp(1, MAX_SIDE));
        let view = View::new(width as usize, height as usize);
        self.regions
            .iter()
            .map(|(defect, region)| DefectMask {
                defect: *defect,
                // A thin line can cross a pixel without crossing its centre.
                pixels: region.pixels(&view, view.pixel * 0.5),
                saturation: defect.saturation(width, height),
            })
            .collect()
    }
}
