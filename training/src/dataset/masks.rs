//! Where a test image's defects are.

use image::DynamicImage;
use inspectd_core::image_file::{self, ImageError};

use super::TestItem;

/// A picture of defects, as large as its image. Zero is good; in `MVTec` LOCO AD the value of the others
/// says which kind of defect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `[height, width]`, rows from the top.
    pub values: Vec<u8>,
}

/// The masks of `item`, whose image has `image_size` (width and height, pixels).
///
/// # Errors
/// When a mask cannot be decoded or has another size than the image; it is named.
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

/// A mask is grey, but copies are about that were saved in colour: there the strongest channel counts,
/// for a mean could round a faint value to zero.
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
