//! The variants of ResNet-101 compared with torchvision's networks, with the same formula weights.

use std::collections::BTreeMap;

use inspectd_test_support::reference_data;
use mhkd::backbone::BackboneKind;
use tch::{Device, IndexOp, Kind, Tensor};

use super::{convolution_bound, uniform};
use crate::support::{relative_difference, tensors};

/// Largest accepted difference, as a fraction of the largest value. f32 differs from the f64 of the reference
/// by 1e-6; without the eps of the batch norms the difference would be 3e-5.
const TOLERANCE: f64 = 1e-5;

/// The tensor `name` of the checkpoint.
fn weight(name: &str, shape: &[i64]) -> Tensor {
    let (centre, bound) = if shape.len() == 4 {
        (0.0, convolution_bound(shape))
    } else if name.ends_with("running_var") {
        (1.0, 0.7)
    } else if name.ends_with("running_mean") || name.ends_with("bias") {
        (0.0, 0.2)
    } else if name.ends_with("bn3.weight") {
        (0.1, 0.05)
    } else if name.ends_with("downsample.1.weight") {
        (0.5, 0.2)
    } else {
        (1.0, 0.3)
    };
    uniform(name, shape, centre, bound)
}

/// The checkpoint of a variant up to `layer3`. `width` is the inner width of `layer1`; the 3x3 convolutions
/// have `groups`.
fn checkpoint(width: i64, groups: i64) -> BTreeMap<String, Tensor> {
    let mut tensors = BTreeMap::new();
    let mut add = |conv: &str, norm: &str, shape: [i64; 4]| {
        let name = format!("{conv}.weight");
        tensors.insert(name.clone(), weight(&name, &shape));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            let name = format!("{norm}.{part}");
            tensors.insert(name.clone(), weight(&name, &shape[..1]));
        }
    };
    add("conv1", "bn1", [64, 3, 7, 7]);
    let mut input = 64;
    for (layer, blocks) in [3, 4, 23].into_iter().enumerate() {
        let (width, output) = (width << layer, 256 << layer);
        for block in 0..blocks {
            let at = |part: &str| format!("layer{}.{block}.{part}", layer + 1);
            add(&at("conv1"), &at("bn1"), [width, input, 1, 1]);
            add(&at("conv2"), &at("bn2"), [width, width / groups, 3, 3]);
            add(&at("conv3"), &at("bn3"), [output, width, 1, 1]);
            if block == 0 {
                let shape = [output, input, 1, 1];
                add(&at("downsample.0"), &at("downsample.1"), shape);
            }
            input = output;
        }
    }
    tensors
}

/// Compares both stages of `kind` with the reference `name`.
fn check(kind: BackboneKind, name: &str, checkpoint: &BTreeMap<String, Tensor>) {
    let reference = tensors(&reference_data(&format!(
        "resnet101-reference/{name}.safetensors"
    )));
    let backbone = kind.load(checkpoint).expect("all tensors exist");
    let image = uniform("image", &[1, 3, 64, 64], 0.0, 2.0);
    let stages = backbone.stages(&image);
    for ((layer, size), actual) in [("layer2", [512, 8, 8]), ("layer3", [1024, 4, 4])]
        .into_iter()
        .zip(stages)
    {
        assert_eq!(actual.size()[1..], size, "{name} {layer}");
        let every_eighth = Tensor::arange_start_step(0, size[0], 8, (Kind::Int64, Device::Cpu));
        let parts = [
            (
                "means",
                actual.i(0).mean_dim([1, 2].as_slice(), false, Kind::Float),
            ),
            ("samples", actual.index_select(1, &every_eighth)),
        ];
        for (part, actual) in parts {
            let difference = relative_difference(&actual, &reference[&format!("{layer}.{part}")]);
            assert!(
                difference <= TOLERANCE,
                "{name} {layer}.{part}: {difference:e}"
            );
        }
    }
}

#[test]
fn wide_resnet_agrees_with_torchvision() {
    let checkpoint = checkpoint(128, 1);
    check(BackboneKind::WideResNet101, "wide_resnet101_2", &checkpoint);
}

#[test]
fn resnext_agrees_with_torchvision() {
    let checkpoint = checkpoint(256, 32);
    check(BackboneKind::ResNext101, "resnext101_32x8d", &checkpoint);
}
