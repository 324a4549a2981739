//! The part of a camera's frames that is inspected.

use inspectd_core::preprocess::{Crop, Rotation};
use thiserror::Error;

use crate::config::settings::Camera;
use crate::recipe::CameraRecipe;

/// The part of a camera's frames that is inspected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CameraView {
    /// Rotation, applied first.
    pub rotate: Rotation,
    /// Crop of the rotated frame.
    pub crop: Option<Crop>,
    /// Width and height that the source must deliver.
    pub expected_size: Option<[u32; 2]>,
    /// Whether fewer pixels than the model's input are accepted.
    pub allow_upscaling: bool,
}

/// Why a frame of this size cannot be inspected.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameSizeError {
    /// The source delivers another size than configured.
    #[error("the frame is {}x{}, must be {}x{}", .found[0], .found[1], .expected[0], .expected[1])]
    Unexpected {
        /// Width and height of the frame.
        found: [u32; 2],
        /// Width and height that are configured.
        expected: [u32; 2],
    },
    /// The crop reaches beyond the rotated frame.
    #[error(
        "the crop ends at column {} and row {}, beyond the {}x{} frame",
        .crop.right, .crop.bottom, .frame[0], .frame[1]
    )]
    CropOutside {
        /// The crop.
        crop: Crop,
        /// Width and height of the rotated frame.
        frame: [u32; 2],
    },
    /// The model would see an enlarged image.
    #[error(
        "{}x{} pixels are inspected, fewer than the model's {}x{} \
         (set allow_upscaling = true to inspect them anyway)",
        .inspected[0], .inspected[1], .input[0], .input[1]
    )]
    TooSmall {
        /// Width and height of the inspected part.
        inspected: [u32; 2],
        /// Width and height of the model's input.
        input: [u32; 2],
    },
}

impl CameraView {
    /// The view of a configured camera; the recipe's settings take precedence.
    pub fn of(camera: &Camera, recipe: Option<&CameraRecipe>) -> Self {
        Self {
            rotate: recipe.and_then(|own| own.rotate).unwrap_or(camera.rotate),
            crop: recipe.and_then(|own| own.crop).or(camera.crop),
            expected_size: camera.expected_size,
            allow_upscaling: camera.allow_upscaling,
        }
    }

    /// Width and height of the inspected part of a frame of `size`, for a model with input size `input`.
    ///
    /// # Errors
    /// Why such a frame cannot be inspected.
    pub fn inspected_size(
        &self,
        size: [u32; 2],
        input: [u32; 2],
    ) -> Result<[u32; 2], FrameSizeError> {
        if let Some(expected) = self.expected_size.filter(|expected| *expected != size) {
            let found = size;
            return Err(FrameSizeError::Unexpected { found, expected });
        }
        let inspected = self.cropped(self.rotated(size))?;
        if !self.allow_upscaling && (inspected[0] < input[0] || inspected[1] < input[1]) {
            return Err(FrameSizeError::TooSmall { inspected, input });
        }
        Ok(inspected)
    }

    /// Width and height of the inspected part of a frame of `size`; of the whole rotated frame where the
    /// crop does not fit.
    pub fn part_size(&self, size: [u32; 2]) -> [u32; 2] {
        let rotated = self.rotated(size);
        self.cropped(rotated).unwrap_or(rotated)
    }

    fn rotated(&self, [width, height]: [u32; 2]) -> [u32; 2] {
        match self.rotate {
            Rotation::R0 | Rotation::R180 => [width, height],
            Rotation::R90 | Rotation::R270 => [height, width],
        }
    }

    fn cropped(&self, frame: [u32; 2]) -> Result<[u32; 2], FrameSizeError> {
        match self.crop {
            None => Ok(frame),
            Some(crop) if crop.right > frame[0] || crop.bottom > frame[1] => {
                Err(FrameSizeError::CropOutside { crop, frame })
            }
            Some(crop) => Ok([crop.right - crop.left, crop.bottom - crop.top]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROP: Crop = Crop {
        left: 10,
        top: 20,
        right: 110,
        bottom: 220,
    };

    fn cropped(rotate: Rotation) -> CameraView {
        CameraView {
            rotate,
            crop: Some(CROP),
            ..CameraView::default()
        }
    }

    #[test]
    fn the_inspected_size_is_rotated_then_cropped_or_the_reason_why_not() {
        let check = |view: CameraView, size, expected: Result<[u32; 2], &str>| {
            let found = view.inspected_size(size, [100, 100]);
            match (&found, expected) {
                (Ok(size), Ok(wanted)) => assert_eq!(*size, wanted),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                _ => panic!("{found:?}"),
            }
        };
        let plain = CameraView::default;
        check(plain(), [640, 480], Ok([640, 480]));
        check(plain(), [640, 99], Err("fewer than the model's 100x100"));
        check(cropped(Rotation::R0), [640, 480], Ok([100, 200]));
        let outside = Err("beyond the 640x200 frame");
        check(cropped(Rotation::R0), [640, 200], outside);
        check(cropped(Rotation::R90), [640, 200], Ok([100, 200]));
        let exact = CameraView {
            expected_size: Some([640, 480]),
            ..plain()
        };
        check(exact.clone(), [640, 480], Ok([640, 480]));
        check(exact, [480, 640], Err("480x640, must be 640x480"));
        let small = CameraView {
            allow_upscaling: true,
            ..plain()
        };
        check(small, [32, 32], Ok([32, 32]));
    }

    #[test]
    fn the_part_size_of_a_frame_that_the_crop_does_not_fit_is_the_rotated_frame() {
        let view = cropped(Rotation::R90);
        assert_eq!(view.part_size([640, 200]), [100, 200]);
        assert_eq!(view.part_size([640, 100]), [100, 640]);
    }
}
