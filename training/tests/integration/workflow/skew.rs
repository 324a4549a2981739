//! Training-serving skew: the daemon must give every image the same score as `mhkd evaluate`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat};
use inspectd_core::score::auroc;
use inspectd_test_support::{external_data, require};
use serde_json::Value;

use super::daemon::Daemon;
use super::workspace::{copy, mhkd, shared_workspace, succeed};

/// Maximum relative difference of the two scores of an image.
const TOLERANCE: f64 = 1e-4;

#[test]
fn rendered_images_get_equal_scores_from_mhkd_and_the_daemon() {
    let workspace = shared_workspace();
    let dataset = workspace.path("skew-rendered");
    copy(&workspace.path("data/line"), &dataset);
    add_unusual_images(&Path::new(&dataset).join("test/good"));
    compare(&dataset, bundle());
}

#[test]
fn photographs_get_equal_scores_from_mhkd_and_the_daemon() {
    let bottle = require!(external_data("mvtec_ad/bottle"));
    let dataset = shared_workspace().path("skew-bottle");
    for name in ["000", "001", "002", "003"] {
        for file in [
            format!("train/good/{name}.png"),
            format!("test/good/{name}.png"),
            format!("test/broken_large/{name}.png"),
            format!("test/contamination/{name}.png"),
            format!("ground_truth/broken_large/{name}_mask.png"),
            format!("ground_truth/contamination/{name}_mask.png"),
        ] {
            let target = Path::new(&dataset).join(&file);
            std::fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
            std::fs::copy(bottle.join(&file), target).expect("a copy");
        }
    }
    compare(&dataset, bundle());
}

#[test]
fn bundle_without_training_and_with_a_wide_input_gets_equal_scores_from_mhkd_and_the_daemon() {
    let workspace = shared_workspace();
    let dataset = workspace.path("skew-fit");
    copy(&workspace.path("data/line"), &dataset);
    add_unusual_images(&Path::new(&dataset).join("test/good"));
    let bundle = workspace.path("skew-fit-bundle");
    let options = ["--size", "128x96", "--method", "padim+patchcore+fre"];
    succeed(mhkd(&["fit", &dataset, "--out", &bundle]).args(options));
    compare(&dataset, &bundle);
}

/// Adds images of unusual sizes and formats: larger than the input with odd sides, as RGB and greyscale PNG
/// and as JPEG, and a tall BMP.
fn add_unusual_images(folder: &Path) {
    let first = std::fs::read_dir(folder).expect("a folder").next();
    let first = first.expect("an image").expect("an entry").path();
    let image = image::open(first).expect("an image");
    let save = |image: DynamicImage, name: &str, format| {
        image
            .save_with_format(folder.join(name), format)
            .expect("written");
    };
    let large = image.resize_exact(333, 257, FilterType::Triangle);
    save(
        DynamicImage::from(large.to_luma8()),
        "odd-grey.png",
        ImageFormat::Png,
    );
    save(large.clone(), "odd.jpg", ImageFormat::Jpeg);
    save(large, "odd.png", ImageFormat::Png);
    let tall = image.resize_exact(129, 401, FilterType::Triangle);
    save(tall, "tall.bmp", ImageFormat::Bmp);
}

/// Scores the test images of `dataset` by `bundle` with mhkd and with the daemon, and compares the scores.
fn compare(dataset: &str, bundle: &str) {
    let trained = evaluated(dataset, bundle);
    let images = trained.scores.len();
    let served = served(bundle, &Path::new(dataset).join("test"), images);
    assert_eq!(served.len(), trained.scores.len());
    let (mut good, mut anomalous) = (Vec::new(), Vec::new());
    let mut largest: f64 = 0.0;
    for (image, (kind, expected)) in &trained.scores {
        let found = served
            .get(image)
            .unwrap_or_else(|| panic!("the daemon did not score {image}"));
        // A score of exactly 0 is possible: no map is above its median.
        let difference = (found - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
        assert!(
            difference <= TOLERANCE,
            "{image}: the daemon gives {found}, mhkd gives {expected}"
        );
        largest = largest.max(difference);
        let scores = if kind == "good" {
            &mut good
        } else {
            &mut anomalous
        };
        scores.push(*found);
    }
    println!(
        "{} images, largest relative difference {largest:.1e}",
        served.len()
    );
    let served = auroc(&good, &anomalous).expect("good and anomalous images");
    assert!(
        (served - trained.auroc).abs() < 1e-12,
        "{served}, {}",
        trained.auroc
    );
}

/// Result of `mhkd evaluate`.
struct Trained {
    /// Type and score of each image, by its path relative to `test`.
    scores: BTreeMap<String, (String, f64)>,
    /// AUROC over all images.
    auroc: f64,
}

fn evaluated(dataset: &str, bundle: &str) -> Trained {
    let json = format!("{dataset}.json");
    succeed(mhkd(&["evaluate", bundle, "--dataset", dataset]).args(["--json", &json]));
    let text = std::fs::read_to_string(json).expect("written");
    let result: Value = serde_json::from_str(&text).expect("JSON");
    let scored = |scored: &Value| {
        let image = scored["image"].as_str().expect("a path");
        let image = image
            .strip_prefix("test/")
            .expect("a test image")
            .to_owned();
        let kind = scored["kind"].as_str().expect("a type").to_owned();
        (image, (kind, scored["score"].as_f64().expect("a number")))
    };
    let scores = result["scores"].as_array().expect("a list");
    Trained {
        scores: scores.iter().map(scored).collect(),
        auroc: result["all"]["auroc"].as_f64().expect("a number"),
    }
}

/// Bundle of a short run, created once.
pub(super) fn bundle() -> &'static str {
    static BUNDLE: OnceLock<String> = OnceLock::new();
    BUNDLE.get_or_init(|| {
        let workspace = shared_workspace();
        succeed(&mut workspace.train("skew", &["--steps", "4"]));
        let bundle = workspace.path("skew-bundle");
        let named = ["--name", "skew", "--model-version", "1"];
        succeed(mhkd(&["export", &workspace.path("skew"), "--out", &bundle]).args(named));
        bundle
    })
}

/// Runs the daemon on the images of a folder and returns the scores that it streams, by path.
fn served(bundle: &str, folder: &Path, images: usize) -> BTreeMap<String, f64> {
    let home = tempfile::tempdir().expect("a temporary folder");
    let config = home.path().join("inspectd.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nmetrics_listen = \"off\"\n[model]\nbundle = \"{}\"\n\
         [log]\nformat = \"json\"\n[cameras.folder]\nsource = \"folder\"\npath = \"{}\"\n\
         repeat = true\npace = \"fast\"\nmode = \"triggered\"\n",
        bundle,
        folder.display()
    );
    std::fs::write(&config, text).expect("written");
    let daemon = Daemon::start(&config);
    // Twice the number of images: every image is included, whichever one the watch starts with.
    let limit = (2 * images).to_string();
    let watch = ["watch", "--json", "--limit", &limit];
    let lines = succeed(daemon.inspectctl().args(watch));
    let verdicts = lines.lines().map(|line| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let verdict = &event["verdict"];
        let score = verdict["score"]["value"].as_f64();
        let score = score.unwrap_or_else(|| panic!("verdict without a score: {event}"));
        (
            verdict["source_item"].as_str().expect("a path").to_owned(),
            score,
        )
    });
    verdicts.collect()
}
