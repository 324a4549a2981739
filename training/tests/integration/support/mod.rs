//! Shared code of the integration tests.

pub(crate) mod formula;
pub(crate) mod models;

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

/// The f32 tensors of a safetensors file.
pub(crate) fn tensors(path: &std::path::Path) -> BTreeMap<String, Tensor> {
    let read = Tensor::read_safetensors(path).expect("reference data is safetensors");
    read.into_iter()
        .map(|(name, tensor)| (name, tensor.to_kind(Kind::Float)))
        .collect()
}

/// Largest difference, as a fraction of the largest value of `expected`.
pub(crate) fn relative_difference(actual: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(actual.size(), expected.size());
    let scale = expected.abs().max().double_value(&[]);
    (actual - expected).abs().max().double_value(&[]) / scale
}
