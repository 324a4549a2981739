//! The training images on the device that trains: copied once if all of them fit, or else once for each step.

use tch::{Device, Tensor};

use crate::dataset::loader::LoadedImage;
use crate::{tensors, torch};

/// The images may take a quarter of the free memory of a GPU: 10,000 images of 256x256 pixels with 8 GB. The rest is
/// for the activations and the cached features.
const MEMORY_SHARE: usize = 4;

/// Training images as bytes on a device.
#[derive(Debug)]
pub(super) struct DeviceImages {
    device: Device,
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    /// Before the first step, when the size of the images is not known: their number and the memory for them, bytes.
    Undecided { count: usize, free_bytes: usize },
    /// All images stay on the device, each from its first use: `[1, H, W, 3]`.
    Resident(Vec<Option<Tensor>>),
    /// No image stays on the device.
    Transient,
}

impl DeviceImages {
    /// Creates an empty store for `count` images on `device`. On a CPU no image is kept, because the loader keeps it.
    pub(super) fn new(count: usize, device: Device) -> Self {
        let free_bytes = torch::free_memory(device).unwrap_or(0) / MEMORY_SHARE;
        Self::with_memory(count, device, free_bytes)
    }

    fn with_memory(count: usize, device: Device, free_bytes: usize) -> Self {
        Self {
            device,
            storage: Storage::Undecided { count, free_bytes },
        }
    }

    /// Returns the pixels of `images`, which have one size: bytes on the device, `[N, H, W, 3]`.
    pub(super) fn batch(&mut self, images: &[LoadedImage]) -> Tensor {
        if let Storage::Undecided { count, free_bytes } = self.storage {
            let image_bytes = images.first().map_or(0, |image| image.frame.rgb().len());
            self.storage = if count * image_bytes <= free_bytes {
                Storage::Resident((0..count).map(|_| None).collect())
            } else {
                Storage::Transient
            };
        }
        let device = self.device;
        if let Storage::Resident(resident) = &mut self.storage {
            let pixels: Vec<Tensor> = images
                .iter()
                .map(|image| {
                    resident[image.index]
                        .get_or_insert_with(|| tensors::pixels(&[image.frame.as_ref()], device))
                        .shallow_clone()
                })
                .collect();
            return Tensor::cat(&pixels, 0);
        }
        let frames: Vec<_> = images.iter().map(|image| image.frame.as_ref()).collect();
        tensors::pixels(&frames, device)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use inspectd_core::frame::Frame;

    use super::*;

    /// Image `index` of 2x1 pixels, all of `value`.
    fn image(index: usize, value: u8) -> LoadedImage {
        LoadedImage {
            index,
            frame: Arc::new(Frame::new(2, 1, vec![value; 6]).expect("two pixels")),
            size: (2, 1),
        }
    }

    /// First byte of each image of a batch.
    fn first_bytes(batch: &Tensor) -> Vec<i64> {
        assert_eq!(batch.size()[1..], [1, 2, 3]);
        (0..batch.size()[0])
            .map(|place| batch.int64_value(&[place, 0, 0, 0]))
            .collect()
    }

    #[test]
    fn images_that_fit_stay_on_the_device() {
        let mut images = DeviceImages::with_memory(3, Device::Cpu, 18);
        let batch = images.batch(&[image(2, 20), image(0, 0)]);
        assert_eq!(first_bytes(&batch), [20, 0]);
        // Image 2 is not copied again: it has the pixels of its first use.
        let batch = images.batch(&[image(1, 10), image(2, 99)]);
        assert_eq!(first_bytes(&batch), [10, 20]);
    }

    #[test]
    fn images_that_do_not_all_fit_are_copied_for_each_step() {
        let mut images = DeviceImages::with_memory(3, Device::Cpu, 17);
        assert_eq!(first_bytes(&images.batch(&[image(2, 20)])), [20]);
        assert_eq!(first_bytes(&images.batch(&[image(2, 99)])), [99]);
    }

    #[test]
    fn a_cpu_keeps_no_second_copy() {
        let mut images = DeviceImages::new(3, Device::Cpu);
        let _ = images.batch(&[image(0, 1)]);
        assert!(matches!(images.storage, Storage::Transient));
    }
}
