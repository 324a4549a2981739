//! `mhkd fit` and `mhkd predict`: from photographs of good parts to a bundle, and its scores.

use std::fs;
use std::path::{Path, PathBuf};

use inspectd_core::bundle::Bundle;
use serde_json::Value;

use super::interruption::{signal, wait_for};
use super::workspace::{copy, fail, mhkd, shared_workspace, succeed};

/// Copies the good training parts of the shared dataset to the folder `name`.
fn photographs(name: &str) -> PathBuf {
    let workspace = shared_workspace();
    let folder = workspace.path(name);
    copy(&workspace.path("data/line/train/good"), &folder);
    folder.into()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Command `mhkd fit` of `photographs` with a small input.
fn fit(photographs: &Path, out: &str) -> std::process::Command {
    let mut command = mhkd(&["fit", text(photographs), "--out", out]);
    command.args(["--size", "128"]);
    command
}

/// Standard error of `command`, which must succeed.
fn warnings(command: &mut std::process::Command) -> String {
    let output = command.output().expect("the program starts");
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn folder_of_good_parts_gives_a_bundle_that_finds_defects() {
    let workspace = shared_workspace();
    let photographs = photographs("fit-good");
    let out = workspace.path("made/fit-bundle");
    let printed = succeed(&mut fit(&photographs, &out));
    assert!(
        printed.contains("12 photographs, 128x128 pixels"),
        "{printed}"
    );
    assert!(printed.contains("[model]\nbundle = "), "{printed}");
    let bundle = Bundle::open(Path::new(&out)).expect("a bundle");
    let manifest = bundle.manifest();
    assert_eq!(manifest.name, "fit-good");
    assert_eq!((manifest.maps.width, manifest.maps.height), (16, 16));
    assert_eq!(manifest.scores.count, 12);
    assert!(manifest.parity.largest_relative < 1e-3);
    let page = fs::read_to_string(Path::new(&out).join("report.html")).expect("a report");
    for part in [
        "Choice of the method",
        "highest scores",
        "At most, with 95 % confidence",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let json = workspace.path("fit-evaluation.json");
    let dataset = workspace.path("data/line");
    let mut evaluate = mhkd(&["evaluate", &out, "--dataset", &dataset, "--json", &json]);
    let table = succeed(evaluate.args(["--threshold-for", "miss-rate=0"]));
    assert!(table.contains("for miss-rate=0: threshold"), "{table}");
    assert!(table.contains("misses 0 of"), "{table}");
    let result: Value =
        serde_json::from_str(&fs::read_to_string(json).expect("written")).expect("JSON");
    let auroc = result["all"]["auroc"].as_f64().expect("a number");
    assert!(auroc > 0.75, "{auroc}");
}

#[test]
fn all_bad_photographs_are_named_before_the_fit_and_nothing_is_written() {
    let photographs = photographs("fit-bad");
    let good = fs::read(photographs.join("000.png")).expect("an image");
    fs::write(photographs.join("cut.png"), &good[..good.len() / 2]).expect("written");
    fs::write(photographs.join("text.jpg"), "not an image").expect("written");
    // Files of other systems are not photographs.
    fs::write(photographs.join("._1.png"), [0, 5, 22, 7]).expect("written");
    fs::write(photographs.join("Thumbs.db"), "x").expect("written");
    let out = shared_workspace().path("fit-bad-bundle");
    let output = fit(&photographs, &out)
        .output()
        .expect("the program starts");
    let message = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("photographs cannot be used"), "{message}");
    assert!(message.contains("text.jpg"), "{message}");
    assert!(
        !message.contains("._1.png") && !message.contains("Thumbs.db"),
        "{message}"
    );
    assert!(!Path::new(&out).exists());

    fs::remove_file(photographs.join("text.jpg")).expect("removed");
    let output = fit(&photographs, &out)
        .output()
        .expect("the program starts");
    let message = String::from_utf8(output.stderr).expect("text");
    assert!(
        message.contains("cut.png") && message.contains("corrupt"),
        "{message}"
    );
}

#[test]
fn photograph_of_another_part_is_suspicious_and_can_be_left_out() {
    let photographs = photographs("fit-mixed");
    let image = image::open(photographs.join("000.png")).expect("an image");
    let mut strange = image.rotate180().to_rgb8();
    for pixel in strange.pixels_mut() {
        pixel.0 = [255 - pixel.0[1], pixel.0[0] / 2, pixel.0[2]];
    }
    strange
        .save(photographs.join("strange.png"))
        .expect("written");
    let out = shared_workspace().path("fit-mixed-bundle");
    let text = warnings(&mut fit(&photographs, &out));
    assert!(
        text.contains("suspicious: ") && text.contains("strange.png"),
        "{text}"
    );
    let count = || {
        let bundle = Bundle::open(Path::new(&out)).expect("a bundle");
        bundle.manifest().scores.count
    };
    assert_eq!(count(), 13);
    warnings(fit(&photographs, &out).arg("--leave-out-suspicious"));
    assert_eq!(count(), 12);
}

#[test]
fn copies_and_subfolders_are_reported() {
    let photographs = photographs("fit-copies");
    fs::create_dir(photographs.join("monday")).expect("a folder");
    fs::copy(
        photographs.join("000.png"),
        photographs.join("monday/copy.png"),
    )
    .expect("copied");
    let out = shared_workspace().path("fit-copies-bundle");
    let text = warnings(&mut fit(&photographs, &out));
    assert!(text.contains("same content as another one"), "{text}");
    assert!(
        text.contains("subfolders are used as good parts too: monday"),
        "{text}"
    );
}

#[test]
fn unusable_requests_are_refused_before_the_work() {
    let workspace = shared_workspace();
    let photographs = photographs("fit-refused");
    let out = workspace.path("fit-refused-bundle");
    let crop = fail(fit(&photographs, &out).args(["--crop", "0,0,500,500"]));
    assert!(crop.contains("photographs cannot be used"), "{crop}");
    let rate = fail(fit(&photographs, &out).args(["--false-reject-rate", "0"]));
    assert!(rate.contains("must be above 0 and below 1"), "{rate}");
    let occupied = fail(&mut fit(&photographs, &workspace.path("data")));
    assert!(
        occupied.contains("not replaced, because it is not a bundle"),
        "{occupied}"
    );
    let few = workspace.path("fit-few");
    fs::create_dir(&few).expect("a folder");
    for name in ["000.png", "001.png"] {
        fs::copy(photographs.join(name), Path::new(&few).join(name)).expect("copied");
    }
    let few = fail(&mut fit(Path::new(&few), &out));
    assert!(few.contains("2 photographs; at least 5"), "{few}");
    assert!(!Path::new(&out).exists());
}

#[test]
fn predict_writes_a_row_and_a_heatmap_for_each_image_and_keeps_unreadable_ones() {
    let workspace = shared_workspace();
    let photographs = photographs("predict-good");
    let bundle = workspace.path("predict-bundle");
    succeed(fit(&photographs, &bundle).args(["--method", "padim"]));
    let images = workspace.path("predict-images");
    copy(&workspace.path("data/line/test/good"), &images);
    fs::write(Path::new(&images).join("damaged.png"), "x").expect("written");
    let out = workspace.path("predictions");
    for _ in 0..2 {
        // The second run replaces the results of the first.
        let output = mhkd(&["predict", &bundle, &images, "--out", &out])
            .output()
            .expect("the program starts");
        assert_eq!(output.status.code(), Some(1));
        let printed = String::from_utf8(output.stdout).expect("text");
        assert!(printed.contains("1 not readable"), "{printed}");
        let errors = String::from_utf8(output.stderr).expect("text");
        assert!(errors.contains("damaged.png"), "{errors}");
    }
    let table = fs::read_to_string(Path::new(&out).join("scores.csv")).expect("a table");
    let rows: Vec<&str> = table.lines().collect();
    let count = walkdir::WalkDir::new(&images)
        .min_depth(1)
        .into_iter()
        .count();
    assert_eq!(rows.len(), count + 1, "{table}");
    assert_eq!(
        rows[0],
        "image,decision,score,structural,logical,heatmap,error"
    );
    assert!(table.contains("damaged.png,ERROR"), "{table}");
    let heatmaps = fs::read_dir(Path::new(&out).join("heatmaps")).expect("a folder");
    assert_eq!(heatmaps.count(), count - 1);

    let foreign = fail(&mut mhkd(&["predict", &bundle, &images, "--out", &images]));
    assert!(foreign.contains("must be a new folder"), "{foreign}");
}

#[test]
fn trained_fit_has_both_branches_and_continues_after_an_interrupt() {
    let workspace = shared_workspace();
    let photographs = photographs("fit-trained");
    let out = workspace.path("fit-trained-bundle");
    let trained = || {
        let mut command = fit(&photographs, &out);
        command.args(["--method", "mhkd+padim+patchcore+fre", "--steps", "40"]);
        command
    };
    let mut child = trained()
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    let second = format!("{out}.training/fold-2/losses.csv");
    wait_for("the second training", || Path::new(&second).exists());
    signal(child.id(), "INT");
    let status = child.wait().expect("the process exits");
    assert_eq!(status.code(), Some(130));
    assert!(!Path::new(&out).exists());
    let text = warnings(&mut trained());
    assert!(text.contains("continuing the trainings"), "{text}");
    assert!(!text.contains("training 1 of 4: 1/40"), "{text}");
    assert!(!Path::new(&format!("{out}.training")).exists());

    let bundle = Bundle::open(Path::new(&out)).expect("a bundle");
    let manifest = bundle.manifest();
    assert!(manifest.maps.logical.is_some());
    assert_eq!(manifest.provenance.steps, 40);
    assert_eq!(manifest.provenance.preset, "standard");
    assert!(manifest.parity.largest_relative < 1e-3);
}

#[test]
fn every_trained_method_gives_a_bundle() {
    let photographs = photographs("fit-methods");
    for (method, backbone, preset) in [
        ("mhkd", "efficientnet_lite0", "edge"),
        ("efficientad", "efficientnet_lite2", "standard"),
    ] {
        let out = shared_workspace().path(&format!("fit-{method}"));
        let mut command = fit(&photographs, &out);
        command.args(["--method", method, "--steps", "10", "--size", "160x128"]);
        succeed(command.args(["--backbone", backbone]));
        let bundle = Bundle::open(Path::new(&out)).expect("a bundle");
        let manifest = bundle.manifest();
        assert_eq!(manifest.provenance.preset, preset);
        assert_eq!((manifest.maps.width, manifest.maps.height), (20, 16));
        assert!(manifest.maps.logical.is_some());
        let table = succeed(&mut mhkd(&[
            "bench",
            "inference",
            &out,
            "--batch",
            "1",
            "--repeats",
            "2",
            "--warm-up",
            "1",
        ]));
        assert!(table.contains("GFLOP"), "{table}");
    }
}

#[test]
fn methods_without_training_have_the_maps_that_they_compute() {
    let photographs = photographs("fit-features");
    for (method, maps) in [
        ("padim", 1),
        ("padim+patchcore", 1),
        ("fre", 1),
        ("padim+fre", 2),
        ("padim+patchcore+fre", 2),
    ] {
        let out = shared_workspace().path(&format!("fit-{method}"));
        succeed(fit(&photographs, &out).args(["--method", method, "--fre-rank", "3"]));
        let bundle = Bundle::open(Path::new(&out)).expect("a bundle");
        let manifest = bundle.manifest();
        let settings = &manifest.provenance.hyper_parameters;
        assert_eq!(settings["method"].as_str(), Some(method));
        assert_eq!(
            1 + u32::from(manifest.maps.logical.is_some()),
            maps,
            "{method}"
        );
    }
}

#[test]
fn altered_copies_change_the_fit_and_not_the_number_of_photographs() {
    let workspace = shared_workspace();
    let photographs = photographs("fit-copies");
    let thresholds = ["none", "both"].map(|augment| {
        let out = workspace.path(&format!("made/fit-copies-{augment}"));
        let mut command = fit(&photographs, &out);
        succeed(command.args(["--method", "padim+patchcore+fre", "--augment", augment]));
        let bundle = Bundle::open(Path::new(&out)).expect("a bundle");
        // Each photograph is scored by a fit without its own copies.
        assert_eq!(bundle.manifest().scores.count, 12);
        bundle.manifest().threshold.value.to_bits()
    });
    assert_ne!(thresholds[0], thresholds[1]);
}

#[test]
fn too_little_time_for_a_training_is_an_error_before_it() {
    let photographs = photographs("fit-hurry");
    let out = shared_workspace().path("fit-hurry-bundle");
    let mut command = fit(&photographs, &out);
    let error = fail(command.args(["--method", "mhkd", "--minutes", "0.01"]));
    assert!(error.contains("at least 200 are needed"), "{error}");
    let mut command = fit(&photographs, &out);
    let error = fail(command.args(["--method", "mhkd", "--size", "144x128"]));
    assert!(error.contains("multiples of 32 from 64 to 1024"), "{error}");
    assert!(!Path::new(&out).exists());
}
