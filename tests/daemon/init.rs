//! `inspectd init`: scripts and a person make a configuration, and the daemon starts from it.

mod refusals;
mod terminal;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use inspectd_client::proto::Decision;
use inspectd_test_support::{onnx_runtime, reference_data, require};

use crate::ctl::{Finished, run};
use crate::device::{DeviceSite, EXPOSURE};
use crate::harness::{Daemon, Site};

/// A site without a configuration.
fn empty() -> Site {
    let site = Site::new("");
    fs::remove_file(site.path("inspectd.toml")).expect("removed");
    site
}

/// `inspectd init` for a site; its bundle is given.
fn init(site: &Site, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd"));
    command
        .arg("--config")
        .arg(site.path("inspectd.toml"))
        .arg("init")
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// As [`init`], with the bundle of the site, and all proposals accepted.
fn accepting(site: &Site, arguments: &[&str]) -> Command {
    let mut command = init(site, arguments);
    command
        .arg("--yes")
        .arg("--bundle")
        .arg(site.path("bundle"));
    command
}

fn text(site: &Site) -> String {
    fs::read_to_string(site.path("inspectd.toml")).expect("the configuration")
}

/// The daemon's own check of what was written.
fn checks(site: &Site) {
    run(site.command().arg("check"), 0);
}

/// Starts the daemon from what was written; only ports and log are those of tests.
fn started(site: &Site, also: impl Fn(&mut Command)) -> Daemon {
    let mut command = site.command();
    command
        .env("INSPECTD__SERVER__LISTEN", "127.0.0.1:0")
        .env("INSPECTD__SERVER__METRICS_LISTEN", "off")
        .env("INSPECTD__LOG__FORMAT", "json");
    also(&mut command);
    let daemon = Daemon::spawn(&mut command);
    daemon.wait_for_log("ready");
    daemon
}

/// The names in the folder of a site, without its bundle.
fn names(site: &Site) -> Vec<String> {
    let entries = fs::read_dir(site.path("")).expect("the folder");
    let names = entries.map(|entry| {
        entry
            .expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    let mut names: Vec<String> = names.filter(|name| name != "bundle").collect();
    names.sort();
    names
}

/// Writes pictures of a bright part on a plain background, which lies elsewhere in each of them.
fn parts(folder: &Path, count: u32) {
    fs::create_dir_all(folder).expect("a folder");
    for number in 0..count {
        let left = 60 + 4 * number;
        let picture = image::RgbImage::from_fn(240, 180, |x, y| {
            let inside = (left..left + 60).contains(&x) && (50..110).contains(&y);
            image::Rgb(
                [if inside && (x / 6).is_multiple_of(2) {
                    170
                } else {
                    110
                }; 3],
            )
        });
        picture
            .save(folder.join(format!("part-{number}.png")))
            .expect("written");
    }
}

fn shown(finished: &Finished) -> String {
    format!("{}\n{}", finished.stdout(), finished.stderr())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn script_configures_the_simulator_and_the_daemon_gives_verdicts() {
    require!(onnx_runtime());
    let site = empty();
    let finished = run(&mut accepting(&site, &["--simulator"]), 0);
    let out = finished.stdout();
    assert!(out.contains("sharpness"), "{out}");
    let last: Vec<&str> = out.lines().rev().take(3).collect();
    assert_eq!(last[0].trim(), "inspectctl watch");
    assert!(last[1].contains("inspectd --config"), "{out}");
    assert!(last[2].ends_with(" check"), "{out}");
    let written = text(&site);
    assert!(
        written.contains("[cameras.demo]\nsource = \"simulator\""),
        "{written}"
    );
    assert!(site.path("commissioning/demo-1.png").exists());
    let mode = fs::metadata(site.path("inspectd.toml"))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    checks(&site);
    let daemon = started(&site, |_| ());
    let verdict = daemon.verdicts().await.next().await;
    assert!(
        verdict.simulated && verdict.camera_id == "demo",
        "{verdict:?}"
    );
    assert_ne!(verdict.decision(), Decision::Fault, "{verdict:?}");
    assert!(site.path("journal").is_dir());
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn script_configures_a_folder_with_a_crop_around_its_parts() {
    require!(onnx_runtime());
    let site = empty();
    parts(&site.path("pictures"), 8);
    let folder = site.path("pictures").display().to_string();
    let units = site.path("units");
    fs::create_dir(&units).expect("a folder");
    let systemd = units.display().to_string();
    let arguments = [
        "--folder",
        &*format!("shelf={folder}"),
        "--systemd-dir",
        &systemd,
        "--journal",
        "none",
    ];
    let finished = run(&mut accepting(&site, &arguments), 0);
    let written = text(&site);
    let crop = written
        .lines()
        .find(|line| line.starts_with("crop = "))
        .expect("a crop");
    let sides: Vec<u32> = crop
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    let [left, top, right, bottom] = sides[..4] else {
        panic!("{crop}")
    };
    // The parts lie between columns 60 and 148, and between rows 50 and 110.
    assert!(
        (30..=60).contains(&left) && (148..=180).contains(&right),
        "{crop}"
    );
    assert!(
        (20..=50).contains(&top) && (110..=140).contains(&bottom),
        "{crop}"
    );
    assert!(
        written.contains("expected_width = 240\nexpected_height = 180\n"),
        "{written}"
    );
    assert!(written.contains("# check.blurred_below = 0."), "{written}");
    let drawn = image::open(site.path("commissioning/shelf-crop.png"))
        .expect("a PNG")
        .into_rgb8();
    assert_eq!(drawn.get_pixel(left, top.midpoint(bottom)).0, [255, 120, 0]);
    // The folder of the test is below /tmp, which the unit does not see.
    let drop_in =
        fs::read_to_string(units.join("inspectd.service.d/50-init.conf")).expect("a drop-in");
    assert!(
        drop_in.contains(&format!("BindReadOnlyPaths={folder}\n")),
        "{drop_in}"
    );
    assert!(
        drop_in.contains("ExecStart=\nExecStart=/")
            && drop_in.contains(&format!(
                " --config {}",
                site.path("inspectd.toml").display()
            )),
        "{drop_in}"
    );
    assert!(
        finished.stdout().contains("sudo systemctl daemon-reload"),
        "{}",
        shown(&finished)
    );
    checks(&site);
    let daemon = started(&site, |_| ());
    let verdict = daemon.verdicts().await.next().await;
    assert_eq!(
        (verdict.width, verdict.height),
        (right - left, bottom - top),
        "{verdict:?}"
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn script_configures_a_video_file() {
    require!(onnx_runtime());
    let site = empty();
    let video = reference_data("video/rotated90.mp4").display().to_string();
    let file = format!("--file=film={video}");
    let arguments = [
        &*file,
        "--crop",
        "none",
        "--mode",
        "film=triggered",
        "--pictures",
        "2",
    ];
    run(&mut accepting(&site, &arguments), 0);
    let written = text(&site);
    assert!(
        written.contains(&format!(
            "source = \"file\"\npath = \"{video}\"\nmode = \"triggered\""
        )),
        "{written}"
    );
    assert!(!written.contains("\ncrop = "), "{written}");
    checks(&site);
    let daemon = started(&site, |_| ());
    let verdict = daemon.verdicts().await.next().await;
    assert_eq!(verdict.camera_id, "film");
    assert_ne!(verdict.decision(), Decision::Fault, "{verdict:?}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn script_finds_a_device_and_searches_its_exposure() {
    require!(onnx_runtime());
    let device = DeviceSite::new("");
    fs::remove_file(device.site.path("inspectd.toml")).expect("removed");
    // 10 ms, at which the pictures are nearly white: those below 4 ms have the grey level 127.
    device.control.set(EXPOSURE, 100);
    let folder = device.site.path("").display().to_string();
    let mut command = accepting(
        &device.site,
        &["--device-folder", &folder, "--pictures", "4"],
    );
    device.preload(&mut command);
    let finished = run(&mut command, 0);
    let out = finished.stdout();
    assert!(
        out.contains("video0, Test Camera at platform:test: MJPG up to 64x48"),
        "{out}"
    );
    let written = text(&device.site);
    let exposure = written
        .lines()
        .find_map(|line| line.strip_prefix("exposure_us = "));
    let exposure = exposure.and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
    let exposure = exposure.unwrap_or_else(|| panic!("no exposure in\n{written}"));
    assert!(exposure < 4000, "{exposure}");
    assert!(
        written.contains("# Test Camera at platform:test, 64x48 pixels, "),
        "{written}"
    );
    // The camera has its own exposure again.
    assert_eq!(device.control.get(EXPOSURE), 100);
    let mut check = device.site.command();
    device.preload(&mut check);
    run(check.arg("check"), 0);
    let daemon = started(&device.site, |command| device.preload(command));
    let mut verdicts = daemon.verdicts().await;
    verdicts
        .until(|verdict| verdict.decision() == Decision::Pass)
        .await;
    assert_eq!(device.control.get(EXPOSURE), exposure / 100);
    daemon.stop();
}

#[test]
fn device_keeps_its_own_exposure_or_gets_a_stated_one() {
    require!(onnx_runtime());
    let device = DeviceSite::new("");
    let path = format!("dev={}", device.site.path("video0").display());
    for (answer, expected) in [("keep", None), ("1500", Some("exposure_us = 1500\n"))] {
        let arguments = [
            "--device",
            &path,
            "--exposure-us",
            answer,
            "--format",
            "MJPG:64x48",
            "--pictures",
            "2",
            "--force",
        ];
        let mut command = accepting(&device.site, &arguments);
        device.preload(&mut command);
        run(&mut command, 0);
        let written = text(&device.site);
        match expected {
            Some(expected) => assert!(written.contains(expected), "{written}"),
            None => assert!(!written.contains("\nexposure_us"), "{written}"),
        }
        assert!(
            written.contains("pixel_format = \"MJPG\"\nwidth = 64\nheight = 48\n"),
            "{written}"
        );
    }
}
