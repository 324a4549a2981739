//! What `inspectd init` refuses, and what it leaves then.

use std::fs;
use std::process::{Command, Stdio};

use inspectd_test_support::{onnx_runtime, require};

use super::{accepting, checks, empty, init, names, text};
use crate::ctl::run;
use crate::harness::{Site, ends};

/// Runs a command without a terminal, whose words are separated by spaces: it must exit with `code`, say the texts, and write
/// nothing. BUNDLE is the bundle of the site, NOWHERE a folder that does not exist.
fn refuses(site: &Site, words: &str, code: i32, expected: &[&str]) {
    let path = |name: &str| site.path(name).display().to_string();
    let words = words
        .replace("BUNDLE", &path("bundle"))
        .replace("NOWHERE", &path("nowhere"));
    let arguments: Vec<&str> = words.split_whitespace().collect();
    let stderr = run(&mut init(site, &arguments), code).stderr();
    for text in expected {
        assert!(stderr.contains(text), "{text:?} is not in\n{stderr}");
    }
    assert!(!stderr.contains("secret"), "no password is shown: {stderr}");
    assert!(names(site).is_empty(), "{:?}", names(site));
}

#[test]
fn missing_answers_are_listed_and_nothing_is_written() {
    require!(onnx_runtime());
    let site = empty();
    let check = |words: &str, expected: &[&str]| refuses(&site, words, 1, expected);
    check(
        "",
        &[
            "standard input is not a terminal",
            "--camera ID=SOURCE",
            "--bundle FOLDER",
            "--journal FOLDER|none",
            "--yes",
        ],
    );
    check(
        "--device cam=/dev/video0",
        &[
            "--mode cam=free-running|",
            "--crop cam=auto|",
            "--exposure-us cam=auto|keep|NUMBER",
        ],
    );
    check(
        "--url net=rtsp://127.0.0.1:9/s --mode requested --yes --bundle BUNDLE",
        &["--latency-ms net=NUMBER"],
    );
    check(
        "--yes --bundle BUNDLE --device-folder NOWHERE",
        &["no camera found in", "must be given by --camera ID=SOURCE"],
    );
}

#[test]
fn answers_that_do_not_fit_are_refused_and_nothing_is_written() {
    require!(onnx_runtime());
    let site = empty();
    for (words, code, expected) in [
        (
            "--yes --simulator --bundle NOWHERE",
            1,
            &["--bundle: ", "manifest.toml"][..],
        ),
        (
            "--yes --simulator --bundle BUNDLE --crop left=none",
            64,
            &["--crop left=: must name one of the cameras: demo"],
        ),
        (
            "--yes --simulator --bundle BUNDLE --crop 0,0,9000,9000",
            1,
            &["camera demo: the crop", "must be within 256x256 pixels"],
        ),
        (
            "--yes --device /dev/null --bundle BUNDLE",
            1,
            &["camera camera1: /dev/null: not a device that captures video"],
        ),
        (
            "--yes --url rtsp://user:secret@127.0.0.1:9/stream --bundle BUNDLE",
            1,
            &["camera camera1: 127.0.0.1:9: "],
        ),
        (
            "--yes --simulator --bundle BUNDLE --systemd-dir NOWHERE",
            1,
            &["--systemd-dir", "must be a folder that exists"],
        ),
    ] {
        refuses(&site, words, code, expected);
    }
}

#[test]
fn existing_configuration_is_replaced_only_with_force_and_kept() {
    require!(onnx_runtime());
    let site = empty();
    site.write("inspectd.toml", "# mine\n");
    let refused = run(&mut accepting(&site, &["--simulator"]), 1).stderr();
    assert!(
        refused.contains("exists; --force replaces it and keeps a copy"),
        "{refused}"
    );
    assert_eq!(text(&site), "# mine\n");
    let finished = run(&mut accepting(&site, &["--simulator", "--force"]), 0);
    let out = finished.stdout();
    let kept = out
        .lines()
        .find_map(|line| line.strip_prefix("kept: "))
        .expect("a copy");
    assert!(kept.contains("inspectd.toml.backup-"), "{kept}");
    assert_eq!(fs::read_to_string(kept).expect("the copy"), "# mine\n");
    checks(&site);
    // The one that a fresh installation created is replaced, and kept as well, unless it was changed.
    let shipped = site.path("bundle").join("shipped.toml");
    let before = "# The configuration of a fresh installation\n";
    fs::write(&shipped, before).expect("written");
    let file = shipped.display().to_string();
    let arguments = ["--simulator", "--shipped", &file];
    site.write("inspectd.toml", &format!("{before}# mine\n"));
    let refused = run(&mut accepting(&site, &arguments), 1).stderr();
    assert!(refused.contains("exists; --force"), "{refused}");
    site.write("inspectd.toml", before);
    let out = run(&mut accepting(&site, &arguments), 0).stdout();
    let kept = out.lines().find_map(|line| line.strip_prefix("kept: "));
    let kept = fs::read_to_string(kept.expect("a copy")).expect("the copy");
    assert_eq!(kept, before);
    checks(&site);
    // Another layer makes the whole wrong: the daemon's check refuses, and the file stays.
    let before = text(&site);
    fs::create_dir(site.path("conf.d")).expect("a folder");
    site.write("conf.d/10.toml", "[server]\nlisten = \"everywhere\"\n");
    let refused = run(&mut accepting(&site, &["--simulator", "--force"]), 1).stderr();
    assert!(
        refused.contains("server.listen: \"everywhere\", must be"),
        "{refused}"
    );
    assert_eq!(text(&site), before);
    // A folder that cannot be written, and one that does not exist.
    for (file, expected) in [
        ("/proc/inspectd.toml", "/proc: cannot be written"),
        ("/nonexistent/inspectd.toml", "/nonexistent: does not exist"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd"));
        command.args(["--config", file, "init", "--simulator", "--yes", "--bundle"]);
        let (code, stderr) = ends(command.arg(site.path("bundle")).stdin(Stdio::null()));
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    }
}
