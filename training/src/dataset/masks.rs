//! Ground-truth masks of test images.

use image::DynamicImage;
use inspectd_core::image_file::{self, ImageError};

use super::TestItem;

/// Ground-truth mask with the size of its image. Zero is good; in `MVTec` LOCO AD the other values identify
/// the defect type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pixel values, `[height, width]`, from the top row.
    pub values: Vec<u8>,
}

/// Loads the masks of `item`, whose image has `image_size` (width and height, pixels).
///
/// # Errors
/// When a mask cannot be decoded or differs in size from the image. The message names the mask.
pub fn load_masks(item: &TestItem, image_size: (u32, u32)) -> Result<Vec<Mask>, ImageError> {
    let load = |path: &std::path::PathBuf| {
        let image = image_file::read(path)?;
        let (width, height) = (image.width(), image.height());
        if (width, height) != image_size {
            return Err(ImageError::MaskSize {
                path: path.clone(),
                width,
                height,
                image: item.path.clone(),
                image_size,
            });
        }
        let values = values(image);
        Ok(Mask {
            width,
            height,
            values,
        })
    };
    item.masks.iter().map(load).collect()
}

/// Returns the grey values of a mask. Some published copies are colour images; for these it takes the
/// maximum of the channels, because a mean could round a small value to zero.
fn values(image: DynamicImage) -> Vec<u8> {
    match image {
        DynamicImage::ImageLuma8(grey) => grey.into_raw(),
        colour => colour
            .into_rgb8()
            .pixels()
            .map(|pixel| pixel.0[0].max(pixel.0[1]).max(pixel.0[2]))
            .collect(),
    }
}
