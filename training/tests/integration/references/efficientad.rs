//! `EfficientAD` without padding compared with its reference: features, maps, losses and the combined map.

use std::collections::BTreeMap;
use std::path::Path;

use inspectd_core::maps::{MapCalibration, MapSize, Quantiles, combine};
use inspectd_test_support::reference_data;
use mhkd::calibrate::framed;
use mhkd::fit::checkpoint::{Checkpoint, host};
use mhkd::network::architecture::{Architecture, Method};
use mhkd::network::input_size::InputSize;
use mhkd::network::net::Mode;
use mhkd::network::preset::Preset;
use mhkd::network::student::{LossWeights, Student, StudentFeatures, losses};
use mhkd::network::teacher::{Teacher, TeacherNetwork};
use mhkd::teacher::statistics::ChannelStatistics;
use mhkd::train::objective::HARD_QUANTILE;
use tch::{Device, Kind, Tensor};

use super::{convolution_bound, uniform};
use crate::support::{relative_difference, tensors};

/// Largest accepted difference, as a fraction of the largest value. f32 differs from the f64 of the reference
/// by 2e-6.
const TOLERANCE: f64 = 1e-5;

/// Cells along each side of the features, and of the zero border that makes a map a quarter of the image.
const CELLS: usize = 56;
const BORDER: usize = 4;

/// The published method: 256x256 pixels, no padding in teacher and student.
fn published(preset: Preset) -> Architecture {
    let size = InputSize::square(256).expect("a multiple of 32");
    Architecture {
        method: Method::EfficientAd,
        ..Architecture::mhkd(preset, size, false)
    }
}

/// Gives the tensors the formula's values for their names.
fn set_formula_weights<'a>(tensors: impl Iterator<Item = (String, &'a Tensor)>) {
    let targets: BTreeMap<String, &Tensor> = tensors.collect();
    let mut checkpoint = Checkpoint::default();
    for (name, tensor) in &targets {
        let shape = tensor.size();
        let bound = if name.ends_with("weight") {
            convolution_bound(&shape)
        } else {
            0.1
        };
        checkpoint.insert(name.clone(), &uniform(name, &shape, 0.0, bound));
    }
    let restored = checkpoint.restore(targets.into_iter());
    restored.expect("a tensor for every name");
}

/// The tensors of a reference file.
struct Reference(BTreeMap<String, Tensor>);

impl Reference {
    fn read(path: &Path) -> Self {
        Self(tensors(path))
    }

    fn check(&self, name: &str, actual: &Tensor) {
        let expected = &self.0[name];
        let difference = relative_difference(&actual.reshape(expected.size()), expected);
        assert!(difference <= TOLERANCE, "{name}: {difference:e}");
    }

    /// Compares the means over the cells, and every 16th channel of every fifth row and column.
    fn check_features(&self, name: &str, actual: &Tensor) {
        let cells = CELLS as i64;
        assert_eq!(actual.size(), [1, 384, cells, cells], "{name}");
        let means = actual.mean_dim([0, 2, 3].as_slice(), false, Kind::Float);
        self.check(&format!("{name}.means"), &means);
        let every = |length: i64, step: i64| {
            Tensor::arange_start_step(0, length, step, (Kind::Int64, Device::Cpu))
        };
        let samples = actual
            .index_select(1, &every(384, 16))
            .index_select(2, &every(cells, 5))
            .index_select(3, &every(cells, 5));
        self.check(&format!("{name}.samples"), &samples);
    }

    /// Each loss has a scale of its own.
    fn check_losses(&self, f_t: &Tensor, features: &StudentFeatures) {
        let losses = losses(f_t, features, LossWeights::default(), Some(HARD_QUANTILE));
        let actual = [losses.structural, losses.logical, losses.self_distillation];
        for (index, actual) in (0..).zip(actual) {
            let difference = relative_difference(&actual, &self.0["losses"].get(index));
            assert!(difference <= TOLERANCE, "loss {index}: {difference:e}");
        }
    }

    fn calibration(&self) -> MapCalibration {
        let values = host(&self.0["quantiles"]);
        let quantiles = |start: usize| {
            Quantiles::try_new(values[start], values[start + 1]).expect("an ascending pair")
        };
        MapCalibration {
            structural: quantiles(0),
            logical: Some(quantiles(2)),
            weights: [0.5, 0.5],
        }
    }
}

fn check_method(preset: Preset, file: &str) {
    let reference = Reference::read(&reference_data(&format!("efficientad-reference/{file}")));
    let architecture = published(preset);
    let network = TeacherNetwork::untrained(&architecture, Device::Cpu).expect("a PDN");
    let student = Student::new(&architecture, true, Device::Cpu);
    set_formula_weights(network.tensors());
    set_formula_weights(student.tensors());
    let x = uniform("image", &[1, 3, 256, 256], 0.0, 2.0);

    let raw = network.features(&x);
    let mut statistics = ChannelStatistics::new(384);
    statistics.add(&raw);
    let (mean, std) = statistics.finish().expect("every channel varies");
    reference.check_features("teacher", &raw);
    reference.check("teacher.stds", &std);

    let f_t = Teacher::new(network, &mean, &std).forward(&x);
    let features = tch::no_grad(|| student.forward(&x, Mode::Evaluate));
    reference.check_features("student_teacher", &features.structural);
    reference.check_features("student_autoencoder", &features.low);
    reference.check_features("autoencoder", &features.logical);
    reference.check_losses(&f_t, &features);

    let maps = student.maps(&f_t, &features);
    reference.check("map_st", &maps.structural);
    reference.check("map_ae", &maps.logical);
    let combined = combine(
        &host(&maps.structural),
        &host(&maps.logical),
        &reference.calibration(),
    );
    let framed = framed(&combined, MapSize::square(CELLS), BORDER, 0.0);
    reference.check("map_combined", &Tensor::from_slice(&framed));
}

#[test]
fn small_networks_without_padding_agree_with_the_published_method() {
    check_method(Preset::Small, "pdn-s.safetensors");
}

#[test]
fn medium_networks_without_padding_agree_with_the_published_method() {
    check_method(Preset::Medium, "pdn-m.safetensors");
}
