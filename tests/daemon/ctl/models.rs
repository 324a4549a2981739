//! `model` and `shadow`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use inspectd_test_support::{onnx_runtime, require};
use serde_json::Value;

use super::{done, inspectctl, json_lines, run};
use crate::harness::{CELLS, Daemon, Site, bounded, wait, write_bundle_of};

const BELT: &str = "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 50\nmode = \"triggered\"\n";

const JOURNAL: &str = "[journal]\nfolder = \"journal\"\n";

const CHALLENGE: &str = "[challenge]\nfolder = \"known\"\ncamera = \"belt\"\n";

/// The belt's part has the score 0.5, and the threshold of the bundle `bundle`, 2026.1, is 0.6. In the folder `known` two
/// good parts have about 0.5, and a defective one 0.84.
fn site(top: &str) -> Site {
    let site = Site::new("");
    site.pictures("pictures", &[("a.png", 128)]);
    site.known_parts();
    site.configure(&format!("{JOURNAL}{top}"), BELT);
    site
}

/// A new bundle, 2026.2, outside of the daemon's folders.
fn bundle(site: &Site, threshold: f32) -> PathBuf {
    let folder = site.path("client/bundle");
    fs::create_dir_all(site.path("client")).expect("a folder");
    write_bundle_of(&folder, "2026.2", threshold, CELLS);
    folder
}

fn install(daemon: &Daemon, bundle: &Path, more: &[&str]) -> Command {
    let mut command = inspectctl(daemon);
    command.args(["model", "install"]).arg(bundle).args(more);
    command
}

/// The version of the active model.
fn active(daemon: &Daemon) -> String {
    let line = json_lines(&done(daemon, "model show --json"));
    let version = line[0]["model"]["version"].as_str();
    version.expect("a version").to_owned()
}

#[test]
fn model_that_passes_the_challenge_is_activated_and_undone() {
    require!(onnx_runtime());
    let site = site(CHALLENGE);
    let daemon = site.start();
    done(&daemon, "challenge");
    let new = bundle(&site, 0.7);
    let installed = run(&mut install(&daemon, &new, &[]), 0);
    let text = installed.stdout();
    for part in [
        "challenge               active model ",
        "model                   cells 2026.1 (",
        "result                  passed ",
        "good parts rejected     0 of 2 ",
        "defective parts passed  0 of 1 ",
        "\nactivated: cells 2026.2 (",
        "model.bundle of the configuration, folder /",
        "inspectctl model undo\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let progress = installed.stderr();
    assert!(progress.starts_with("sending the bundle, "), "{progress}");
    assert!(
        progress.contains("\nchallenge by the new model\n"),
        "{progress}"
    );
    let status = done(&daemon, "status");
    assert!(status.contains("model     cells 2026.2 ("), "{status}");
    assert!(status.contains("threshold 0.7000"), "{status}");
    let shown = done(&daemon, "model show");
    assert!(shown.contains("\ninstalled cells 2026.2 ("), "{shown}");
    assert!(shown.contains("\nbefore    cells 2026.1 ("), "{shown}");
    let shown = json_lines(&done(&daemon, "model show --json"));
    let folder = shown[0]["installation"]["folder"].as_str();
    let folder = Path::new(folder.expect("a folder"));
    assert_eq!(fs::read(folder.join("model.onnx")).expect("a file"), CELLS);

    let undone = done(&daemon, "model undo");
    assert!(undone.starts_with("active: cells 2026.1 ("), "{undone}");
    assert!(undone.contains("\nundone: cells 2026.2 ("), "{undone}");
    assert_eq!(active(&daemon), "2026.1");
    let shown = done(&daemon, "model show");
    assert!(shown.contains("\ninstalled no model, "), "{shown}");
    let again = run(inspectctl(&daemon).args(["model", "undo"]), 1).stderr();
    assert!(again.contains("FAILED_PRECONDITION"), "{again}");
    daemon.stop();
}

#[test]
fn dry_run_changes_nothing() {
    require!(onnx_runtime());
    let site = site(CHALLENGE);
    let daemon = site.start();
    done(&daemon, "challenge");
    let new = bundle(&site, 0.7);
    let text = run(&mut install(&daemon, &new, &["--dry-run"]), 0).stdout();
    assert!(
        text.ends_with("\ndry run: nothing is changed, the new model would be activated\n"),
        "{text}"
    );
    assert_eq!(active(&daemon), "2026.1");
    let shown = done(&daemon, "model show");
    assert!(shown.contains("\ninstalled no model, "), "{shown}");
    daemon.stop();
}

#[test]
fn model_that_passes_a_defective_part_is_not_activated() {
    require!(onnx_runtime());
    let site = site(CHALLENGE);
    let daemon = site.start();
    done(&daemon, "challenge");
    // Above the score of the defective part.
    let new = bundle(&site, 0.9);
    for (flags, expected) in [
        (&[][..], "inspectctl: the new model is not activated"),
        (
            &["--dry-run"],
            "inspectctl: the new model would not be activated",
        ),
    ] {
        let refused = run(&mut install(&daemon, &new, flags), 5);
        let text = refused.stdout();
        assert!(
            text.contains("defective parts passed  0 of 1  ") && text.contains("  1 of 1\n"),
            "{text}"
        );
        let picture = text.lines().find(|line| line.starts_with("dent/c.png "));
        let picture = picture.expect("the picture that was judged wrongly");
        assert!(
            picture.contains(" correct ") && picture.contains(" PASS ("),
            "{text}"
        );
        let stderr = refused.stderr();
        assert!(stderr.contains(expected), "{stderr}");
    }
    let refused = run(&mut install(&daemon, &new, &["--json"]), 5);
    let lines = json_lines(&refused.stdout());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["activated"], false);
    assert_eq!(lines[0]["model"]["version"], "2026.2");
    assert_eq!(lines[0]["challenge"]["misses"], 1);
    assert_eq!(lines[0]["active_challenge"]["misses"], 0);
    assert_eq!(lines[0]["installation"], Value::Null);
    assert_eq!(active(&daemon), "2026.1");
    daemon.stop();
}

#[test]
fn without_a_challenge_a_model_is_activated_only_if_that_is_asked_for() {
    require!(onnx_runtime());
    let site = site("");
    let daemon = site.start();
    let new = bundle(&site, 0.7);
    let refused = run(&mut install(&daemon, &new, &[]), 1).stderr();
    assert!(refused.contains("FAILED_PRECONDITION"), "{refused}");
    assert_eq!(active(&daemon), "2026.1");
    let mut install = install(&daemon, &new, &["--without-challenge"]);
    let text = run(&mut install, 0).stdout();
    assert!(text.contains("\nno challenge is configured\n"), "{text}");
    assert!(text.contains("\nactivated: cells 2026.2 ("), "{text}");
    assert_eq!(active(&daemon), "2026.2");
    daemon.stop();
}

#[test]
fn damaged_graph_is_refused_before_anything_is_sent() {
    let site = site(CHALLENGE);
    let new = bundle(&site, 0.7);
    let mut graph = CELLS.to_vec();
    graph[100] ^= 1;
    fs::write(new.join("model.onnx"), graph).expect("written");
    let mut command = bounded(crate::harness::inspectctl());
    // Port 1 is closed: a bundle that were sent would exit with 69.
    command.args(["--server", "127.0.0.1:1", "model", "install"]);
    let stderr = run(command.arg(&new), 1).stderr();
    assert!(stderr.contains("model.onnx: SHA-256 is "), "{stderr}");
    assert!(!stderr.contains("sending"), "{stderr}");
}

fn shadow(daemon: &Daemon) -> Value {
    json_lines(&done(daemon, "shadow --json")).remove(0)
}

#[test]
fn shadow_lists_what_it_decides_otherwise() {
    require!(onnx_runtime());
    let site = site("[shadow]\nbundle = \"shadow\"\nmax_fps = 50\n");
    // Below the score of the belt's part.
    write_bundle_of(&site.path("shadow"), "2026.2", 0.4, CELLS);
    let daemon = site.start();
    wait("disagreements", || {
        shadow(&daemon)["disagreements"].as_u64() >= Some(3)
    });
    let text = done(&daemon, "shadow");
    for part in [
        "shadow    RUNNING\nmodel     cells 2026.2 (",
        "recipe    none\nsince     20",
        "shadow:      PASS  REVIEW  REJECT  FAULT\nactive PASS ",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }

    let folder = site.path("maps");
    let mut list = inspectctl(&daemon);
    list.args([
        "shadow", "list", "--camera", "belt", "--limit", "2", "--json",
    ]);
    let lines = json_lines(&run(list.arg("--save").arg(&folder), 0).stdout());
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in &lines {
        assert_eq!(
            (&line["active"], &line["shadow"]),
            (&"pass".into(), &"reject".into())
        );
        assert_eq!(line["camera_id"], "belt");
        let picture = folder.join(format!("{}.jpg", line["sequence"]));
        let jpeg = fs::read(picture).expect("a heatmap");
        assert_eq!(
            image::guess_format(&jpeg).expect("a picture"),
            image::ImageFormat::Jpeg
        );
    }
    assert!(
        lines[0]["sequence"].as_u64() > lines[1]["sequence"].as_u64(),
        "the newest first: {lines:?}"
    );
    let table = done(&daemon, "shadow list --limit 3");
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.starts_with("sequence  camera  captured "), "{table}");
    let mut other = inspectctl(&daemon);
    other.args(["shadow", "list", "--camera", "other"]);
    let other = run(&mut other, 1).stderr();
    assert!(other.contains("NOT_FOUND"), "{other}");

    let before = shadow(&daemon);
    done(&daemon, "shadow reset");
    let after = shadow(&daemon);
    assert_ne!(after["since_time"], before["since_time"]);
    daemon.stop();
}

#[test]
fn shadow_that_is_not_configured_is_an_error() {
    require!(onnx_runtime());
    let site = site("");
    let daemon = site.start();
    for arguments in [&["shadow"][..], &["shadow", "list"], &["shadow", "reset"]] {
        let stderr = run(inspectctl(&daemon).args(arguments), 1).stderr();
        assert!(stderr.contains("FAILED_PRECONDITION"), "{stderr}");
    }
    daemon.stop();
}
