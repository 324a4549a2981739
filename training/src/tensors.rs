//! From frames to what the networks eat.

use inspectd::frame::Frame;
use tch::{Device, Kind, Tensor};

/// ImageNet's channel means, of values in [0, 1].
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// ImageNet's channel standard deviations, of values in [0, 1].
pub const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// `frames` of one size as values in [0, 1], `[N, 3, H, W]`, channels innermost in memory as frames
/// have them.
pub fn unit(frames: &[&Frame], device: Device) -> Tensor {
    let images: Vec<Tensor> = frames
        .iter()
        .map(|frame| {
            let shape = [i64::from(frame.height()), i64::from(frame.width()), 3];
            Tensor::from_slice(frame.rgb()).reshape(shape)
        })
        .collect();
    Tensor::stack(&images, 0)
        .to_device(device)
        .permute([0, 3, 1, 2])
        .to_kind(Kind::Float)
        / 255.0
}

/// Values in [0, 1] less ImageNet's means over its deviations.
pub fn normalise(unit: &Tensor) -> Tensor {
    let column = |values: &[f32; 3]| {
        Tensor::from_slice(values)
            .reshape([1, 3, 1, 1])
            .to_device(unit.device())
    };
    (unit - column(&MEAN)) / column(&STD)
}

/// `frames` as the networks take them, normalised `[N, 3, H, W]`.
pub fn input(frames: &[&Frame], device: Device) -> Tensor {
    normalise(&unit(frames, device))
}

/// The luma (ITU-R BT.601) of `unit` [N, 3, H, W] in all three channels.
pub fn grey(unit: &Tensor) -> Tensor {
    let luma = Tensor::from_slice(&[0.2989_f32, 0.587, 0.114])
        .reshape([1, 3, 1, 1])
        .to_device(unit.device());
    let grey = (unit * luma).sum_dim_intlist([1].as_slice(), true, Kind::Float);
    grey.expand_as(unit)
}
