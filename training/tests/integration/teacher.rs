//! Tests of the embedding against its reference, and of the channel statistics against their definition.

use inspectd_test_support::reference_data;
use mhkd::teacher::embedding::Embedding;
use mhkd::teacher::statistics::ChannelStatistics;
use tch::{Device, Kind, Tensor};

use crate::support::{relative_difference, tensors};

#[test]
fn embedding_agrees_with_the_reference() {
    let reference = reference_data("network-reference/embedding.safetensors");
    let mut reference = tensors(&reference);
    let mut take = |name: &str| reference.remove(name).expect("a tensor of the reference");
    let stages = [take("layer_a"), take("layer_b")];
    let actual = Embedding::new([256, 384], 384, Device::Cpu).apply(&stages);
    let difference = relative_difference(&actual, &take("embedding"));
    assert!(difference <= 1e-5, "{difference:e}");
}

#[test]
fn statistics_of_batches_equal_the_statistics_of_all_values() {
    tch::manual_seed(1);
    // With a mean far from zero, a sum of squares would lose precision.
    let features = Tensor::randn([6, 3, 5, 7], (Kind::Float, Device::Cpu)) * 0.5 + 300.0;
    let mut statistics = ChannelStatistics::new(3);
    for (start, length) in [(0, 1), (1, 3), (4, 2)] {
        statistics.add(&features.narrow(0, start, length));
    }
    let (mean, std) = statistics.finish().expect("no channel is constant");
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
fn constant_channel_is_rejected_with_its_index() {
    let mut statistics = ChannelStatistics::new(2);
    let varying = Tensor::rand([1, 1, 4, 4], (Kind::Float, Device::Cpu));
    statistics.add(&Tensor::cat(
        &[varying.shallow_clone(), varying.zeros_like()],
        1,
    ));
    let error = statistics
        .finish()
        .expect_err("channel 1 is constant")
        .to_string();
    assert!(
        error.starts_with("channel 1 has standard deviation 0"),
        "{error}"
    );
}
