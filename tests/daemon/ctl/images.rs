//! `inspect` and `evidence`.

use std::process::Command;

use inspectd_test_support::{onnx_runtime, require};

use super::{inspectctl, json_lines, reject, run};
use crate::belt::site;
use crate::harness::{Daemon, Site, write_png};

/// `inspect` of files of the belt's folder.
fn inspect(daemon: &Daemon, site: &Site, more: &[&str], names: &[&str]) -> Command {
    let mut command = inspectctl(daemon);
    let paths = names.iter().map(|name| site.path("pictures").join(name));
    command.arg("inspect").args(more).args(paths);
    command
}

#[test]
fn worst_decision_of_several_images_selects_the_exit_code() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    // The model returns a non-finite score for black cells.
    write_png(&site.path("pictures/black.png"), 64, 0, 0);
    for (names, code, expected) in [
        (&["a.png"][..], 0, "a.png: PASS, score 0.5"),
        (&["b.png"], 2, "b.png: REJECT, score 0.8"),
        (&["c.png"], 3, "c.png: REVIEW, score 0.5"),
        (&["black.png"], 4, "black.png: FAULT, engine: "),
        (&["a.png", "c.png", "b.png"], 2, "b.png: REJECT"),
        (&["black.png", "b.png"], 4, "b.png: REJECT"),
    ] {
        let stdout = run(&mut inspect(&daemon, &site, &[], names), code).stdout();
        assert!(
            stdout.contains(expected),
            "{expected:?} is not in\n{stdout}"
        );
    }
    let all = ["a.png", "b.png", "black.png"];
    run(&mut inspect(&daemon, &site, &["--exit-zero"], &all), 0);
    daemon.stop();
}

#[test]
fn image_that_fails_does_not_stop_the_others() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    std::fs::write(site.path("pictures/text.png"), "not an image").expect("a written file");
    let names = ["absent.png", "text.png", "b.png"];
    let finished = run(&mut inspect(&daemon, &site, &["--json"], &names), 1);
    let lines = json_lines(&finished.stdout());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["verdict"]["decision"], "reject");
    assert!(
        lines[0]["image"]
            .as_str()
            .is_some_and(|image| image.ends_with("b.png"))
    );
    let stderr = finished.stderr();
    assert!(stderr.contains("absent.png: cannot be read"), "{stderr}");
    assert!(stderr.contains("text.png: INVALID_ARGUMENT: "), "{stderr}");
    daemon.stop();
}

#[test]
fn evidence_is_saved_in_the_format_of_the_file_name() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let sequence = reject(&daemon).to_string();
    let evidence = |more: &[&str]| {
        let mut command = inspectctl(&daemon);
        command.args(["evidence", &sequence]).args(more);
        run(&mut command, 0)
    };
    for (name, flags, format) in [
        ("heat.png", &[][..], image::ImageFormat::Png),
        ("frame.png", &["--frame"], image::ImageFormat::Png),
        ("heat.jpg", &[], image::ImageFormat::Jpeg),
        (
            "frame.jpeg",
            &["--frame", "--jpeg"],
            image::ImageFormat::Jpeg,
        ),
    ] {
        let path = site.path(name).display().to_string();
        let stdout = evidence(&[&["-o", path.as_str()], flags].concat()).stdout();
        assert_eq!(stdout.trim_end(), path);
        check_image(&std::fs::read(&path).expect("a written file"), format);
    }
    check_image(&evidence(&["-o", "-"]).0.stdout, image::ImageFormat::Png);
    let jpeg = evidence(&["-o", "-", "--jpeg", "--frame"]).0.stdout;
    check_image(&jpeg, image::ImageFormat::Jpeg);
    let original = image::open(site.path("pictures/b.png")).expect("a PNG");
    let saved = image::open(site.path("frame.png")).expect("a PNG");
    assert_eq!(saved.into_rgb8(), original.into_rgb8());
    daemon.stop();
}

fn check_image(bytes: &[u8], format: image::ImageFormat) {
    assert_eq!(image::guess_format(bytes).expect("an image"), format);
    // The tests are built with the PNG decoder only.
    if format == image::ImageFormat::Png {
        let picture = image::load_from_memory(bytes).expect("a complete image");
        assert_eq!((picture.width(), picture.height()), (64, 64));
    }
}

#[test]
fn missing_evidence_is_an_error_with_the_reason() {
    require!(onnx_runtime());
    let site = site();
    write_png(&site.path("black.png"), 64, 0, 0);
    let daemon = site.start();
    let file = site.path("none.png").display().to_string();
    let error = |sequence: &str| {
        let mut command = inspectctl(&daemon);
        run(command.args(["evidence", sequence, "-o", &file]), 1).stderr()
    };
    let gone = error("1000000000");
    assert!(gone.starts_with("inspectctl: NOT_FOUND: "), "{gone}");
    let mut inspect = inspectctl(&daemon);
    inspect
        .args(["inspect", "--json"])
        .arg(site.path("black.png"));
    let fault = json_lines(&run(&mut inspect, 4).stdout());
    let fault = fault[0]["verdict"]["sequence"].to_string();
    let without = error(&fault);
    assert!(
        without.contains("is a FAULT and has no heatmap"),
        "{without}"
    );
    assert!(!site.path("none.png").exists());
    let mut frame = inspectctl(&daemon);
    run(frame.args(["evidence", &fault, "--frame", "-o", &file]), 0);
    daemon.stop();
}
