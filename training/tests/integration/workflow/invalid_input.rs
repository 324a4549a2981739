//! Invalid input is reported with one error message: the cause, its place and the allowed values.

use image::{DynamicImage, ImageBuffer, Luma, RgbImage};

use super::workspace::{bytes, copy, fail, losses, mhkd, shared_workspace, succeed};

/// Creates a copy of the dataset that a test may modify.
fn dataset_copy(name: &str) -> String {
    let workspace = shared_workspace();
    let folder = workspace.path(name);
    copy(&workspace.path("data/line"), &folder);
    folder
}

#[test]
fn missing_dataset_folder_is_named() {
    let workspace = shared_workspace();
    let missing = workspace.path("nowhere");
    let error = fail(&mut workspace.train("missing", &["--dataset", &missing]));
    assert!(error.contains(&missing), "{error}");
    assert!(
        !std::path::Path::new(&workspace.path("missing")).exists(),
        "the run folder is not created"
    );
}

#[test]
fn empty_category_is_named() {
    let workspace = shared_workspace();
    let data = dataset_copy("empty-category");
    std::fs::remove_dir_all(format!("{data}/train/good")).expect("removed");
    std::fs::create_dir(format!("{data}/train/good")).expect("made");
    let error = fail(&mut workspace.train("of-empty", &["--dataset", &data]));
    assert!(error.contains("train/good"), "{error}");
}

#[test]
fn unsupported_images_are_named_with_the_reason() {
    let workspace = shared_workspace();
    let data = dataset_copy("images");
    let image = format!("{data}/train/good/003.png");
    let rejected =
        |run: &str| fail(&mut workspace.train(run, &["--dataset", &data, "--steps", "2"]));

    let deep: ImageBuffer<Luma<u16>, Vec<u16>> = ImageBuffer::from_pixel(128, 128, Luma([40_000]));
    deep.save(&image).expect("written");
    let error = rejected("of-deep");
    assert!(
        error.contains("003.png") && error.contains("8-bit"),
        "{error}"
    );

    let complete = std::fs::read(format!("{data}/train/good/004.png")).expect("read");
    std::fs::write(&image, &complete[..complete.len() / 2]).expect("written");
    let error = rejected("of-truncated");
    assert!(
        error.contains("003.png") && error.contains("truncated"),
        "{error}"
    );

    RgbImage::new(8, 8).save(&image).expect("written");
    let error = rejected("of-small");
    assert!(
        error.contains("003.png") && error.contains("8x8"),
        "{error}"
    );

    // Greyscale images are allowed: they are converted to RGB as by `convert("RGB")` of Pillow.
    DynamicImage::ImageLuma8(ImageBuffer::from_fn(128, 128, |x, y| Luma([(x ^ y) as u8])))
        .save(&image)
        .expect("written");
    succeed(&mut workspace.train("of-grey", &["--dataset", &data, "--steps", "2"]));
}

#[test]
fn all_bad_images_are_named_before_the_first_step() {
    let workspace = shared_workspace();
    let data = dataset_copy("several-bad");
    let good = std::fs::read(format!("{data}/train/good/001.png")).expect("an image");
    std::fs::write(
        format!("{data}/train/good/001.png"),
        &good[..good.len() / 2],
    )
    .expect("written");
    std::fs::write(format!("{data}/validation/good/002.png"), "text").expect("written");
    let error = fail(&mut workspace.train("of-several-bad", &["--dataset", &data]));
    assert!(
        error.contains("2 of 18 images cannot be used")
            && error.contains("train/good/001.png")
            && error.contains("validation/good/002.png"),
        "{error}"
    );
    assert!(!std::path::Path::new(&workspace.path("of-several-bad")).exists());
}

#[test]
fn too_few_images_for_a_calibration_are_rejected_before_the_first_step() {
    let workspace = shared_workspace();
    let data = workspace.path("data-few");
    for name in ["000.png", "001.png", "002.png", "003.png", "004.png"] {
        let target = format!("{data}/train/good/{name}");
        std::fs::create_dir_all(format!("{data}/train/good")).expect("a folder");
        std::fs::copy(
            workspace.path(&format!("data/line/train/good/{name}")),
            target,
        )
        .expect("copied");
    }
    let error = fail(&mut workspace.train("of-few", &["--dataset", &data]));
    assert!(
        error.contains("at least 2 validation images") && error.contains("--calibration-folds"),
        "{error}"
    );
}

#[test]
fn run_of_a_moved_dataset_is_exported_with_its_new_place() {
    let workspace = shared_workspace();
    let data = dataset_copy("moving");
    succeed(&mut workspace.train("of-moving", &["--dataset", &data, "--steps", "2"]));
    let moved = workspace.path("moved");
    std::fs::rename(&data, &moved).expect("moved");
    let (run, out) = (workspace.path("of-moving"), workspace.path("moved-bundle"));
    let export = || mhkd(&["export", &run, "--out", &out]);
    fail(&mut export());
    succeed(export().args(["--dataset", &moved]));
}

#[test]
fn checkpoint_of_another_network_is_rejected_with_the_tensor_name() {
    let workspace = shared_workspace();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    for name in ["pdn.pth", "pdn.safetensors"] {
        let path = format!("{fixtures}/{name}");
        let out = workspace.path("imported.safetensors");
        let error = fail(&mut mhkd(&[
            "teacher", "import", &path, "--preset", "medium", "--out", &out,
        ]));
        assert!(
            error.contains("does not contain the teacher of preset medium")
                && (error.contains(".weight") || error.contains(".bias")),
            "{error}"
        );
        assert!(!std::path::Path::new(&out).exists());
    }
    let checkpoint = workspace.path("data/line/labels.csv");
    let error = fail(&mut workspace.train("of-foreign", &["--teacher", &checkpoint]));
    assert!(error.contains("labels.csv"), "{error}");
}

#[test]
fn imported_teacher_trains_and_exports() {
    let workspace = shared_workspace();
    let out = workspace.path("imported/teacher.safetensors");
    let stdout = succeed(&mut mhkd(&[
        "teacher",
        "import",
        &workspace.path("teacher/teacher.safetensors"),
        "--preset",
        "tiny",
        "--unpadded",
        "--out",
        &out,
    ]));
    assert!(stdout.contains("8 tensors"), "{stdout}");
    succeed(&mut workspace.train("of-imported", &["--teacher", &out, "--steps", "2"]));
    succeed(&mut mhkd(&[
        "export",
        &workspace.path("of-imported"),
        "--out",
        &workspace.path("imported-bundle"),
    ]));
}

#[test]
fn resuming_with_different_settings_is_rejected() {
    let workspace = shared_workspace();
    succeed(&mut workspace.train("fixed", &["--steps", "2"]));
    let run = workspace.path("fixed");
    let resume = |more: &[&str]| {
        let mut command = mhkd(&["train", "--resume", "--out", &run]);
        command.args(more);
        command
    };
    let error = fail(&mut resume(&["--seed", "3", "--learning-rate", "0.1"]));
    assert!(
        error.contains("seed = 3 (the run has 42)") && error.contains("learning_rate = 0.1"),
        "{error}"
    );
    succeed(&mut resume(&["--log-every", "5"]));
    let error = fail(&mut workspace.train("fixed", &["--steps", "2"]));
    assert!(error.contains("--resume"), "{error}");
}

#[test]
fn resuming_with_a_changed_dataset_is_rejected() {
    let workspace = shared_workspace();
    let data = dataset_copy("changing");
    succeed(&mut workspace.train("of-changing", &["--dataset", &data, "--steps", "2"]));
    std::fs::remove_file(format!("{data}/train/good/000.png")).expect("removed");
    let error = fail(&mut mhkd(&[
        "train",
        "--resume",
        "--out",
        &workspace.path("of-changing"),
    ]));
    assert!(
        error.contains("differ from those that the run was started with"),
        "{error}"
    );
}

#[test]
fn run_is_calibrated_again_after_a_validation_image_was_repaired() {
    let workspace = shared_workspace();
    let data = dataset_copy("repaired");
    let run = workspace.path("of-repaired");
    succeed(&mut workspace.train("of-repaired", &["--dataset", &data, "--steps", "2"]));
    let calibration = || bytes(&format!("{run}/calibration.toml"));
    let (before, trained) = (calibration(), losses(&run));
    let image = |index| format!("{data}/validation/good/{index}");
    std::fs::copy(image("001.png"), image("000.png")).expect("a copy");
    let export = || mhkd(&["export", &run, "--out", &workspace.path("repaired-bundle")]);
    let error = fail(&mut export());
    assert!(
        error.contains("calibrate it again with `mhkd train --resume`"),
        "{error}"
    );
    assert!(calibration() == before);
    succeed(&mut mhkd(&["train", "--resume", "--out", &run]));
    assert_eq!(losses(&run), trained);
    assert!(calibration() != before);
    succeed(&mut export());
}

#[test]
fn invalid_settings_are_named_with_the_allowed_values() {
    let workspace = shared_workspace();
    let file = workspace.path("bad.toml");
    for (text, expected) in [
        ("stepz = 3\n", "stepz"),
        ("steps = \"many\"\n", "steps"),
        ("input_size = 100\n", "multiples of 32 from 64 to 1024"),
        ("false_reject_rate = 1.5\n", "above 0 and below 1"),
    ] {
        std::fs::write(&file, text).expect("written");
        let mut command = mhkd(&[
            "train",
            "--out",
            &workspace.path("of-bad"),
            "--config",
            &file,
        ]);
        command.args([
            "--dataset",
            &workspace.path("data/line"),
            "--teacher",
            &workspace.path("teacher/teacher.safetensors"),
        ]);
        let output = command.output().expect("started");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(1) && error.contains(expected),
            "{text}: {error}"
        );
    }
}

#[test]
fn export_of_an_unfinished_run_is_rejected() {
    let workspace = shared_workspace();
    succeed(&mut workspace.train("unfinished", &["--steps", "2"]));
    std::fs::remove_file(workspace.path("unfinished/calibration.toml")).expect("removed");
    let error = fail(&mut mhkd(&[
        "export",
        &workspace.path("unfinished"),
        "--out",
        &workspace.path("no-bundle"),
    ]));
    assert!(error.contains("training is not finished"), "{error}");
    assert!(!std::path::Path::new(&workspace.path("no-bundle")).exists());
}
