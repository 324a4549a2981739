//! The networks compared with an independent implementation and with the paper's parameter counts.

use inspectd_test_support::reference_data;
use mhkd::fit::checkpoint::Checkpoint;
use mhkd::network::architecture::{Architecture, Method};
use mhkd::network::input_size::InputSize;
use mhkd::network::net::Mode;
use mhkd::network::preset::Preset;
use mhkd::network::student::{LossWeights, Student, StudentFeatures, losses};
use mhkd::network::teacher::{Teacher, TeacherNetwork};
use tch::{Device, IndexOp, Kind, Tensor};

use crate::support::{formula, models, relative_difference, tensors};

/// Largest accepted difference between two f32 implementations, as a fraction of the largest value.
const TOLERANCE: f64 = 1e-3;

fn checkpoint(architecture: &Architecture) -> Checkpoint {
    let mut checkpoint = Checkpoint::default();
    for (name, tensor) in models::weights(architecture).0 {
        let values = Tensor::from_slice(&tensor.values);
        checkpoint.insert(name, &values.reshape(tensor.shape));
    }
    checkpoint
}

fn formula_networks(architecture: &Architecture) -> (TeacherNetwork, Student) {
    let checkpoint = checkpoint(architecture);
    let teacher = TeacherNetwork::untrained(architecture, Device::Cpu).expect("a teacher");
    let student = Student::new(architecture, true, Device::Cpu);
    checkpoint
        .restore(teacher.tensors())
        .expect("formula weights of the teacher");
    checkpoint
        .restore(student.tensors())
        .expect("formula weights of the student");
    (teacher, student)
}

/// The reference contains every 16th channel and, of the larger features, every fourth row and column.
fn thinned(features: &Tensor, rows: i64) -> Tensor {
    let every = |length: i64, step: i64| {
        Tensor::arange_start_step(0, length, step, (Kind::Int64, Device::Cpu))
    };
    let size = features.size();
    let channels = features.index_select(1, &every(size[1], 16));
    channels
        .index_select(2, &every(size[2], rows))
        .index_select(3, &every(size[3], rows))
}

#[test]
fn medium_networks_agree_with_the_reference() {
    let reference = reference_data("network-reference/mhkd-256.safetensors");
    let reference = tensors(&reference);
    let architecture = models::architecture(Preset::Medium, 256, true);
    let (net, student) = formula_networks(&architecture);
    let x = Tensor::from_slice(&formula::image(256)).reshape([1, 3, 256, 256]);
    let check = |name: &str, actual: &Tensor| {
        let expected = &reference[name];
        let difference = relative_difference(&actual.reshape(expected.size()), expected);
        assert!(difference <= TOLERANCE, "{name}: {difference:e}");
    };
    let raw = net.features(&x);
    let mut statistics = mhkd::teacher::statistics::ChannelStatistics::new(384);
    statistics.add(&raw);
    let (mean, std) = statistics.finish().expect("every channel varies");
    check("teacher_mean", &mean);
    check("teacher_std", &std);
    let teacher = Teacher::new(net, &mean, &std);
    let f_t = teacher.forward(&x);
    let features = tch::no_grad(|| student.forward(&x, Mode::Evaluate));
    check("f_t", &thinned(&f_t, 4));
    check("f_l", &thinned(&features.low, 4));
    check("f_s", &thinned(&features.structural, 4));
    check("f_g", &thinned(&features.logical, 4));
    let high = features.high.as_ref().expect("MHKD has f_h");
    check("f_h", &thinned(high, 1));
    let maps = student.maps(&f_t, &features);
    check("structural_map", &maps.structural);
    check("logical_map", &maps.logical);
    let losses = losses(&f_t, &features, LossWeights::default(), None);
    let all = [
        losses.structural,
        losses.logical,
        losses.self_distillation,
        losses.total,
    ];
    check("losses", &Tensor::stack(&all, 0));
}

#[test]
fn presets_have_their_documented_sizes() {
    let of = |preset| {
        let architecture = models::architecture(preset, 256, true);
        (
            architecture.parameters() as f64 / 1e6,
            2.0 * architecture.macs() as f64 / 1e9,
        )
    };
    let (parameters, gflop) = of(Preset::Medium);
    assert!(
        (parameters - 37.3).abs() < 0.1 && (gflop - 236.0).abs() < 1.0,
        "{parameters} M, {gflop} GFLOP"
    );
    let (_, gflop) = of(Preset::Small);
    assert!(gflop <= 80.0, "{gflop} GFLOP");
    let (parameters, _) = of(Preset::Tiny);
    assert!(parameters < 3.0, "{parameters} M");
    let (parameters, gflop) = of(Preset::Standard);
    assert!(
        parameters < 7.5 && gflop < 8.0,
        "{parameters} M, {gflop} GFLOP"
    );
    let (parameters, gflop) = of(Preset::Edge);
    assert!(
        parameters < 4.5 && gflop < 5.0,
        "{parameters} M, {gflop} GFLOP"
    );
}

#[test]
fn features_have_a_quarter_of_every_input_size() {
    for side in (128..=512).step_by(32) {
        for padded in [true, false] {
            let architecture = models::architecture(Preset::Tiny, side, padded);
            let (net, student) = formula_networks(&architecture);
            let x = Tensor::zeros([1, 3, side, side], (Kind::Float, Device::Cpu));
            tch::no_grad(|| {
                let StudentFeatures {
                    low,
                    high,
                    structural,
                    logical,
                } = student.forward(&x, Mode::Evaluate);
                for features in [&net.features(&x), &low, &structural, &logical] {
                    assert_eq!(
                        features.size(),
                        [1, 128, side / 4, side / 4],
                        "{side}, padded: {padded}"
                    );
                }
                let high = high.expect("MHKD has f_h");
                assert_eq!(high.size()[2..], [side / 16, side / 16]);
            });
        }
    }
}

#[test]
fn features_and_maps_of_a_rectangle_have_its_aspect() {
    for (preset, stride) in [(Preset::Tiny, 4), (Preset::Standard, 8), (Preset::Edge, 8)] {
        for method in [
            Method::Mhkd,
            Method::EfficientAd,
            Method::UninformedStudents,
        ] {
            let architecture = Architecture {
                input_size: InputSize::new(224, 96).expect("multiples of 32"),
                method,
                ..models::architecture(preset, 256, true)
            };
            let (net, student) = formula_networks(&architecture);
            let channels = ones(architecture.features());
            let teacher = Teacher::new(net, &(&channels * 0.0), &channels);
            let unit = Tensor::rand([1, 3, 96, 224], (Kind::Float, Device::Cpu));
            let x = teacher.input(&unit);
            let f_t = teacher.forward(&x);
            let sides = [96 / stride, 224 / stride];
            assert_eq!(architecture.map_sides(), sides);
            assert_eq!(
                f_t.size()[1..],
                [architecture.features(), sides[0], sides[1]]
            );
            let features = tch::no_grad(|| student.forward(&x, Mode::Evaluate));
            let maps = student.maps(&f_t, &features);
            assert_eq!(maps.structural.size(), [1, sides[0], sides[1]]);
            assert_eq!(maps.logical.size(), [1, sides[0], sides[1]]);
        }
    }
}

fn ones(channels: i64) -> Tensor {
    Tensor::ones([channels], (Kind::Float, Device::Cpu))
}

#[test]
fn unpadded_teacher_agrees_with_the_padded_one_away_from_the_border() {
    let padded = models::architecture(Preset::Tiny, 128, true);
    let unpadded = models::architecture(Preset::Tiny, 128, false);
    let x = Tensor::from_slice(&formula::image(128)).reshape([1, 3, 128, 128]);
    let centre = |architecture: &Architecture| {
        let (net, _) = formula_networks(architecture);
        net.features(&x)
    };
    let (padded, unpadded) = (centre(&padded), centre(&unpadded));
    assert_eq!(padded.size(), unpadded.size());
    // The same weights at another phase of the strides: similar statistics, different values.
    let mean = |features: &Tensor| {
        features
            .i((.., .., 8..24, 8..24))
            .mean_dim([2, 3].as_slice(), false, Kind::Float)
    };
    let difference = relative_difference(&mean(&unpadded), &mean(&padded));
    assert!(difference < 0.1, "{difference}");
}

#[test]
fn self_distillation_gradients_reach_both_operands_but_not_the_teacher() {
    let architecture = models::architecture(Preset::Tiny, 128, true);
    let (net, student) = formula_networks(&architecture);
    let ones = ones(128);
    let teacher = Teacher::new(net, &(&ones * 0.0), &ones);
    let x = Tensor::from_slice(&formula::image(128)).reshape([1, 3, 128, 128]);
    let f_t = teacher.forward(&x);
    assert!(!f_t.requires_grad());
    let only_self = LossWeights {
        alpha: 0.0,
        beta: 0.0,
        gamma: 1.0,
    };
    losses(&f_t, &student.forward(&x, Mode::Train), only_self, None)
        .total
        .backward();
    for (name, tensor) in student.tensors() {
        let learns = tensor.grad().defined() && tensor.grad().abs().max().double_value(&[]) > 0.0;
        assert_eq!(learns, !name.starts_with("ldecoder"), "{name}");
    }
}

#[test]
fn efficient_ad_has_the_sizes_that_the_paper_reports() {
    let of = |preset, padded| Architecture {
        method: Method::EfficientAd,
        ..models::architecture(preset, 256, padded)
    };
    let millions = |architecture: &Architecture| architecture.parameters() as f64 / 1e6;
    // Table V: 21 M parameters. Its 235 GFLOP are for networks without padding at 256x256, whose features
    // have a side of 56.
    let medium = millions(&of(Preset::Medium, true));
    assert!((medium - 21.0).abs() < 0.5, "{medium} M");
    // The appendix of EfficientAD gives 8 M parameters for the small network.
    let small = millions(&of(Preset::Small, true));
    assert!((small - 8.0).abs() < 0.5, "{small} M");
    for side in (128..=512).step_by(32) {
        let architecture = Architecture {
            method: Method::EfficientAd,
            ..models::architecture(Preset::Tiny, side, side % 64 == 0)
        };
        let (_, student) = formula_networks(&architecture);
        let x = Tensor::zeros([1, 3, side, side], (Kind::Float, Device::Cpu));
        let features = tch::no_grad(|| student.forward(&x, Mode::Evaluate));
        // Without padding, the features do not reach the border: 56 instead of 64 cells at 256 pixels.
        let cells = if side % 64 == 0 {
            side / 4
        } else {
            side / 4 - 8
        };
        assert_eq!(architecture.map_sides(), [side / 4; 2]);
        for features in [&features.low, &features.structural, &features.logical] {
            assert_eq!(features.size(), [1, 128, cells, cells], "{side}");
        }
        assert!(features.high.is_none());
    }
}
