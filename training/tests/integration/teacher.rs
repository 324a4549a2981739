//! What a teacher learns, against the reference, and its statistics against their definition.

use inspectd_test_support::reference_data;
use mhkd::teacher::embedding::Embedding;
use mhkd::teacher::statistics::ChannelStatistics;
use tch::{Device, Kind, Tensor};

use crate::support::{relative_difference, tensors};

#[test]
fn the_embedding_agrees_with_its_reference() {
    let reference = reference_data("network-reference/embedding.safetensors");
    let mut reference = tensors(&reference);
    let mut take = |name: &str| reference.remove(name).expect("a tensor of the reference");
    let stages = [take("layer_a"), take("layer_b")];
    let actual = Embedding::new([256, 384], 384, Device::Cpu).apply(&stages);
    let difference = relative_difference(&actual, &take("embedding"));
    assert!(difference <= 1e-5, "{difference:e}");
}

#[test]
fn statistics_in_parts_are_those_of_all_at_once() {
    tch::manual_seed(1);
    // A mean far from zero is where a sum of squares would lose its digits.
    let features = Tensor::randn([6, 3, 5, 7], (Kind::Float, Device::Cpu)) * 0.5 + 300.0;
    let mut statistics = ChannelStatistics::new(3);
    for (start, length) in [(0, 1), (1, 3), (4, 2)] {
        statistics.add(&features.narrow(0, start, length));
    }
    let (mean, std) = statistics.finish().expect("every channel varies");
    let all = features
        .to_kind(Kind::Double)
        .permute([1, 0, 2, 3])
        .reshape([3, -1]);
    let expected = all.mean_dim([1].as_slice(), false, Kind::Double);
    let deviation = all.std_dim([1].as_slice(), false, false);
    assert!(relative_difference(&mean.to_kind(Kind::Double), &expected) < 1e-7);
    assert!(relative_difference(&std.to_kind(Kind::Double), &deviation) < 1e-6);
}

#[test]
fn a_dead_channel_is_named() {
    let mut statistics = ChannelStatistics::new(2);
    let alive = Tensor::rand([1, 1, 4, 4], (Kind::Float, Device::Cpu));
    statistics.add(&Tensor::cat(
        &[alive.shallow_clone(), alive.zeros_like()],
        1,
    ));
    let error = statistics
        .finish()
        .expect_err("nothing varies in channel 1")
        .to_string();
    assert!(
        error.starts_with("channel 1 has standard deviation 0"),
        "{error}"
    );
}
