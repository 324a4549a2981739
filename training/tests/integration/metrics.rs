//! Metrics of maps on disk, compared with MVTec's official evaluation code and scikit-learn, and the command.

use std::path::{Path, PathBuf};

use inspectd_test_support::reference_data;
use mhkd::dataset::MvtecLayout;
use mhkd::metrics::curve::{LimitedArea, area_at};
use mhkd::metrics::image::Options;
use mhkd::metrics::map_file::{read_map, write_map};
use mhkd::metrics::map_folder::MapFolder;
use mhkd::metrics::{Metrics, evaluate};
use serde_json::Value;
use tempfile::TempDir;

use crate::workflow::workspace::{copy, fail, mhkd, succeed};

/// Accepted difference of areas: the official code samples thresholds.
const SAMPLED: f64 = 2e-3;
const EXACT: f64 = 1e-9;

fn near(found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().expect("a JSON number");
    assert!(
        (found - expected).abs() <= tolerance,
        "{found}, expected {expected}"
    );
}

fn expected(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON")
}

fn measured(root: &Path, layout: MvtecLayout, category: &str) -> Metrics {
    let source = MapFolder::open(layout, &root.join("dataset"), category, &root.join("maps"))
        .expect("the reference is complete");
    assert!(source.unused().is_empty());
    let options = Options {
        resamples: 50,
        ..Options::default()
    };
    evaluate(&source, source.defects(), &options, &|_, _| {}).expect("measured")
}

#[test]
fn saturated_pro_agrees_with_the_official_code() {
    let root = reference_data("metrics-reference/loco");
    for category in ["juice_bottle", "pushpins"] {
        let found = measured(&root, MvtecLayout::Loco, category);
        let expected = expected(&root.join("expected").join(category).join("metrics.json"));
        let areas = &expected["localization"]["auc_spro"];
        let spro = found
            .pixel
            .expect("the images have masks")
            .spro
            .expect("LOCO");
        let check = |name: &str, found: &[LimitedArea]| {
            for (limit, area) in areas[name].as_object().expect("areas by limit") {
                let limit: f64 = limit.parse().expect("a limit");
                near(area_at(found, limit).expect("that limit"), area, SAMPLED);
            }
        };
        check("logical_anomalies", &spro.logical.expect("some").au_spro);
        check(
            "structural_anomalies",
            &spro.structural.expect("some").au_spro,
        );
        check("mean", &spro.mean.expect("both"));
        let aurocs = &expected["classification"]["auc_roc"];
        for name in ["logical_anomalies", "structural_anomalies"] {
            near(found.image.types[name].au_roc.value, &aurocs[name], EXACT);
        }
        near(found.image.mean.au_roc.value, &aurocs["mean"], EXACT);
    }
}

#[test]
fn pro_agrees_with_the_official_code_and_ranking_metrics_with_scikit_learn() {
    let root = reference_data("metrics-reference/ad");
    let found = measured(&root, MvtecLayout::Ad, "bottle");
    let official = &expected(&root.join("expected/metrics.json"))["bottle"];
    let pixel = found.pixel.expect("the images have masks");
    near(
        pixel.au_pro_30().expect("0.3"),
        &official["au_pro"],
        SAMPLED,
    );
    let all = &found.image.all;
    near(all.au_roc.value, &official["classification_au_roc"], EXACT);
    // The official curve has additional points within ties.
    let points = official["classification_roc_curve_fpr"].as_array();
    assert!(all.roc.fpr.len() <= points.expect("a curve").len());

    let extra = expected(&root.join("expected/extra.json"));
    near(pixel.au_roc, &extra["pixel_au_roc"], EXACT);
    near(all.au_roc.value, &extra["image_au_roc"], EXACT);
    let (point, best) = (all.at_max_f1, &extra["at_max_f1"]);
    near(all.max_f1.value, &best["f1"], EXACT);
    near(point.threshold, &best["threshold"], EXACT);
    near(point.accuracy, &best["acc"], EXACT);
    near(point.sensitivity, &best["sen"], EXACT);
    near(point.specificity, &best["spe"], EXACT);
}

/// A category `line` with maps in the layout of MVTec LOCO AD, in a temporary folder.
struct Category {
    home: TempDir,
}

impl Category {
    fn new() -> Self {
        let category = Self {
            home: TempDir::with_prefix("mhkd-metrics-").expect("a temporary folder"),
        };
        succeed(mhkd(&["synth", &category.path("data")]).args([
            "--width",
            "64",
            "--height",
            "48",
            "--train",
            "2",
            "--validation",
            "1",
            "--good-test",
            "3",
            "--per-defect",
            "1",
        ]));
        category.write_maps();
        category
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    /// Writes maps from the brightness of the images.
    fn write_maps(&self) {
        let test = self.home.path().join("data/line/test");
        for entry in walkdir::WalkDir::new(&test).sort_by_file_name() {
            let image = entry.expect("a readable folder").into_path();
            if !image.is_file() {
                continue;
            }
            let values: Vec<f32> = image::open(&image)
                .expect("an image")
                .into_luma8()
                .pixels()
                .map(|pixel| f32::from(pixel.0[0]) / 255.0)
                .collect();
            write_map(&self.map_of(&image), 64, 48, &values).expect("written");
        }
    }

    fn map_of(&self, image: &Path) -> PathBuf {
        let below = image
            .strip_prefix(self.home.path().join("data"))
            .expect("below");
        self.home
            .path()
            .join("maps")
            .join(below)
            .with_extension("tiff")
    }

    fn command(&self, more: &[&str]) -> std::process::Command {
        let mut command = mhkd(&["metrics", "--format", "loco", "--category", "line"]);
        command
            .args([
                "--dataset",
                &self.path("data"),
                "--maps",
                &self.path("maps"),
            ])
            .args(["--resamples", "20"])
            .args(more);
        command
    }
}

#[test]
fn command_prints_a_table_and_writes_json() {
    let category = Category::new();
    let json = category.path("metrics.json");
    let text = succeed(&mut category.command(&["--json", &json, "--threshold", "0.5"]));
    for part in [
        "logical_anomalies",
        "AU-PRO",
        "AU-sPRO, mean",
        "given",
        "0.05",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let written: Value = expected(Path::new(&json));
    assert_eq!(written["category"], "line");
    let metrics: Metrics = serde_json::from_value(written.clone()).expect("read back");
    assert_eq!(metrics.image.good_images, 3);
    assert_eq!(metrics.image.all.images, 9);
    assert!(metrics.image.all.at_threshold.is_some());
    assert!(metrics.pixel.expect("masks").au_spro_05().is_some());

    let printed = succeed(&mut category.command(&["--json", "-", "--threshold", "0.5"]));
    let printed: Value = serde_json::from_str(&printed).expect("the output is JSON");
    assert_eq!(printed, written, "the result is reproducible");
}

#[test]
fn dataset_with_only_test_images_and_ground_truth_is_sufficient() {
    let category = Category::new();
    let complete = succeed(&mut category.command(&[]));
    for folder in ["train", "validation"] {
        std::fs::remove_dir_all(category.path(&format!("data/line/{folder}"))).expect("removed");
    }
    assert_eq!(succeed(&mut category.command(&[])), complete);
    std::fs::remove_dir_all(category.path("data/line/test")).expect("removed");
    assert_eq!(succeed(&mut category.command(&[])), complete);
}

#[test]
fn unused_map_is_reported_and_missing_map_is_rejected() {
    let category = Category::new();
    let good = category.path("maps/line/test/good");
    std::fs::copy(format!("{good}/000.tiff"), format!("{good}/900.tif")).expect("copied");
    let output = category.command(&[]).output().expect("started");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("900.tif: map does not belong to a test image"),
        "{text}"
    );

    std::fs::remove_file(format!("{good}/001.tiff")).expect("removed");
    let error = fail(&mut category.command(&[]));
    assert!(
        error.contains("good/001.tiff: file not found; expected the map of"),
        "{error}"
    );
    std::fs::copy(format!("{good}/000.tiff"), format!("{good}/000.tif")).expect("copied");
    let error = fail(&mut category.command(&[]));
    assert!(error.contains("two maps of the same image"), "{error}");
}

#[test]
fn invalid_maps_are_reported_by_name() {
    let category = Category::new();
    let path = category.path("maps/line/test/good/002.tiff");
    let map = read_map(Path::new(&path)).expect("read");
    let check_rejected = |expected: &str| {
        let error = fail(&mut category.command(&[]));
        assert!(
            error.contains("good/002.tiff") && error.contains(expected),
            "{error}"
        );
    };
    write_map(Path::new(&path), 48, 64, &map.values).expect("written");
    check_rejected("the map has 48x64 pixels; expected 64x48, the size of its image");
    let mut values = map.values.clone();
    values[64 * 3 + 5] = f32::NAN;
    write_map(Path::new(&path), 64, 48, &values).expect("written");
    check_rejected("NaN at column 5, row 3");
    std::fs::write(&path, "not a map").expect("written");
    check_rejected("not a readable TIFF file");
}

#[test]
fn invalid_ground_truth_is_reported_by_name() {
    let category = Category::new();
    let truth = category.path("data/line/ground_truth/logical_anomalies");
    let copied = category.path("copied");
    copy(&truth, &copied);
    let mask = format!("{truth}/000/000.png");
    let check_rejected = |expected: &[&str]| {
        let error = fail(&mut category.command(&[]));
        for part in expected {
            assert!(error.contains(part), "{part} in {error}");
        }
        std::fs::remove_dir_all(&truth).expect("removed");
        copy(&copied, &truth);
    };
    image::GrayImage::from_pixel(64, 48, image::Luma([3]))
        .save(&mask)
        .expect("written");
    check_rejected(&[
        "000/000.png",
        "pixel value is 3",
        "defects_config.json contains",
    ]);
    image::GrayImage::new(64, 48).save(&mask).expect("written");
    check_rejected(&["000/000.png", "the mask is empty"]);
    image::GrayImage::new(40, 48).save(&mask).expect("written");
    check_rejected(&["000/000.png", "40x48", "64x48"]);
    std::fs::remove_file(&mask).expect("removed");
    check_rejected(&["logical_anomalies/000"]);

    std::fs::write(category.path("data/line/defects_config.json"), "[]").expect("written");
    let error = fail(&mut category.command(&[]));
    assert!(error.contains("defects_config.json: no defects"), "{error}");
}

#[test]
fn missing_folder_is_reported_by_name() {
    let category = Category::new();
    let mut command = mhkd(&["metrics", "--format", "ad", "--category", "bottle"]);
    command.args([
        "--dataset",
        &category.path("data"),
        "--maps",
        &category.path("maps"),
    ]);
    let error = fail(&mut command);
    assert!(error.contains("data/bottle: folder not found"), "{error}");
}
