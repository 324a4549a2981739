//! `watch`.

use std::process::{Child, Command, Stdio};

use inspectd_test_support::{onnx_runtime, require};

use super::{done, inspectctl, json_lines, run, wait_for_streams};
use crate::belt::{PARTS, site};
use crate::harness::{Daemon, Site, bounded, write_bundle};

#[test]
fn limited_watch_prints_that_many_verdicts_as_json_or_rows() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let lines = json_lines(&done(&daemon, "watch --camera belt --limit 7 --json"));
    assert_eq!(lines.len(), 7);
    for line in &lines {
        let verdict = &line["verdict"];
        let part = PARTS.iter().find(|part| verdict["source_item"] == part.0);
        let (_, _, decision) = part.unwrap_or_else(|| panic!("{verdict}"));
        let expected = decision.as_str_name().trim_start_matches("DECISION_");
        assert_eq!(verdict["decision"], expected.to_lowercase());
        assert!(verdict["score"]["value"].is_f64(), "{verdict}");
        assert!(verdict["timings"]["total_ms"].is_f64(), "{verdict}");
    }
    let filtered = done(
        &daemon,
        "watch --decision reject --decision fault --limit 3",
    );
    let lines: Vec<_> = filtered.lines().collect();
    assert_eq!(lines.len(), 4, "headings and three verdicts: {filtered}");
    assert!(lines[0].starts_with("sequence  camera "), "{filtered}");
    for line in &lines[1..] {
        assert!(
            line.contains("  REJECT ") && line.ends_with("  b.png"),
            "{line}"
        );
    }
    daemon.stop();
}

#[test]
fn summary_counts_found_and_missed_defects() {
    require!(onnx_runtime());
    let site = Site::new(
        "[cameras.demo]\nsource = \"simulator\"\nwidth = 64\nheight = 64\ndefect_rate = 0.5\n\
         fps = 200.0\nmode = \"triggered\"\nqueue = 1024\n",
    );
    // Every part has a bright spot: all scores are above this threshold, and no defect is missed.
    write_bundle(&site.path("bundle"), 0.1);
    let daemon = site.start();
    let text = done(&daemon, "watch --limit 40 --summary");
    let summary: Vec<_> = text.lines().skip(42).collect();
    assert_eq!(
        summary[0], "40 verdicts: 0 pass, 40 reject, 0 review, 0 fault",
        "{text}"
    );
    assert!(summary[1].ends_with(" frames/s"), "{text}");
    assert!(
        summary[2].starts_with("capture to verdict, ms: p50 "),
        "{text}"
    );
    assert!(summary[3].starts_with("inference, ms: p50 "), "{text}");
    let (known, counts) = summary[4].split_once(": ").expect("counts");
    assert_eq!(known, "40 parts of known condition");
    let counts: Vec<u32> = counts
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    let [found, missed, false_alarms, passed] = counts[..] else {
        panic!("{text}")
    };
    assert_eq!((missed, passed, found + false_alarms), (0, 0, 40), "{text}");
    assert!(
        found > 0 && false_alarms > 0,
        "half of the parts are defective: {text}"
    );
    assert_eq!(summary.len(), 5, "{text}");
    daemon.stop();
}

#[test]
fn last_reject_file_shows_the_frame_and_its_heatmap() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let file = site.path("last.png");
    let mut command = inspectctl(&daemon);
    command
        .args(["watch", "--limit", "6", "--last-reject"])
        .arg(&file);
    let finished = run(&mut command, 0);
    let suffix = format!(": {}", file.display());
    let last = finished.stdout().lines().last().map(ToOwned::to_owned);
    let last = last.expect("lines");
    assert!(
        last.starts_with("heatmap of ") && last.ends_with(&suffix),
        "{last}"
    );
    let picture = image::open(&file).expect("a PNG").into_rgb8();
    assert_eq!(picture.dimensions(), (128, 64));
    let heat = picture.get_pixel(64 + 34, 34).0;
    assert_eq!(picture.get_pixel(34, 34).0, [255; 3], "the unchanged spot");
    assert!(heat[0] > heat[2], "red over the spot: {heat:?}");
    daemon.stop();
}

#[test]
fn watch_of_an_unknown_camera_is_refused() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let stderr = run(inspectctl(&daemon).args(["watch", "--camera", "absent"]), 1).stderr();
    assert!(stderr.starts_with("inspectctl: NOT_FOUND: "), "{stderr}");
    daemon.stop();
}

/// Starts a watch in the background, without its verdicts and with its summary.
fn watching(daemon: &Daemon, more: &[&str]) -> Child {
    let mut command = inspectctl(daemon);
    command.args(["watch", "--json", "--summary"]).args(more);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let watching = command.spawn().expect("a started program");
    wait_for_streams(daemon, 1);
    watching
}

#[test]
fn ctrl_c_ends_a_watch_with_its_summary() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let watch = watching(&daemon, &[]);
    let pid = watch.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status();
    assert!(sent.expect("kill").success());
    let output = watch.wait_with_output().expect("a child");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains(" verdict"), "{stderr}");
    daemon.stop();
}

#[test]
fn stopping_daemon_ends_a_watch_with_69() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let watch = watching(&daemon, &[]);
    daemon.stop();
    let output = watch.wait_with_output().expect("a child");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{stderr}");
    assert!(stderr.contains("the stream ended: "), "{stderr}");
}

#[test]
fn watch_with_reconnect_continues_after_a_restart() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let address = daemon.address("server.listen");
    let watch = watching(&daemon, &["--reconnect", "--limit", "100"]);
    daemon.stop();
    let mut again = site.command();
    let daemon = Daemon::spawn(again.env("INSPECTD__SERVER__LISTEN", address));
    let output = watch.wait_with_output().expect("a child");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("; retrying in 250 ms"), "{stderr}");
    assert!(stderr.contains("100 verdicts: "), "{stderr}");
    daemon.stop();
}

#[test]
fn closed_output_ends_a_watch_with_0() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let server = format!("http://{}", daemon.address("server.listen"));
    let mut command = bounded("bash");
    command
        .args(["-o", "pipefail", "-c", "\"$0\" watch --json | head -n 1"])
        .arg(crate::harness::inspectctl())
        .env("INSPECTD_SERVER", server);
    let finished = run(&mut command, 0);
    assert_eq!(json_lines(&finished.stdout()).len(), 1);
    assert_eq!(finished.stderr(), "");
    wait_for_streams(&daemon, 0);
    daemon.stop();
}
