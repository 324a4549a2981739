//! Tests of the embedding against its reference, and of the channel statistics against their definition.

use std::path::Path;

use inspectd_test_support::{onnx_runtime, reference_data, require};
use mhkd::backbone::{Backbone, LiteVariant, shipped};
use mhkd::network::layer_tables::Padding;
use mhkd::network::net::Net;
use mhkd::teacher::crops::{self, CropSettings};
use mhkd::teacher::embedding::Embedding;
use mhkd::teacher::file::TeacherFile;
use mhkd::teacher::shipped_pdn;
use mhkd::teacher::statistics::ChannelStatistics;
use mhkd::teacher::targets::Targets;
use mhkd::tensors::{self as frames, InputNormalisation};
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

#[test]
fn targets_of_onnx_runtime_are_the_embeddings_of_libtorch() {
    require!(onnx_runtime());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let frame = inspectd_simulator::clutter::clutter(3, 1, 256, 256);
    let path = folder.path().join("image.png");
    image::save_buffer(&path, frame.rgb(), 256, 256, image::ColorType::Rgb8).expect("written");
    let backbone = || {
        let net = shipped::load(LiteVariant::Lite0).expect("shipped");
        Backbone::EfficientNetLite(Box::new(net))
    };
    let (features, side) = (128, 128);
    let mut targets = Targets::new(backbone(), vec![path], (features, side), 0, Device::Cpu)
        .expect("ONNX Runtime is available");
    let x = InputNormalisation::Half.apply(&frames::unit(&[&frame], Device::Cpu));
    let expected = tch::no_grad(|| {
        let net = backbone();
        Embedding::new(net.channels(), features, Device::Cpu).apply(&net.stages(&x))
    });
    let actual = targets.target(0, false, [0, 0, 32]).expect("an image");
    // Targets are rounded to 16 bits.
    let difference = relative_difference(&actual, &expected);
    assert!(difference < 1e-3, "{difference:e}");
}

#[test]
fn shipped_teacher_has_weights_of_16_bits_and_a_second_rounding_changes_nothing() {
    let teacher = shipped_pdn::load().expect("shipped");
    assert!(
        shipped_pdn::FILE.len() < 6_000_000,
        "{} bytes",
        shipped_pdn::FILE.len()
    );
    assert!(
        teacher
            .description
            .starts_with("small distilled from efficientnet_lite2")
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("again.safetensors");
    teacher.save_half(&path).expect("written");
    // The order of the metadata in a file is not fixed.
    let length = std::fs::metadata(&path).expect("written").len();
    assert_eq!(length, shipped_pdn::FILE.len() as u64);
    let again = TeacherFile::load(&path).expect("a teacher");
    let nets =
        [&teacher, &again].map(|file| file.net(Padding::Zeros, Device::Cpu).expect("complete"));
    let [one, two] = nets.each_ref().map(Net::tensors);
    for ((name, one), (_, two)) in one.zip(two) {
        assert!(one.equal(two), "{name}");
    }
}

#[test]
fn training_images_are_cut_from_all_photographs_and_depend_on_the_seed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).expect("a folder");
    let save = |name: &str, width, height| {
        let frame = inspectd_simulator::clutter::clutter(1, u64::from(width), width, height);
        let path = pictures.join(name);
        image::save_buffer(&path, frame.rgb(), width, height, image::ColorType::Rgb8)
            .expect("written");
    };
    save("wide.png", 200, 100);
    save("tall.png", 90, 150);
    let write = |name: &str, seed| {
        let settings = CropSettings {
            side: 64,
            crops: 5,
            generated: 2,
            seed,
        };
        let out = folder.path().join(name);
        crops::write(&pictures, &out, settings).map(|()| out)
    };
    let names = |out: &Path| {
        let mut names: Vec<String> = std::fs::read_dir(out)
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    };
    let [one, again, other] = [("one", 1), ("again", 1), ("other", 2)]
        .map(|(name, seed)| write(name, seed).expect("written"));
    let expected = ["clutter-00000.png", "clutter-00001.png", "crop-00000.png"];
    assert_eq!(names(&one)[..3], expected);
    assert_eq!(names(&one).len(), 7);
    for name in names(&one) {
        let read = |out: &Path| image::open(out.join(&name)).expect("an image").into_rgb8();
        assert_eq!(read(&one).dimensions(), (64, 64));
        assert!(read(&one) == read(&again), "{name}");
        assert!(read(&one) != read(&other), "{name}");
    }
    let occupied = write("one", 1).expect_err("not empty").to_string();
    assert!(occupied.contains("must be empty"), "{occupied}");
    save("small.png", 60, 200);
    let small = write("small", 1).expect_err("too small").to_string();
    assert!(
        small.contains("small.png: 60x200 pixels; both sides must be at least 64"),
        "{small}"
    );
}
