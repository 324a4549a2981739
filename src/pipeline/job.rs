//! A capture on its way to the engine, and the view of it that is inspected.

use std::sync::Arc;

use crate::config::settings::{self, Crop, Rotation};
use crate::pipeline::Active;
use crate::pipeline::response_slot::ResponseSlot;
use crate::recipe::CameraRecipe;
use inspectd_core::frame::Frame;
use inspectd_core::id::CameraId;
use inspectd_core::moment::Moment;
use inspectd_core::record::{PartTag, Subject, Verdict};

/// What of a camera's frames is inspected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Turned first ...
    pub rotate: Rotation,
    /// ... then cut.
    pub crop: Option<Crop>,
    /// The size that the source must give, width and height.
    pub expected_size: Option<[u32; 2]>,
    /// Whether less than the model's input is enough.
    pub allow_upscaling: bool,
}

impl View {
    /// A configured camera's view; what a recipe says of it comes first.
    pub fn of(camera: &settings::Camera, recipe: Option<&CameraRecipe>) -> Self {
        Self {
            rotate: recipe.and_then(|own| own.rotate).unwrap_or(camera.rotate),
            crop: recipe.and_then(|own| own.crop).or(camera.crop),
            expected_size: camera.expected_size,
            allow_upscaling: camera.allow_upscaling,
        }
    }

    /// The size of the inspected part of a `width` x `height` frame for a model that takes `input`.
    ///
    /// # Errors
    /// Why such a frame cannot be inspected.
    pub fn inspected_size(&self, size: [u32; 2], input: [u32; 2]) -> Result<[u32; 2], String> {
        let [width, height] = size;
        if let Some([expected_width, expected_height]) = self.expected_size
            && size != [expected_width, expected_height]
        {
            return Err(format!(
                "the frame is {width}x{height}, must be {expected_width}x{expected_height}"
            ));
        }
        let inspected = self.cut(self.turned(size))?;
        let [input_width, input_height] = input;
        if !self.allow_upscaling && (inspected[0] < input_width || inspected[1] < input_height) {
            return Err(format!(
                "{}x{} pixels are inspected, fewer than the model's {input_width}x{input_height} \
                 (allow_upscaling = true inspects them all the same)",
                inspected[0], inspected[1]
            ));
        }
        Ok(inspected)
    }

    /// The size of the part of such a frame that would be inspected; all of it where the crop does not
    /// fit.
    pub fn part_size(&self, size: [u32; 2]) -> [u32; 2] {
        let turned = self.turned(size);
        self.cut(turned).unwrap_or(turned)
    }

    fn turned(&self, [width, height]: [u32; 2]) -> [u32; 2] {
        match self.rotate {
            Rotation::R0 | Rotation::R180 => [width, height],
            Rotation::R90 | Rotation::R270 => [height, width],
        }
    }

    fn cut(&self, [width, height]: [u32; 2]) -> Result<[u32; 2], String> {
        match self.crop {
            None => Ok([width, height]),
            Some(crop) if crop.right > width || crop.bottom > height => Err(format!(
                "the crop ends at column {} and row {}, beyond the {width}x{height} frame",
                crop.right, crop.bottom
            )),
            Some(crop) => Ok([crop.right - crop.left, crop.bottom - crop.top]),
        }
    }
}

/// Who waits for a verdict.
pub type Reply = Box<dyn FnOnce(Arc<Verdict>) + Send>;

/// A capture that waits for the engine. Its size was checked against the view.
pub struct Job {
    /// The camera; none for an image that a client sent.
    pub camera: Option<CameraId>,
    /// The camera's own thresholds are live: looked up when it is judged. For a client's image, those of
    /// the camera that it names.
    pub thresholds_of: Option<CameraId>,
    /// The view.
    pub view: Arc<View>,
    /// Counts the camera's captures.
    pub frame_id: u64,
    /// When it was captured.
    pub moment: Moment,
    /// The pixels, as the source gave them.
    pub frame: Frame,
    /// Rendered, not seen.
    pub simulated: bool,
    /// What the source calls it.
    pub item: String,
    /// What is wrong with a rendered part.
    pub truth: String,
    /// The group whose part it shows.
    pub group: Option<Arc<str>>,
    /// The part, if it is known.
    pub tag: Option<Arc<PartTag>>,
    /// What was in force when it was captured: it is judged by that.
    pub active: Arc<Active>,
    /// The right to its verdict.
    pub claim: ResponseSlot,
}

impl Job {
    /// What its verdict is about, before it is inspected.
    pub fn subject(&self) -> Subject {
        Subject {
            frame_id: self.frame_id,
            group: self.group.clone(),
            tag: self.tag.clone(),
            simulated: self.simulated,
            size: Some(
                self.view
                    .part_size([self.frame.width(), self.frame.height()]),
            ),
            item: self.item.clone(),
            truth: self.truth.clone(),
            ..Subject::new(self.camera.clone(), Arc::clone(&self.active.stamp))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_knows_what_it_inspects_and_what_it_cannot() {
        let crop = Crop {
            left: 10,
            top: 20,
            right: 110,
            bottom: 220,
        };
        let check = |view: View, size, expected: Result<[u32; 2], &str>| {
            let found = view.inspected_size(size, [100, 100]);
            match (&found, expected) {
                (Ok(size), Ok(wanted)) => assert_eq!(*size, wanted),
                (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
                _ => panic!("{found:?}"),
            }
        };
        let cropped = |rotate| View {
            rotate,
            crop: Some(crop),
            ..View::default()
        };
        check(View::default(), [640, 480], Ok([640, 480]));
        check(
            View::default(),
            [640, 99],
            Err("fewer than the model's 100x100"),
        );
        check(cropped(Rotation::R0), [640, 480], Ok([100, 200]));
        check(
            cropped(Rotation::R0),
            [640, 200],
            Err("beyond the 640x200 frame"),
        );
        check(cropped(Rotation::R90), [640, 200], Ok([100, 200]));
        let exact = View {
            expected_size: Some([640, 480]),
            ..View::default()
        };
        check(exact.clone(), [640, 480], Ok([640, 480]));
        check(exact, [480, 640], Err("480x640, must be 640x480"));
        let small = View {
            allow_upscaling: true,
            ..View::default()
        };
        check(small, [32, 32], Ok([32, 32]));
        // What cannot be inspected has the size of the part all the same, as far as there is one.
        assert_eq!(cropped(Rotation::R90).part_size([640, 200]), [100, 200]);
        assert_eq!(cropped(Rotation::R90).part_size([640, 100]), [100, 640]);
    }
}
