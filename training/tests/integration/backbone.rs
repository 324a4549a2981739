//! The backbones compared with reference outputs.

use std::collections::BTreeMap;

use inspectd_core::frame::Frame;
use inspectd_test_support::{
    backbone_checkpoint, external_data, onnx_runtime, reference_data, require,
};
use mhkd::backbone::{Backbone, BackboneError, BackboneKind, LiteVariant, shipped};
use mhkd::dataset::ImageSize;
use mhkd::feature_methods::extractor::FeatureExtractor;
use tch::{Device, Tensor};

use crate::support::{relative_difference, tensors};

/// Largest accepted difference between two f32 implementations, as a fraction of the tensor's largest value.
const TOLERANCE: f64 = 1e-5;

#[test]
fn squeezenet_agrees_with_its_reference() {
    let weights = require!(external_data("backbones/squeezenet1_0.safetensors"));
    let reference = require!(external_data(
        "backbones/squeezenet1_0_reference.safetensors"
    ));
    let reference = tensors(&reference);
    let Ok(Backbone::SqueezeNet(net)) = BackboneKind::SqueezeNet.load(&tensors(&weights)) else {
        panic!("the checkpoint belongs to SqueezeNet")
    };
    let outputs = tch::no_grad(|| net.outputs(&reference["input"]));
    let pairs = [
        ("features.5", &outputs.fire5),
        ("features.8", &outputs.fire8),
        ("features.12", &outputs.fire12),
        ("logits", &outputs.logits),
    ];
    for (name, actual) in pairs {
        let difference = relative_difference(actual, &reference[name]);
        assert!(difference <= TOLERANCE, "{name}: {difference:e}");
    }
}

/// Input of the EfficientNet-Lite references: x[i] = 2 |frac(1234.567 sin(0.618 i + 0.1))| - 1.
fn reference_input() -> Tensor {
    let side = 128_usize;
    let values: Vec<f32> = (0..3 * side * side)
        .map(|i| {
            let value = 1234.567 * (0.618 * i as f64 + 0.1).sin();
            (2.0 * (value - value.trunc()).abs() - 1.0) as f32
        })
        .collect();
    let side = side as i64;
    Tensor::from_slice(&values).reshape([1, 3, side, side])
}

const LITES: [(LiteVariant, BackboneKind); 3] = [
    (LiteVariant::Lite0, BackboneKind::EfficientNetLite0),
    (LiteVariant::Lite1, BackboneKind::EfficientNetLite1),
    (LiteVariant::Lite2, BackboneKind::EfficientNetLite2),
];

#[test]
fn efficientnet_lite_agrees_with_the_published_forward_pass() {
    for (variant, kind) in LITES {
        let checkpoint = require!(backbone_checkpoint(variant.name()));
        let imported = mhkd::checkpoint_import::read(&checkpoint).expect("a checkpoint");
        let tensors: BTreeMap<String, Tensor> = imported
            .into_iter()
            .map(|(name, host)| {
                let shape: Vec<i64> = host.shape.iter().map(|&side| side as i64).collect();
                (name, Tensor::from_slice(&host.data).reshape(shape))
            })
            .collect();
        let backbone = kind.load(&tensors).expect("the checkpoint of this network");
        let file = format!("backbone-reference/{}.safetensors", variant.name());
        let expected = self::tensors(&reference_data(&file));
        let [fine, coarse] = backbone.stages(&reference_input());
        for (name, actual) in [("stride8", fine), ("stride16", coarse)] {
            let difference = relative_difference(&actual, &expected[name]);
            assert!(
                difference <= 1e-4,
                "{} {name}: {difference:e}",
                variant.name()
            );
        }
    }
}

#[test]
fn shipped_backbones_are_the_folded_checkpoints() {
    for (variant, kind) in LITES {
        if shipped::file(variant).is_none() {
            continue;
        }
        let checkpoint = require!(backbone_checkpoint(variant.name()));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = folder.path().join("folded.safetensors");
        shipped::fold(&checkpoint, kind, &out).expect("folded");
        let folded = std::fs::read(&out).expect("written");
        assert!(
            shipped::file(variant) == Some(&folded[..]),
            "{}",
            variant.name()
        );
    }
}

#[test]
fn features_of_onnx_runtime_agree_with_libtorch_on_a_wide_image() {
    require!(onnx_runtime());
    let size = ImageSize {
        width: 192,
        height: 96,
    };
    let pixels: Vec<u8> = (0..size.width * size.height * 3)
        .map(|i| (i * 97 % 253) as u8)
        .collect();
    let frame = Frame::new(size.width, size.height, pixels).expect("as many bytes as pixels");
    for variant in [LiteVariant::Lite0, LiteVariant::Lite2] {
        let mut extractor = FeatureExtractor::new(variant, size, 1).expect("an extractor");
        let actual = extractor.features(&frame).expect("features");
        let backbone = shipped::load(variant).expect("shipped");
        let backbone = Backbone::EfficientNetLite(Box::new(backbone));
        let unit = mhkd::tensors::unit(&[&frame], Device::Cpu);
        let x = backbone.input_normalisation().apply(&unit);
        let expected = backbone.grid_features(&x).flatten(2, 3);
        let difference = relative_difference(&actual, &expected.squeeze_dim(0));
        assert!(difference <= 1e-4, "{}: {difference:e}", variant.name());
    }
}

#[test]
fn checkpoint_of_another_network_is_rejected_with_the_tensor_name() {
    let empty = BTreeMap::new();
    let missing = BackboneKind::SqueezeNet
        .load(&empty)
        .expect_err("the checkpoint is empty");
    assert_eq!(missing, BackboneError::Missing("features.0.weight".into()));
    let wrong = BTreeMap::from([(
        "features.0.weight".to_owned(),
        Tensor::zeros([64, 3, 3, 3], (tch::Kind::Float, Device::Cpu)),
    )]);
    let shape = BackboneKind::SqueezeNet
        .load(&wrong)
        .expect_err("the shape is that of squeezenet1_1");
    assert_eq!(
        shape.to_string(),
        "tensor `features.0.weight` has shape [64, 3, 3, 3], expected [96, 3, 7, 7]"
    );
}

/// The tensors of torchvision's `wide_resnet101_2` up to `layer3`; all weights of a tensor are equal.
fn wide_resnet() -> BTreeMap<String, Tensor> {
    resnet101(128, 1)
}

/// The tensors of a variant of `ResNet`-101 up to `layer3`. `width` is the inner width of `layer1`.
fn resnet101(width: i64, groups: i64) -> BTreeMap<String, Tensor> {
    let mut tensors = BTreeMap::new();
    let mut add = |conv: &str, norm: &str, shape: [i64; 4]| {
        let fan_in = (shape[1] * shape[2] * shape[3]) as f64;
        let full =
            |shape: &[i64], value: f64| Tensor::full(shape, value, (tch::Kind::Float, Device::Cpu));
        tensors.insert(format!("{conv}.weight"), full(&shape, 1.0 / fan_in));
        for (part, value) in [
            ("weight", 2.0),
            ("bias", 0.5),
            ("running_mean", 1.0),
            ("running_var", 4.0 - 1e-5),
        ] {
            tensors.insert(format!("{norm}.{part}"), full(&shape[..1], value));
        }
    };
    add("conv1", "bn1", [64, 3, 7, 7]);
    let mut input = 64;
    for (layer, blocks) in [3, 4, 23].into_iter().enumerate() {
        let (width, output) = (width << layer, 256 << layer);
        for block in 0..blocks {
            let at = format!("layer{}.{block}", layer + 1);
            let named = |conv: &str, norm: &str| (format!("{at}.{conv}"), format!("{at}.{norm}"));
            let convolutions = [
                (named("conv1", "bn1"), [width, input, 1, 1]),
                (named("conv2", "bn2"), [width, width / groups, 3, 3]),
                (named("conv3", "bn3"), [output, width, 1, 1]),
                (named("downsample.0", "downsample.1"), [output, input, 1, 1]),
            ];
            let count = if block == 0 { 4 } else { 3 };
            for ((conv, norm), shape) in convolutions.into_iter().take(count) {
                add(&conv, &norm, shape);
            }
            input = output;
        }
    }
    tensors
}

#[test]
fn wide_resnet_loads_torchvision_names_and_has_stages_at_1_8_and_1_16() {
    let backbone = BackboneKind::WideResNet101
        .load(&wide_resnet())
        .expect("all tensors exist");
    let x = Tensor::ones([1, 3, 64, 64], (tch::Kind::Float, Device::Cpu));
    let [layer2, layer3] = backbone.stages(&x);
    assert_eq!(layer2.size(), [1, 512, 8, 8]);
    assert_eq!(layer3.size(), [1, 1024, 4, 4]);
    // Away from the border, every convolution returns its constant input, and a norm maps v to
    // 2 (v - 1) / 2 + 0.5 = v - 0.5: 1 -> 0.5 in the stem. The three norms of a block give 0, 0 (ReLU)
    // and -0.5, the shortcut of the first block 0.5 - 0.5 = 0. So layer1 and all later layers are zero.
    assert!(layer3.abs().max().double_value(&[]) < 1e-5);
    let mut lifted = wide_resnet();
    let bias = Tensor::full([512], 1.5, (tch::Kind::Float, Device::Cpu));
    lifted.insert("layer2.3.bn3.bias".into(), bias);
    let Ok(backbone) = BackboneKind::WideResNet101.load(&lifted) else {
        panic!("all tensors exist")
    };
    // The last norm of layer2 is now v + 0.5 with input 0: 0.5, plus 0 from the shortcut.
    let raised = backbone.stages(&x)[0].double_value(&[0, 7, 4, 4]);
    assert!((raised - 0.5).abs() < 1e-5, "{raised}");
}

#[test]
fn resnext_loads_torchvision_names_with_grouped_convolutions() {
    let backbone = BackboneKind::ResNext101
        .load(&resnet101(256, 32))
        .expect("all tensors exist");
    let x = Tensor::ones([1, 3, 64, 64], (tch::Kind::Float, Device::Cpu));
    let [layer2, layer3] = backbone.stages(&x);
    assert_eq!(layer2.size(), [1, 512, 8, 8]);
    assert_eq!(layer3.size(), [1, 1024, 4, 4]);
    // As for the wide network: every layer is zero away from the border.
    assert!(layer3.abs().max().double_value(&[]) < 1e-5);
    let other = BackboneKind::ResNext101.load(&wide_resnet());
    let message = other.expect_err("other widths").to_string();
    assert!(message.contains("layer1.0.conv1.weight"), "{message}");
}
