//! Conversion of frames to network input tensors, and tensors outside libtorch.

use inspectd_core::frame::Frame;
use parking_lot::Mutex;
use tch::{Device, Kind, Tensor};

use crate::fit::checkpoint::host;
use crate::torch;

/// Shape and elements of a tensor in memory, independent of libtorch.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightTensor {
    /// Shape, outermost dimension first.
    pub shape: Vec<i64>,
    /// Elements, row-major.
    pub values: Vec<f32>,
}

impl WeightTensor {
    /// Copies a tensor of libtorch.
    pub fn of(tensor: &Tensor) -> Self {
        Self {
            shape: tensor.size(),
            values: host(tensor),
        }
    }
}

/// Constant tensors, created once for each key and device. A copy of a few floats to a GPU waits for the work that the
/// GPU was given before, so that a constant must not be copied in every step. Keys are few: nothing is removed.
#[derive(Debug)]
pub(crate) struct ConstantCache<K> {
    entries: Mutex<Vec<(K, Device, Tensor)>>,
}

impl<K: PartialEq> ConstantCache<K> {
    /// Creates an empty cache.
    pub(crate) const fn new() -> Self {
        Self {
            entries: Mutex::new(Vec::new()),
        }
    }

    /// Returns the tensor of `key` on `device`, created on the CPU by `create` if it is new. It must not be changed.
    pub(crate) fn get(&self, key: K, device: Device, create: impl FnOnce() -> Tensor) -> Tensor {
        let mut entries = self.entries.lock();
        let found = entries
            .iter()
            .find(|(of, on, _)| *of == key && *on == device);
        if let Some((.., tensor)) = found {
            return tensor.shallow_clone();
        }
        let tensor = tch::no_grad(create).to_device(device);
        entries.push((key, device, tensor.shallow_clone()));
        tensor
    }
}

/// The constant `values` of red, green and blue on `device`, `[1, 3, 1, 1]`.
fn column(values: [f32; 3], device: Device) -> Tensor {
    static COLUMNS: ConstantCache<[u32; 3]> = ConstantCache::new();
    COLUMNS.get(values.map(f32::to_bits), device, || {
        Tensor::from_slice(&values).reshape([1, 3, 1, 1])
    })
}

/// Channel means of `ImageNet`, for values in [0, 1].
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Channel standard deviations of `ImageNet`, for values in [0, 1].
pub const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Normalisation of images with values in [0, 1]: `(x - mean) / std` for each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputNormalisation {
    /// Mean and standard deviation of `ImageNet`'s images.
    ImageNet,
    /// 0.5 and 0.5 for all channels, as `EfficientNet`-Lite was trained.
    Half,
}

impl InputNormalisation {
    /// Mean of red, green and blue.
    pub fn mean(self) -> [f32; 3] {
        match self {
            Self::ImageNet => MEAN,
            Self::Half => [0.5; 3],
        }
    }

    /// Standard deviation of red, green and blue.
    pub fn std(self) -> [f32; 3] {
        match self {
            Self::ImageNet => STD,
            Self::Half => [0.5; 3],
        }
    }

    /// Normalises `unit` [N, 3, H, W] with values in [0, 1].
    pub fn apply(self, unit: &Tensor) -> Tensor {
        let column = |values| column(values, unit.device());
        (unit - column(self.mean())) / column(self.std())
    }
}

/// Converts frames of equal size to values in [0, 1], `[N, 3, H, W]`. Channels are innermost in memory,
/// as in a frame.
pub fn unit(frames: &[&Frame], device: Device) -> Tensor {
    unit_of(&pixels(frames, device))
}

/// Copies the pixels of frames of equal size to `device` at once: bytes, `[N, H, W, 3]`. The call does not wait for a
/// GPU.
pub fn pixels(frames: &[&Frame], device: Device) -> Tensor {
    let images: Vec<Tensor> = frames
        .iter()
        .map(|frame| {
            let shape = [i64::from(frame.height()), i64::from(frame.width()), 3];
            Tensor::from_slice(frame.rgb()).reshape(shape)
        })
        .collect();
    torch::copy_to(&Tensor::stack(&images, 0), device)
}

/// Converts `pixels`, bytes `[N, H, W, 3]`, to values in [0, 1], `[N, 3, H, W]`. Channels stay innermost in memory.
pub fn unit_of(pixels: &Tensor) -> Tensor {
    pixels.permute([0, 3, 1, 2]).to_kind(Kind::Float) / 255.0
}

/// Converts `unit` [N, 3, H, W] to greyscale: the luma (ITU-R BT.601) in all three channels.
pub fn grey(unit: &Tensor) -> Tensor {
    let luma = column([0.2989, 0.587, 0.114], unit.device());
    let grey = (unit * luma).sum_dim_intlist([1].as_slice(), true, Kind::Float);
    grey.expand_as(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_is_created_once_for_each_key() {
        static CACHE: ConstantCache<u8> = ConstantCache::new();
        let get = |key, value: i64| {
            CACHE
                .get(key, Device::Cpu, || Tensor::from_slice(&[value]))
                .int64_value(&[0])
        };
        let values = [get(1, 10), get(2, 20), get(1, 30), get(2, 40)];
        assert_eq!(values, [10, 20, 10, 20]);
    }

    #[test]
    fn frames_become_values_from_0_to_1_with_channels_innermost_in_memory() {
        let frames = [0_u8, 51].map(|first| {
            let rgb = (0..12).map(|place| first + place).collect();
            Frame::new(2, 2, rgb).expect("two by two pixels")
        });
        let unit = unit(&[&frames[0], &frames[1]], Device::Cpu);
        assert_eq!(unit.size(), [2, 3, 2, 2]);
        assert_eq!(unit.stride(), [12, 1, 6, 3]);
        // Image 1, blue, second row, first column: byte 8.
        let value = unit.double_value(&[1, 2, 1, 0]);
        assert!((value - f64::from(51 + 8) / 255.0).abs() < 1e-7, "{value}");
    }

    #[test]
    fn normalisation_subtracts_the_mean_and_divides_by_the_deviation() {
        let unit = Tensor::full([1, 3, 1, 1], 0.5, (Kind::Float, Device::Cpu));
        let of = |normalisation: InputNormalisation| -> Vec<f32> {
            let values = normalisation.apply(&unit).flatten(0, -1);
            Vec::try_from(&values).expect("a flat f32 tensor on the CPU is a vector of f32")
        };
        for (&value, (&mean, &std)) in of(InputNormalisation::ImageNet)
            .iter()
            .zip(MEAN.iter().zip(&STD))
        {
            assert!((value - (0.5 - mean) / std).abs() < 1e-6, "{value}");
        }
        assert_eq!(of(InputNormalisation::Half), [0.0; 3]);
    }
}
