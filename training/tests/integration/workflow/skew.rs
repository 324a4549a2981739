//! No skew between training and serving: the daemon gives every image the score that `mhkd evaluate` gives.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat};
use inspectd_core::score::auroc;
use inspectd_test_support::{external_data, require};
use serde_json::Value;

use super::workshop::{copy, mhkd, succeed, workshop};

/// How far apart two scores of one image may be, as a fraction of the score.
const TOLERANCE: f64 = 1e-4;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn rendered_parts_score_the_same_in_training_and_on_the_line() {
    let shop = workshop();
    let dataset = shop.path("skew-rendered");
    copy(&shop.path("data/line"), &dataset);
    add_odd_images(&Path::new(&dataset).join("test/good"));
    compare(&dataset);
}

#[test]
fn photographs_score_the_same_in_training_and_on_the_line() {
    let bottle = require!(external_data("mvtec_ad/bottle"));
    let dataset = workshop().path("skew-bottle");
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
    compare(&dataset);
}

/// One image larger than the input and of odd sides, the same in grey, as JPEG, and as BMP.
fn add_odd_images(folder: &Path) {
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

/// Scores the test images of `dataset` on both ways.
fn compare(dataset: &str) {
    let trained = evaluated(dataset);
    let served = served(&Path::new(dataset).join("test"), trained.scores.len());
    assert_eq!(served.len(), trained.scores.len());
    let (mut good, mut anomalous) = (Vec::new(), Vec::new());
    let mut largest: f64 = 0.0;
    for (image, (kind, expected)) in &trained.scores {
        let found = served
            .get(image)
            .unwrap_or_else(|| panic!("{image} was not seen"));
        let difference = (found - expected).abs() / expected.abs();
        assert!(
            difference <= TOLERANCE,
            "{image}: {found} on the line, {expected} in training"
        );
        largest = largest.max(difference);
        let side = if kind == "good" {
            &mut good
        } else {
            &mut anomalous
        };
        side.push(*found);
    }
    println!(
        "{} images, the largest relative difference is {largest:.1e}",
        served.len()
    );
    let served = auroc(&good, &anomalous).expect("good and anomalous images");
    assert!(
        (served - trained.auroc).abs() < 1e-12,
        "{served}, {}",
        trained.auroc
    );
}

/// What training says of a dataset.
struct Trained {
    /// By image below `test`: its type and its score.
    scores: BTreeMap<String, (String, f64)>,
    /// Of all anomalous images.
    auroc: f64,
}

fn evaluated(dataset: &str) -> Trained {
    let json = format!("{dataset}.json");
    let bundle = bundle();
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

/// A bundle of a short run, made once.
fn bundle() -> &'static str {
    static MADE: OnceLock<String> = OnceLock::new();
    MADE.get_or_init(|| {
        let shop = workshop();
        succeed(&mut shop.train("skew", &["--steps", "4"]));
        let bundle = shop.path("skew-bundle");
        let named = ["--name", "skew", "--model-version", "1"];
        succeed(mhkd(&["export", &shop.path("skew"), "--out", &bundle]).args(named));
        bundle
    })
}

/// The scores that the daemon streams for the images of a folder, by path.
fn served(folder: &Path, images: usize) -> BTreeMap<String, f64> {
    let home = tempfile::tempdir().expect("a temporary folder");
    let config = home.path().join("inspectd.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nmetrics_listen = \"off\"\n[model]\nbundle = \"{}\"\n\
         [log]\nformat = \"json\"\n[cameras.folder]\nsource = \"folder\"\npath = \"{}\"\n\
         repeat = true\npace = \"fast\"\nmode = \"triggered\"\n",
        bundle(),
        folder.display()
    );
    std::fs::write(&config, text).expect("written");
    let daemon = Daemon::start(&config);
    // Whatever image a watch begins with, in twice as many verdicts it sees each.
    let limit = (2 * images).to_string();
    let lines = succeed(
        Command::new("timeout")
            .arg(PATIENCE.as_secs().to_string())
            .arg(program("inspectctl"))
            .args(["watch", "--json", "--limit", &limit])
            .env("INSPECTD_SERVER", daemon.server()),
    );
    let verdicts = lines.lines().map(|line| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let verdict = &event["verdict"];
        let score = verdict["score"]["value"].as_f64();
        let score = score.unwrap_or_else(|| panic!("no score: {event}"));
        (
            verdict["source_item"].as_str().expect("a path").to_owned(),
            score,
        )
    });
    verdicts.collect()
}

/// A program of the daemon's package. Cargo builds it beside these tests.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let folder = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    let program = folder.join(name);
    assert!(
        program.is_file(),
        "{} is not there: cargo test --workspace --all-features builds it (make test does)",
        program.display()
    );
    program
}

/// A daemon that runs. It is killed when dropped.
struct Daemon {
    process: Child,
    log: Receiver<String>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Daemon {
    fn start(config: &Path) -> Self {
        let mut command = Command::new(program("inspectd"));
        command.arg("--config").arg(config).stderr(Stdio::piped());
        let mut process = command.spawn().expect("a started daemon");
        let lines = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        let (tell, log) = channel();
        std::thread::spawn(move || {
            // Read to its end, so that the daemon never waits for a reader.
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { process, log }
    }

    /// Where it listens, once it is ready.
    fn server(&self) -> String {
        let mut address = None;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(left).expect("it becomes ready");
            let line: Value = serde_json::from_str(&line).expect("JSON");
            match line["message"].as_str() {
                Some("server.listen") => address = line["address"].as_str().map(ToOwned::to_owned),
                Some("ready") => return format!("http://{}", address.expect("told before")),
                _ => {}
            }
        }
    }
}
