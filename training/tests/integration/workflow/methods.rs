//! Methods and options from training to a bundle. The parity check of the export compares the output of each
//! graph in ONNX Runtime with the output of the networks in libtorch.

use std::path::Path;

use inspectd_core::bundle::Bundle;
use inspectd_core::frame::Frame;
use inspectd_engine::{Engine, EngineOptions};
use mhkd::fit::checkpoint::Checkpoint;
use mhkd::teacher::shipped_pdn;

use super::workspace::{bytes, fail, losses, mhkd, shared_workspace, succeed};

/// Trains run `name` with `flags`, exports it, and returns its bundle.
fn bundle(name: &str, flags: &[&str]) -> Bundle {
    let workspace = shared_workspace();
    succeed(
        workspace
            .train(name, &["--steps", "3", "--seed", "3"])
            .args(flags),
    );
    let out = workspace.path(&format!("{name}-bundle"));
    let stdout = succeed(&mut mhkd(&["export", &workspace.path(name), "--out", &out]));
    assert!(stdout.contains("agrees with libtorch"), "{stdout}");
    Bundle::open(Path::new(&out)).expect("a bundle")
}

#[test]
fn efficientad_is_trained_and_exported_to_a_bundle() {
    let images = shared_workspace().path("data/line/test/good");
    let flags = ["--method", "efficientad", "--penalty-images", &images];
    let bundle = bundle("efficientad", &flags);
    assert_eq!(bundle.manifest().maps.width, 32);
    assert_eq!(losses(&shared_workspace().path("efficientad")).len(), 3);
    let run =
        std::fs::read_to_string(shared_workspace().path("efficientad/run.toml")).expect("written");
    assert!(run.contains("method = \"efficientad\""), "{run}");
    let settings = &bundle.manifest().provenance.hyper_parameters;
    assert_eq!(settings["method"].as_str(), Some("efficientad"));
    assert_eq!(
        settings["penalty_fingerprint"].as_str().map(str::len),
        Some(64)
    );
}

#[test]
fn generated_penalty_images_add_a_loss_and_are_the_default_of_efficientad_only() {
    let workspace = shared_workspace();
    for (name, flags, fingerprint) in [
        ("penalty-default", &[][..], None),
        (
            "penalty-generated",
            &["--penalty-images", "generated"],
            Some("generated: 256 images"),
        ),
        (
            "penalty-efficientad",
            &["--method", "efficientad"],
            Some("generated: 256 images"),
        ),
        (
            "penalty-none",
            &["--method", "efficientad", "--penalty-images", "none"],
            None,
        ),
    ] {
        let mut train = workspace.train(name, &["--steps", "2"]);
        succeed(train.args(flags));
        let folder = workspace.path(name);
        let read = |file: &str| {
            std::fs::read_to_string(format!("{folder}/{file}")).expect("written by the training")
        };
        let run: toml::Table = read("run.toml").parse().expect("TOML");
        let found = run
            .get("penalty_fingerprint")
            .and_then(|value| value.as_str());
        assert_eq!(found, fingerprint, "{name}");
        let losses = read("losses.csv");
        let columns: Vec<&str> = losses
            .lines()
            .next()
            .expect("a header")
            .split(',')
            .collect();
        let column = columns.iter().position(|column| *column == "penalty");
        let value = column.map(|column| {
            let last = losses.lines().last().expect("a row");
            let cell = last
                .split(',')
                .nth(column)
                .expect("as many cells as columns");
            cell.parse::<f64>().expect("a number")
        });
        match (name, value) {
            ("penalty-default", value) => assert_eq!(value, None),
            ("penalty-none", value) => assert_eq!(value, Some(0.0)),
            (_, value) => assert!(value.expect("a penalty") > 0.0, "{name}"),
        }
    }
}

#[test]
fn training_without_a_teacher_file_uses_the_shipped_backbone() {
    let workspace = shared_workspace();
    for (name, flags, preset, grid) in [
        (
            "backbone",
            &["--input-size", "128"][..],
            "standard",
            (16, 16),
        ),
        (
            "backbone-edge",
            &[
                "--preset",
                "edge",
                "--input-size",
                "160x128",
                "--location-normalisation",
                "true",
            ],
            "edge",
            (20, 16),
        ),
        (
            "backbone-efficientad",
            &["--method", "efficientad", "--input-size", "128"],
            "standard",
            (16, 16),
        ),
    ] {
        let run = workspace.path(name);
        let dataset = workspace.path("data/line");
        let mut train = mhkd(&["train", "--out", &run, "--dataset", &dataset]);
        succeed(train.args(["--steps", "3", "--batch", "2"]).args(flags));
        assert!(!Path::new(&format!("{run}/teacher.safetensors")).exists());
        let out = format!("{run}-bundle");
        let stdout = succeed(&mut mhkd(&["export", &run, "--out", &out]));
        assert!(stdout.contains("agrees with libtorch"), "{stdout}");
        let bundle = Bundle::open(Path::new(&out)).expect("a bundle");
        let manifest = bundle.manifest();
        assert_eq!(manifest.provenance.preset, preset);
        assert_eq!((manifest.maps.width, manifest.maps.height), grid);
        assert!(
            manifest
                .provenance
                .teacher
                .description
                .contains("Apache-2.0")
        );
    }
}

#[test]
fn preset_small_uses_the_distilled_teacher_of_the_program() {
    let workspace = shared_workspace();
    let (run, dataset) = (workspace.path("shipped-pdn"), workspace.path("data/line"));
    let mut train = mhkd(&["train", "--out", &run, "--dataset", &dataset]);
    train.args(["--preset", "small", "--input-size", "128", "--steps", "2"]);
    succeed(&mut train);
    assert!(bytes(&format!("{run}/teacher.safetensors")) == shipped_pdn::FILE);
    let out = format!("{run}-bundle");
    let stdout = succeed(&mut mhkd(&["export", &run, "--out", &out]));
    assert!(stdout.contains("agrees with libtorch"), "{stdout}");
    let bundle = Bundle::open(Path::new(&out)).expect("a bundle");
    let teacher = &bundle.manifest().provenance.teacher.description;
    assert!(
        teacher.contains("small distilled from efficientnet_lite2"),
        "{teacher}"
    );
}

#[test]
fn preset_and_teacher_that_contradict_each_other_are_rejected() {
    let workspace = shared_workspace();
    let error = fail(&mut workspace.train("contradiction", &["--preset", "standard"]));
    assert!(error.contains("is a teacher of preset tiny"), "{error}");
    let dataset = workspace.path("data/line");
    let out = workspace.path("no-teacher");
    let error = fail(&mut mhkd(&[
        "train",
        "--out",
        &out,
        "--dataset",
        &dataset,
        "--preset",
        "medium",
    ]));
    assert!(error.contains("needs a teacher file"), "{error}");
    assert!(!Path::new(&out).exists());
}

#[test]
fn efficientad_without_padding_has_a_frame_around_its_maps() {
    let workspace = shared_workspace();
    let padded = workspace.path("teacher/teacher.safetensors");
    let mut teacher = Checkpoint::load(Path::new(&padded)).expect("a teacher");
    teacher.set_metadata("padded", &false);
    let unpadded = workspace.path("unpadded.safetensors");
    teacher.save(Path::new(&unpadded)).expect("written");
    let flags = [
        "--method",
        "efficientad",
        "--teacher",
        &unpadded,
        "--location-normalisation",
        "true",
    ];
    let bundle = bundle("efficientad-unpadded", &flags);
    let maps = &bundle.manifest().maps;
    assert_eq!((maps.width, maps.height), (32, 32));
    let mut engine = Engine::load(&bundle, &EngineOptions::default()).expect("ONNX Runtime");
    let frame = Frame::new(128, 128, vec![90; 128 * 128 * 3]).expect("as many bytes as pixels");
    let found = engine.run(&[&frame]).expect("the frame fits");
    for (map, quantiles) in [
        (&found.structural, maps.structural),
        (&found.logical, maps.logical.expect("two maps")),
    ] {
        let is_frame = |value: &f32| value.to_bits() == quantiles.a.to_bits();
        assert!(map.iter().take(4 * 32).all(is_frame));
        assert!(!is_frame(&map[16 * 32 + 16]));
    }
}

#[test]
fn uninformed_students_are_trained_and_exported_to_a_bundle() {
    let bundle = bundle("students", &["--method", "st"]);
    let settings = &bundle.manifest().provenance.hyper_parameters;
    assert_eq!(settings["method"].as_str(), Some("st"));
    let text = std::fs::read_to_string(shared_workspace().path("students/losses.csv"));
    let text = text.expect("written");
    assert!(
        text.starts_with("step,student1,student2,student3,total"),
        "{text}"
    );
    let error = fail(&mut shared_workspace().train(
        "students-hard",
        &["--method", "st", "--hard-quantile", "0.9"],
    ));
    assert!(error.contains("hard_quantile has no effect"), "{error}");
}

#[test]
fn ablations_are_trained_exported_and_recorded_in_the_manifest() {
    let check = |name: &str, flags: &[&str]| {
        let bundle = bundle(name, flags);
        let settings = &bundle.manifest().provenance.hyper_parameters;
        for pair in flags.chunks_exact(2) {
            let key = pair[0].trim_start_matches("--").replace('-', "_");
            assert_eq!(settings[&key].to_string(), pair[1], "{name}");
        }
    };
    let (encoder, distillation) = ("--second-encoder", "--self-distillation");
    check("no-encoder2", &[encoder, "false"]);
    check("no-self", &[distillation, "false"]);
    check("neither", &[encoder, "false", distillation, "false"]);
}

#[test]
fn options_beyond_the_paper_are_exported_to_the_graph() {
    let flags = [
        "--location-normalisation",
        "true",
        "--branch-weights",
        "calibrated",
        "--hard-quantile",
        "0.9",
    ];
    let bundle = bundle("beyond", &flags);
    let [structural, logical] = bundle.manifest().maps.weights;
    assert!((structural + logical - 2.0).abs() < 1e-5 && (structural - logical).abs() > 1e-6);
}

#[test]
fn resuming_a_finished_run_with_calibration_settings_recalibrates_without_training() {
    let workspace = shared_workspace();
    succeed(&mut workspace.train("recalibrated", &["--steps", "2"]));
    let path = |file: &str| workspace.path(&format!("recalibrated/{file}"));
    let (weights, calibration) = (
        std::fs::read(path("checkpoint.safetensors")).expect("written"),
        std::fs::read_to_string(path("calibration.toml")).expect("written"),
    );
    let resume = [
        "train",
        "--out",
        &workspace.path("recalibrated"),
        "--resume",
    ];
    succeed(mhkd(&resume).args(["--location-normalisation", "true"]));
    assert_eq!(
        std::fs::read(path("checkpoint.safetensors")).expect("the file still exists"),
        weights
    );
    let again = std::fs::read_to_string(path("calibration.toml")).expect("written");
    assert_ne!(again, calibration);
    let settings = std::fs::read_to_string(path("settings.toml")).expect("written");
    assert!(
        settings.contains("location_normalisation = true"),
        "{settings}"
    );
}

#[test]
fn settings_that_the_method_does_not_support_are_rejected() {
    let workspace = shared_workspace();
    let check = |flags: &[&str], expected: &str| {
        let error = fail(&mut workspace.train("rejected", flags));
        assert!(error.contains(expected), "{error}");
    };
    check(
        &["--method", "efficientad", "--second-encoder", "false"],
        "only with method = \"mhkd\"",
    );
    check(
        &["--method", "st", "--penalty-images", "generated"],
        "penalty_images has no effect with method = \"st\"",
    );
    check(&["--hard-quantile", "1"], "hard_quantile = 1: must be");
    let empty = workspace.path("empty-penalty-images");
    std::fs::create_dir_all(&empty).expect("a folder");
    check(
        &["--method", "efficientad", "--penalty-images", &empty],
        "penalty_images: ",
    );
}
