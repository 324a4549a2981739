//! Shared code of the integration tests.

pub(crate) mod formula;
pub(crate) mod models;

use std::collections::BTreeMap;
use std::path::PathBuf;

use tch::{Kind, Tensor};

/// Path of a file in the shared test data; `None`, with a message, if it does not exist.
pub(crate) fn data(path: &str) -> Option<PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let file = root.join(path);
    if file.exists() {
        return Some(file);
    }
    println!("skipped: {path} is not below {}", root.display());
    None
}

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
