//! `inspect` and `evidence`.

use std::process::Command;

use super::{inspectctl, json_lines, reject, run};
use crate::belt::site;
use crate::harness::{Daemon, Site, runtime_is_there, write_png};

/// `inspect` of files of the belt's folder.
fn inspect(daemon: &Daemon, site: &Site, more: &[&str], names: &[&str]) -> Command {
    let mut command = inspectctl(daemon);
    let paths = names.iter().map(|name| site.path("pictures").join(name));
    command.arg("inspect").args(more).args(paths);
    command
}

#[test]
fn the_worst_images_decision_is_the_exit_code() {
    if !runtime_is_there() {
        return;
    }
    let site = site();
    let daemon = site.start();
    // Its cells are black, for which this model has no number.
    write_png(&site.path("pictures/black.png"), 64, 0, 0);
    for (names, code, said) in [
        (&["a.png"][..], 0, "a.png: PASS, score 0.5"),
        (&["b.png"], 2, "b.png: REJECT, score 0.8"),
        (&["c.png"], 3, "c.png: REVIEW, score 0.5"),
        (&["black.png"], 4, "black.png: FAULT, engine: "),
        (&["a.png", "c.png", "b.png"], 2, "b.png: REJECT"),
        (&["black.png", "b.png"], 4, "b.png: REJECT"),
    ] {
        let printed = run(&mut inspect(&daemon, &site, &[], names), code).printed();
        assert!(printed.contains(said), "{said:?} is not in\n{printed}");
    }
    let all = ["a.png", "b.png", "black.png"];
    run(&mut inspect(&daemon, &site, &["--exit-zero"], &all), 0);
    daemon.stop();
}

#[test]
fn an_image_that_cannot_be_judged_does_not_keep_the_rest_from_it() {
    if !runtime_is_there() {
        return;
    }
    let site = site();
    let daemon = site.start();
    std::fs::write(site.path("pictures/text.png"), "no picture").expect("a written file");
    let names = ["absent.png", "text.png", "b.png"];
    let ended = run(&mut inspect(&daemon, &site, &["--json"], &names), 1);
    let lines = json_lines(&ended.printed());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["verdict"]["decision"], "reject");
    assert!(
        lines[0]["image"]
            .as_str()
            .is_some_and(|image| image.ends_with("b.png"))
    );
    let told = ended.told();
    assert!(told.contains("absent.png: cannot be read"), "{told}");
    assert!(told.contains("text.png: INVALID_ARGUMENT: "), "{told}");
    daemon.stop();
}

#[test]
fn evidence_is_saved_as_its_name_says() {
    if !runtime_is_there() {
        return;
    }
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
        let printed = evidence(&[&["-o", path.as_str()], flags].concat()).printed();
        assert_eq!(printed.trim_end(), path);
        check_picture(&std::fs::read(&path).expect("a written file"), format);
    }
    check_picture(&evidence(&["-o", "-"]).0.stdout, image::ImageFormat::Png);
    let jpeg = evidence(&["-o", "-", "--jpeg", "--frame"]).0.stdout;
    check_picture(&jpeg, image::ImageFormat::Jpeg);
    let original = image::open(site.path("pictures/b.png")).expect("a PNG");
    let saved = image::open(site.path("frame.png")).expect("a PNG");
    assert_eq!(saved.into_rgb8(), original.into_rgb8());
    daemon.stop();
}

fn check_picture(bytes: &[u8], format: image::ImageFormat) {
    assert_eq!(image::guess_format(bytes).expect("a picture"), format);
    // Only PNG is among the tests' decoders.
    if format == image::ImageFormat::Png {
        let picture = image::load_from_memory(bytes).expect("a whole picture");
        assert_eq!((picture.width(), picture.height()), (64, 64));
    }
}

#[test]
fn evidence_that_is_not_there_is_an_error_that_says_why() {
    if !runtime_is_there() {
        return;
    }
    let site = site();
    write_png(&site.path("black.png"), 64, 0, 0);
    let daemon = site.start();
    let file = site.path("none.png").display().to_string();
    let told = |sequence: &str| {
        let mut command = inspectctl(&daemon);
        run(command.args(["evidence", sequence, "-o", &file]), 1).told()
    };
    let gone = told("1000000000");
    assert!(gone.starts_with("inspectctl: NOT_FOUND: "), "{gone}");
    let mut inspect = inspectctl(&daemon);
    inspect
        .args(["inspect", "--json"])
        .arg(site.path("black.png"));
    let fault = json_lines(&run(&mut inspect, 4).printed());
    let fault = fault[0]["verdict"]["sequence"].to_string();
    let without = told(&fault);
    assert!(
        without.contains("is a FAULT and has no heatmap"),
        "{without}"
    );
    assert!(!site.path("none.png").exists());
    let mut frame = inspectctl(&daemon);
    run(frame.args(["evidence", &fault, "--frame", "-o", &file]), 0);
    daemon.stop();
}
