//! Import of public teachers: the names of nelson1425/EfficientAD and of anomalib give the same teacher file.

use std::path::{Path, PathBuf};

use mhkd::network::layer_tables::Padding;
use mhkd::network::preset::Pdn;
use mhkd::teacher::file::{TeacherFile, TeacherVariant};
use mhkd::teacher::import::import;
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

use crate::support::tensors;

/// Convolutions of PDN-S: index in a `Sequential`, name in anomalib, shape of the weight.
const SMALL: [(&str, &str, [i64; 4]); 4] = [
    ("0", "conv1", [128, 3, 4, 4]),
    ("3", "conv2", [256, 128, 4, 4]),
    ("6", "conv3", [256, 256, 3, 3]),
    ("8", "conv4", [384, 256, 4, 4]),
];

/// Convolutions of PDN-M: index in a `Sequential`, shape of the weight.
const MEDIUM: [(&str, [i64; 4]); 6] = [
    ("0", [256, 3, 4, 4]),
    ("3", [512, 256, 4, 4]),
    ("6", [512, 512, 1, 1]),
    ("8", [512, 512, 3, 3]),
    ("10", [384, 512, 4, 4]),
    ("12", [384, 384, 1, 1]),
];

/// Name, shape and value of a tensor in a checkpoint; all values of a tensor are equal.
type Stored = (String, Vec<i64>, i64);

/// Weights and biases of `layers` with the values 1, 2, ... in order.
fn contents<'a>(layers: impl IntoIterator<Item = (&'a str, [i64; 4])>) -> Vec<Stored> {
    let tensors = layers.into_iter().flat_map(|(name, shape)| {
        [
            (format!("{name}.weight"), shape.to_vec()),
            (format!("{name}.bias"), shape[..1].to_vec()),
        ]
    });
    let numbered = tensors.zip(1..);
    numbered
        .map(|((name, shape), value)| (name, shape, value))
        .collect()
}

/// Contents of a teacher file of PDN-S.
fn small() -> Vec<Stored> {
    contents(SMALL.map(|(index, _, shape)| (index, shape)))
}

/// Contents of a checkpoint of PDN-S with the layer names of anomalib.
fn small_of_anomalib() -> Vec<Stored> {
    contents(SMALL.map(|(_, name, shape)| (name, shape)))
}

fn write(folder: &TempDir, contents: &[Stored]) -> PathBuf {
    let path = folder.path().join("checkpoint.safetensors");
    let tensors: Vec<(&str, Tensor)> = contents
        .iter()
        .map(|(name, shape, value)| {
            let tensor = Tensor::full(shape.as_slice(), *value, (Kind::Float, Device::Cpu));
            (name.as_str(), tensor)
        })
        .collect();
    Tensor::write_safetensors(&tensors, &path).expect("written");
    path
}

fn variant(preset: Pdn) -> TeacherVariant {
    TeacherVariant {
        preset,
        padded: true,
    }
}

/// Imports the checkpoint at `path` and checks the contents of the teacher file. Returns the summary.
fn assert_imported(path: &Path, preset: Pdn, expected: Vec<Stored>) -> String {
    let folder = TempDir::new().expect("a temporary folder");
    let out = folder.path().join("teacher.safetensors");
    let summary = import(path, variant(preset), &out).expect("a teacher");
    let mut found = tensors(&out);
    assert_eq!(found.len(), expected.len());
    for (name, shape, value) in expected {
        let tensor = found.remove(&name).expect("a tensor of the teacher");
        assert_eq!(tensor.size(), shape, "{name}");
        let extremes = [tensor.min(), tensor.max()].map(|extreme| extreme.double_value(&[]) as i64);
        assert_eq!(extremes, [value; 2], "{name}");
    }
    let file = TeacherFile::load(&out).expect("a teacher file");
    assert_eq!(file.variant, variant(preset));
    file.net(Padding::Zeros, Device::Cpu)
        .expect("the tensors of its preset");
    summary
}

/// Error message of the import of `contents`, after the name of the file. No teacher file is written.
fn import_error(contents: &[Stored], preset: Pdn) -> String {
    let folder = TempDir::new().expect("a temporary folder");
    let path = write(&folder, contents);
    let out = folder.path().join("teacher.safetensors");
    let error = import(&path, variant(preset), &out).expect_err("not this teacher");
    assert!(!out.exists());
    let message = format!("{error:#}");
    let rest = message.strip_prefix(&format!("{}: ", path.display()));
    rest.expect("the message starts with the file").to_owned()
}

#[test]
fn names_of_a_sequential_and_of_anomalib_give_the_same_teacher() {
    let folder = TempDir::new().expect("a temporary folder");
    for prefix in ["", "module.", "model.teacher."] {
        for (stored, naming) in [
            (small(), ""),
            (small_of_anomalib(), ", layer names of anomalib"),
        ] {
            let prefixed = stored
                .into_iter()
                .map(|(name, shape, value)| (format!("{prefix}{name}"), shape, value));
            let path = write(&folder, &prefixed.collect::<Vec<_>>());
            let summary = assert_imported(&path, Pdn::Small, small());
            let removed = match prefix {
                "" => String::new(),
                prefix => format!(", removed name prefix {prefix:?}"),
            };
            let expected = format!("8 tensors, 2694144 parameters in f32{removed}{naming}");
            assert!(summary.ends_with(&expected), "{summary}");
        }
    }
}

#[test]
fn state_dicts_of_both_public_programs_are_imported() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    assert_imported(&fixtures.join("sequential_small.pth"), Pdn::Small, small());
    let medium = fixtures.join("anomalib_medium.pth");
    assert_imported(&medium, Pdn::Medium, contents(MEDIUM));
}

#[test]
fn tensor_of_a_wrong_shape_is_named_with_what_was_expected_and_found() {
    let mut stored = small_of_anomalib();
    stored[4].1 = vec![256, 256, 4, 4];
    let message = import_error(&stored, Pdn::Small);
    assert!(
        message.starts_with(
            "does not contain the teacher of preset small: the checkpoint does not match the network: \
             conv3.weight has shape [256, 256, 4, 4], expected [256, 256, 3, 3]; expected: \
             conv1.weight [128, 3, 4, 4], conv1.bias [128], "
        ),
        "{message}"
    );
    let (_, found) = message.split_once("; found: ").expect("what was found");
    assert!(found.starts_with("conv1.bias [128], conv1.weight [128, 3, 4, 4], "));
    assert!(found.ends_with("conv4.weight [384, 256, 4, 4]"), "{found}");
}

#[test]
fn missing_tensor_is_named_as_in_the_checkpoint() {
    let mut stored = small_of_anomalib();
    stored.remove(1);
    let message = import_error(&stored, Pdn::Small);
    assert!(message.contains("missing conv1.bias; "), "{message}");
    let mut stored = small();
    stored.remove(1);
    let message = import_error(&stored, Pdn::Small);
    assert!(message.contains("missing 0.bias; "), "{message}");
}

#[test]
fn teacher_of_another_preset_is_named() {
    assert_eq!(
        import_error(&small_of_anomalib(), Pdn::Medium),
        "does not contain the teacher of preset medium: its shapes are those of preset small"
    );
}

#[test]
fn long_checkpoint_is_listed_in_part() {
    let layers: Vec<String> = (1..=20)
        .map(|number| format!("layer{number}.conv1"))
        .collect();
    let stored = contents(layers.iter().map(|name| (name.as_str(), [1, 1, 1, 1])));
    let message = import_error(&stored, Pdn::Small);
    assert!(message.ends_with(" and 28 more"), "{message}");
}
