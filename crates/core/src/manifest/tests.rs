use proptest::prelude::*;

use super::*;

const FILE: &str = "bundle/manifest.toml";

/// A manifest as the trainer writes it.
const TEXT: &str = r#"
format_version = 1
name = "bottle"
version = "2026.1"

[graph]
file = "model.onnx"
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

[input]
width = 256
height = 256
colour_order = "rgb"
resize = "bilinear-antialiased"

[maps]
width = 64
height = 64
weights = [1.0, 1.0]
structural = { a = 0.25, b = 0.5 }
logical = { a = 0.125, b = 0.75 }

[scores]
count = 3
mean = 0.2
std = 0.1
sorted = [0.1, 0.2, 0.3]
quantiles = [{ fraction = 0.5, score = 0.2 }, { fraction = 0.9, score = 0.3 }]

[threshold]
value = 0.35
false_reject_rate = 0.01
method = "the 0.99 quantile of the validation scores"

[provenance]
created = 2026-01-31T08:00:00Z
dataset_layout = "mvtec-ad"
category = "bottle"
dataset_fingerprint = "5d41402a"
preset = "medium"
steps = 80000
seed = 42
code_version = "0.1.0"

[provenance.teacher]
description = "PDN-M"
sha256 = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

[provenance.hyper_parameters]
learning_rate = 1e-4
loss_weights = [1.0, 1.0, 2.0]

[parity]
images = 4
largest_absolute = 1e-5
largest_relative = 1e-6
onnxruntime_version = "1.31.1"
libtorch_version = "2.11.0"
"#;

/// Returns the contents of a valid manifest for this graph.
pub(crate) fn example(graph: &[u8]) -> Contents {
    let mut contents = parse(TEXT).expect("the text is valid").0;
    contents.graph.sha256 = crate::bundle::sha256(graph);
    contents
}

/// A valid variant with this graph in 8 bits, and another threshold than the example.
pub(crate) fn variant(graph: &[u8]) -> Variant {
    let main = example(b"graph");
    Variant {
        file: "model.int8.onnx".to_owned(),
        sha256: crate::bundle::sha256(graph),
        maps: main.maps,
        scores: main.scores,
        threshold: Threshold {
            value: 0.625,
            ..main.threshold
        },
        parity: Int8Parity {
            calibration_images: 64,
            images: 16,
            largest_relative: 0.02,
            mean_relative: 0.001,
            map_correlation: 0.999,
            score_correlation: None,
            defect_auroc: Some(DefectAuroc {
                main: 0.98,
                variant: 0.979,
            }),
        },
    }
}

#[test]
fn faults_of_a_variant_are_reported_with_its_key() {
    let check = |change: fn(&mut Variant), part: &str| {
        let mut contents = example(b"graph");
        let mut variant = variant(b"int8");
        change(&mut variant);
        contents.variants.insert(Precision::Int8, variant);
        let faults = Manifest::try_new(contents).expect_err(part);
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(
            faults.iter().any(|fault| fault.starts_with(part)),
            "{faults:?}"
        );
    };
    check(
        |v| v.file = "other.onnx".into(),
        "variants.int8.file: \"other.onnx\", must be \"model.int8.onnx\"",
    );
    check(|v| v.sha256 = "12".into(), "variants.int8.sha256: ");
    check(|v| v.maps.width += 1, "variants.int8.maps: ");
    check(|v| v.scores.count = 0, "variants.int8.scores.count: 0");
    check(
        |v| v.threshold.value = f32::NAN,
        "variants.int8.threshold.value: NaN",
    );
    check(
        |v| v.parity.map_correlation = 2.0,
        "variants.int8.parity.map_correlation: 2.0",
    );
    let auroc = |v: &mut Variant| {
        v.parity.defect_auroc = Some(DefectAuroc {
            main: 1.5,
            variant: 1.0,
        });
    };
    check(auroc, "variants.int8.parity.defect_auroc.main: 1.5");
    let mut contents = example(b"graph");
    contents.variants.insert(Precision::F32, variant(b"int8"));
    let faults = Manifest::try_new(contents).expect_err("a second graph in f32");
    assert!(faults[0].key == "variants.f32", "{faults:?}");
}

fn parse(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(Path::new(FILE), text)
}

#[test]
fn valid_manifest_is_parsed() {
    let manifest = parse(TEXT).expect("the text is valid");
    assert_eq!(manifest.name, "bottle");
    let logical = Quantiles { a: 0.125, b: 0.75 };
    assert_eq!(manifest.maps.logical, Some(logical));
    assert_eq!(
        manifest.provenance.hyper_parameters["learning_rate"].as_float(),
        Some(1e-4)
    );
}

/// Replaces `from` by `to`, and expects an error message with the file name and each of `parts`.
fn check(from: &str, to: &str, parts: &[&str]) {
    assert!(TEXT.contains(from), "no {from:?} to replace");
    let error = parse(&TEXT.replacen(from, to, 1)).expect_err(to);
    let message = error.to_string();
    for part in parts.iter().chain(&[FILE]) {
        assert!(message.contains(part), "{to}: no {part:?} in {message:?}");
    }
}

#[test]
fn invalid_value_is_reported_with_its_key_and_the_allowed_values() {
    check(
        "format_version = 1",
        "format_version = 2",
        &["format_version: 2", "must be 1"],
    );
    check(
        "format_version = 1",
        "",
        &["format_version: absent", "must be 1"],
    );
    check(
        "\"bottle\"",
        "\"../bottle\"",
        &["name: \"../bottle\"", "letters"],
    );
    check(
        "model.onnx",
        "../other.onnx",
        &["graph.file", "must be \"model.onnx\""],
    );
    check("\"0123", "\"0123F", &["graph.sha256", "64 lower-case"]);
    check("width = 256", "width = 0", &["input.width: 0", "1 to 4096"]);
    check(
        "width = 64",
        "width = 5000",
        &["maps.width: 5000", "1 to 4096"],
    );
    check("[1.0, 1.0]", "[0.0, 0.0]", &["maps.weights", "not both 0"]);
    check("a = 0.25", "a = nan", &["maps.structural.a: NaN", "finite"]);
    check(
        "a = 0.25, b = 0.5",
        "a = 0.5, b = 0.5",
        &["maps.structural.b: 0.5", "above maps.structural.a = 0.5"],
    );
    check("b = 0.75", "b = 1e300", &["maps.logical.b: inf", "finite"]);
    check("count = 3", "count = 4", &["scores.count: 4", "(3)"]);
    check(
        "[0.1, 0.2, 0.3]",
        "[0.1, 0.3, 0.2]",
        &["scores.sorted[2]: 0.2", "at least"],
    );
    check(
        "fraction = 0.9",
        "fraction = 0.5",
        &["scores.quantiles[1].fraction", "above"],
    );
    check(
        "false_reject_rate = 0.01",
        "false_reject_rate = 1.5",
        &["threshold.false_reject_rate: 1.5", "0 to 1"],
    );
    check(
        "08:00:00Z",
        "08:00:00+01:00",
        &["provenance.created", "ending in Z"],
    );
    check(
        "preset = \"medium\"",
        "preset = \" \"",
        &["provenance.preset", "non-empty"],
    );
    check(
        "images = 4",
        "images = 0",
        &["parity.images: 0", "1 or more"],
    );
}

#[test]
fn manifest_without_a_logical_map_is_parsed_and_requires_a_logical_weight_of_0() {
    let logical = "logical = { a = 0.125, b = 0.75 }\n";
    check(
        logical,
        "",
        &["maps.weights: [1.0, 1.0]", "second is 0", "maps.logical"],
    );
    let text = TEXT.replacen(logical, "", 1);
    let text = text.replacen("[1.0, 1.0]", "[1.0, 0.0]", 1);
    let manifest = parse(&text).expect("the text is valid");
    assert_eq!(manifest.maps.logical, None);
    assert_eq!(manifest.maps.calibration().logical, None);
    let written = manifest.to_toml();
    assert!(!written.contains("logical"), "{written}");
    assert_eq!(parse(&written), Ok(manifest));
}

/// Agreement of a graph in 8 bits, as the trainer writes it.
const INT8: &str = "
[parity.int8]
calibration_images = 64
images = 16
largest_relative = 0.05
mean_relative = 0.002
map_correlation = 0.999
score_correlation = 0.99
";

#[test]
fn graph_in_8_bits_has_its_precision_and_its_agreement_with_f32() {
    let plain = parse(TEXT).expect("the text is valid");
    assert_eq!(plain.graph.precision, Precision::F32);
    assert!(
        !plain.to_toml().contains("precision"),
        "{}",
        plain.to_toml()
    );

    let named = TEXT.replacen("[input]", "precision = \"int8\"\n\n[input]", 1);
    let text = format!("{named}{INT8}");
    let manifest = parse(&text).expect("the text is valid");
    assert_eq!(manifest.graph.precision.to_string(), "int8");
    let parity = manifest.parity.int8.as_ref().expect("the table is there");
    assert_eq!((parity.calibration_images, parity.images), (64, 16));
    assert_eq!(parse(&manifest.to_toml()).as_ref(), Ok(&manifest));
    let without = text.replacen("score_correlation = 0.99", "", 1);
    assert!(parse(&without).is_ok());

    let check = |text: &str, parts: &[&str]| {
        let message = parse(text).expect_err("the text is not valid").to_string();
        for part in parts {
            assert!(message.contains(part), "no {part:?} in {message:?}");
        }
    };
    check(
        &named,
        &["parity.int8: absent", "present if graph.precision is"],
    );
    check(&format!("{TEXT}{INT8}"), &["parity.int8: present"]);
    check(
        &text.replacen("\"int8\"", "\"int4\"", 1),
        &["unknown variant `int4`", "`int8`"],
    );
    check(
        &text.replacen("0.999", "1.5", 1),
        &["parity.int8.map_correlation: 1.5", "-1 to 1"],
    );
    check(
        &text.replacen("calibration_images = 64", "calibration_images = 0", 1),
        &["parity.int8.calibration_images: 0", "1 or more"],
    );
}

#[test]
fn unknown_key_missing_key_and_wrong_type_are_reported() {
    check(
        "steps = 80000",
        "steps = 80000\nstep = 1",
        &["unknown field `step`", "`steps`"],
    );
    check("category = \"bottle\"", "", &["missing field `category`"]);
    check(
        "\"rgb\"",
        "\"bgr\"",
        &["unknown variant `bgr`", "`rgb`", "colour_order"],
    );
    check("seed = 42", "seed = -1", &["seed = -1", "u64"]);
    check("[maps]", "[maps", &["line 16"]);
}

#[test]
fn all_invalid_values_are_reported_in_one_error() {
    let text = TEXT
        .replace("count = 3", "count = 0")
        .replace("images = 4", "images = 0");
    let Err(ManifestError::Values { faults, .. }) = parse(&text) else {
        panic!("two values are not allowed");
    };
    let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["scores.count", "parity.images"]);
}

fn quantile_pair() -> impl Strategy<Value = Quantiles> {
    (-1e3_f32..1e3, 1e-3_f32..1e3).prop_map(|(a, width)| Quantiles { a, b: a + width })
}

prop_compose! {
    fn contents()(
        name in "[A-Za-z0-9._-]{1,64}",
        method in "\\PC{0,40}x",
        structural in quantile_pair(),
        logical in prop::option::of(quantile_pair()),
        mut sorted in prop::collection::vec(-1e6_f32..1e6, 1..50),
        value in prop::num::f32::NORMAL,
        seed in 0..=i64::MAX as u64,
        largest_absolute in 0.0..1e-3_f64,
        has_int8 in prop::bool::ANY,
    ) -> Contents {
        let mut contents = example(b"graph");
        sorted.sort_by(f32::total_cmp);
        contents.name = name;
        contents.threshold.method = method;
        contents.maps.structural = structural;
        contents.maps.logical = logical;
        if logical.is_none() {
            contents.maps.weights[1] = 0.0;
        }
        contents.scores.count = sorted.len() as u32;
        contents.scores.sorted = sorted;
        contents.threshold.value = value;
        contents.provenance.seed = seed;
        contents.parity.largest_absolute = largest_absolute;
        if has_int8 {
            contents.variants.insert(Precision::Int8, variant(b"int8"));
        }
        contents
    }
}

proptest! {
    #[test]
    fn manifest_survives_writing_and_parsing(contents in contents()) {
        let manifest = Manifest::try_new(contents).expect("the contents are valid");
        prop_assert_eq!(parse(&manifest.to_toml()).expect("the written text is valid"), manifest);
    }
}
