//! The backbones against their references.

use std::collections::BTreeMap;

use mhkd::backbone::{Backbone, BackboneError, Kind};
use tch::{Device, Tensor};

use crate::support::{data, relative_difference, tensors};

/// What two f32 convolution paths may differ by, of the tensor's largest value.
const TOLERANCE: f64 = 1e-5;

#[test]
fn squeezenet_agrees_with_its_reference() {
    let Some(weights) = data("backbones/squeezenet1_0.safetensors") else {
        return;
    };
    let Some(reference) = data("backbones/squeezenet1_0_reference.safetensors") else {
        return;
    };
    let reference = tensors(&reference);
    let Ok(Backbone::SqueezeNet(net)) = Kind::SqueezeNet.load(&tensors(&weights)) else {
        panic!("the checkpoint is SqueezeNet's")
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

#[test]
fn a_checkpoint_of_another_network_is_refused_by_name() {
    let empty = BTreeMap::new();
    let missing = Kind::SqueezeNet.load(&empty).expect_err("nothing is in it");
    assert_eq!(missing, BackboneError::Missing("features.0.weight".into()));
    let wrong = BTreeMap::from([(
        "features.0.weight".to_owned(),
        Tensor::zeros([64, 3, 3, 3], (tch::Kind::Float, Device::Cpu)),
    )]);
    let shape = Kind::SqueezeNet
        .load(&wrong)
        .expect_err("that is squeezenet1_1's");
    assert_eq!(
        shape.to_string(),
        "tensor `features.0.weight` has shape [64, 3, 3, 3], allowed is [96, 3, 7, 7]"
    );
}
