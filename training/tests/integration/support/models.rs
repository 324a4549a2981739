//! Architectures with formula weights, for export tests.

use std::collections::BTreeMap;

use mhkd::export::weights::{WeightTensor, Weights};
use mhkd::network::architecture::{Architecture, TeacherTable};
use mhkd::network::input_size::InputSize;
use mhkd::network::layer::{self, Layers};
use mhkd::network::preset::Preset;

use super::formula;

/// The MHKD architecture with the given options.
pub(crate) fn architecture(preset: Preset, side: i64, padded_teacher: bool) -> Architecture {
    let side = InputSize::square(side).expect("the side is valid");
    Architecture::mhkd(preset, side, padded_teacher)
}

/// Formula weights of all networks of `architecture`.
pub(crate) fn weights(architecture: &Architecture) -> Weights {
    let tables = architecture.layer_tables();
    let mut weights = BTreeMap::new();
    if let TeacherTable::Pdn(layers) = &tables.teacher {
        add(&mut weights, "teacher", layers, 0);
    }
    for (part, number) in tables.student.iter().zip(1..) {
        add(&mut weights, part.name, &part.layers, number);
    }
    Weights(weights)
}

fn add(weights: &mut BTreeMap<String, WeightTensor>, name: &str, layers: &Layers, tag: usize) {
    for (index, (number, shape)) in layer::convolutions(layers).enumerate() {
        let weight = WeightTensor {
            shape: shape.to_vec(),
            values: formula::weight(shape, index, tag),
        };
        let bias = WeightTensor {
            shape: vec![shape[0]],
            values: formula::bias(shape[0], index, tag),
        };
        weights.insert(format!("{name}.{number}.weight"), weight);
        weights.insert(format!("{name}.{number}.bias"), bias);
    }
}
