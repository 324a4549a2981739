//! Drift: the scores of passed frames are compared with those of the calibration.

use std::fs;

use inspectd_client::proto::ScoreDrift;
use inspectd_test_support::{onnx_runtime, require};

use crate::harness::{Daemon, Site};
use crate::inquiry::camera;

/// Grey levels of the validation images; the score of an even frame is its level / 255.
const CALIBRATION: std::ops::Range<u8> = 100..140;

fn belt(id: &str) -> String {
    format!(
        "[cameras.{id}]\nsource = \"folder\"\npath = \"{id}\"\nrepeat = true\nfps = 100\nmode = \"triggered\"\nqueue = 1024\n"
    )
}

/// A site whose model was calibrated with these grey levels, and two cameras: one that sees the same, and one that sees
/// brighter parts, which pass as well.
fn site() -> Site {
    let site = Site::new("");
    let names: Vec<String> = (0..40).map(|index| format!("{index:02}.png")).collect();
    let pictures = |folder: &str, level: &dyn Fn(u8) -> u8| {
        let levels = (0..40).map(level);
        let pictures: Vec<_> = names.iter().map(String::as_str).zip(levels).collect();
        site.pictures(folder, &pictures);
    };
    pictures("same", &|index| {
        CALIBRATION.start + (u32::from(index) * 7 % 40) as u8
    });
    pictures("brighter", &|index| 128 + index % 20);
    let path = site.path("bundle/manifest.toml");
    let text = fs::read_to_string(&path).expect("a manifest");
    let mut manifest: toml::Table = text.parse().expect("TOML");
    let scores = manifest["scores"].as_table_mut().expect("a table");
    let sorted = CALIBRATION.map(|level| toml::Value::from(f64::from(level) / 255.0));
    scores.insert("sorted".to_owned(), sorted.collect::<Vec<_>>().into());
    scores.insert("count".to_owned(), 40.into());
    fs::write(&path, manifest.to_string()).expect("written");
    site.configure("", &[belt("same"), belt("brighter")].concat());
    site
}

async fn drift(daemon: &Daemon, id: &str) -> ScoreDrift {
    let status = daemon
        .status_when("200 passed frames", |status| {
            camera(status, id).drift.is_some()
        })
        .await;
    camera(&status, id).drift.expect("compared")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn camera_whose_scores_rise_drifts_before_parts_are_rejected() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let same = drift(&daemon, "same").await;
    assert!(!same.drifting && same.p_value > 0.5, "{same:?}");
    assert_eq!(same.references, 40);
    let brighter = drift(&daemon, "brighter").await;
    assert!(brighter.drifting && brighter.shift > 0.05, "{brighter:?}");
    let (_, metrics) = daemon.page("/metrics");
    let gauge = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value
            .and_then(|value| value.parse::<f64>().ok())
            .expect("a gauge")
    };
    assert!(
        gauge("inspectd_score_drift{camera=\"brighter\"}") > 0.4,
        "{metrics}"
    );
    assert!(
        gauge("inspectd_score_drift_p_value{camera=\"same\"}") > 0.5,
        "{metrics}"
    );
    let log = daemon.wait_for_log("have drifted from the references");
    assert!(log.contains("brighter"), "{log}");
    assert_eq!(daemon.status().await.alarms, []);
    daemon.stop();
}
