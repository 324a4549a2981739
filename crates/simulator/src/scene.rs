//! One part under the camera, at no particular resolution.

use super::camera::{Camera, reduced};
use super::canvas::Canvas;
use super::defect::{Defect, Saturation};
use super::geometry::View;
use super::light::Light;
use super::region::Region;
use super::solid::Solid;
use inspectd_core::frame::Frame;

/// A frame whose shorter side is below this is painted at twice its size and averaged, since bars and
/// strokes would be thinner than its pixels.
const FINE_SIDE: u32 = 512;

/// The most pixels a side that a scene renders; sensors of inspection cameras end well below.
pub const MAX_SIDE: u32 = 16_384;

/// One part under the camera: what is there, how it is lit and exposed, and what is wrong with it.
///
/// A scene is described in shares of the frame's shorter side and centred, so it can be rendered at
/// any size; a longer side shows more of the belt.
#[derive(Clone, Debug)]
pub struct Scene {
    pub(super) solids: Vec<Solid>,
    pub(super) light: Light,
    pub(super) camera: Camera,
    pub(super) regions: Vec<(Defect, Region)>,
}

/// One channel of the ground truth: where one defect can be seen.
#[derive(Clone, Debug, PartialEq)]
pub struct DefectMask {
    /// The defect.
    pub defect: Defect,
    /// Whether each pixel belongs to it, `[height, width]`, rows from the top.
    pub pixels: Vec<bool>,
    /// How much of it has to be found.
    pub saturation: Saturation,
}

impl Scene {
    /// What is wrong with the part, in the order of the ground truth's channels.
    pub fn defects(&self) -> impl Iterator<Item = Defect> + '_ {
        self.regions.iter().map(|(defect, _)| *defect)
    }

    /// The camera's picture, `width` x `height` pixels. Each side is clamped to 1 to [`MAX_SIDE`].
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

    /// One mask a defect, at the size that [`Scene::render`] would have.
    pub fn truth(&self, width: u32, height: u32) -> Vec<DefectMask> {
        let (width, height) = (width.clamp(1, MAX_SIDE), height.clamp(1, MAX_SIDE));
        let view = View::new(width as usize, height as usize);
        self.regions
            .iter()
            .map(|(defect, region)| DefectMask {
                defect: *defect,
                // A pixel that a hairline crosses beside its centre shows it nonetheless.
                pixels: region.pixels(&view, view.pixel * 0.5),
                saturation: defect.saturation(width, height),
            })
            .collect()
    }
}
