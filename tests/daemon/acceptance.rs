//! `inspectctl acceptance`: studies with the real daemon, of pictures and of a camera.

mod live;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use inspectd_simulator::Feed;
use inspectd_test_support::{onnx_runtime, require};
use serde_json::Value;

use crate::ctl::{Finished, inspectctl, run};
use crate::harness::{Daemon, Site, wait, write_png};

/// The graph of the tests: pictures with a spot of the level 128 have the score 0.5, those with 255 have 0.84. The threshold is
/// 0.6, which is a spot of about 165.
const GOOD_SPOT: u8 = 128;
const BAD_SPOT: u8 = 255;

/// A site with a camera that judges nothing by itself.
fn site() -> Site {
    let site = Site::new(
        "[cameras.idle]\nsource = \"folder\"\npath = \"idle\"\nmode = \"requested\"\nrepeat = true\n",
    );
    site.pictures("idle", &[("a.png", 128)]);
    site
}

/// Writes a picture to the folder `study`.
fn picture(site: &Site, name: &str, spot: u8) {
    let file = site.path("study").join(name);
    fs::create_dir_all(file.parent().expect("a folder")).expect("created");
    write_png(&file, 64, 128, spot);
}

/// Good and bad parts, as many of each.
fn parts(site: &Site, count: u8) {
    for number in 0..count {
        picture(
            site,
            &format!("good/{number:02}.png"),
            GOOD_SPOT + number % 3,
        );
        picture(site, &format!("bad/{number:02}.png"), BAD_SPOT - number % 3);
    }
}

/// Starts a command, which a test kills: without the program `timeout`, which would survive.
fn started(daemon: &Daemon, arguments: &Command) -> Child {
    let mut command = Command::new(crate::harness::inspectctl());
    command.env(
        "INSPECTD_SERVER",
        format!("http://{}", daemon.address("server.listen")),
    );
    // The first three arguments of a bounded command are those of `timeout`.
    let own = arguments.get_args().skip(3);
    let command = command
        .args(own)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("a started program")
}

/// The command for the pictures of a site.
fn study(daemon: &Daemon, site: &Site, also: &str) -> Command {
    let mut command = inspectctl(daemon);
    command
        .arg("acceptance")
        .arg("--images")
        .arg(site.path("study"));
    command
        .arg("--out")
        .arg(site.path("report"))
        .args(also.split_whitespace());
    command
}

fn report(site: &Site) -> Value {
    let text = fs::read_to_string(site.path("report/acceptance.json")).expect("a report");
    serde_json::from_str(&text).expect("JSON")
}

fn lines(site: &Site) -> Vec<Value> {
    let text = fs::read_to_string(site.path("report/measurements.jsonl")).unwrap_or_default();
    // The last line may be being written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn judged(daemon: &Daemon) -> u64 {
    let status: Value =
        serde_json::from_str(&crate::ctl::done(daemon, "status --json")).expect("JSON");
    status["sequence"].as_u64().expect("a sequence")
}

fn assert_line(finished: &Finished, expected: &str) {
    let out = finished.stdout();
    assert!(
        out.lines().any(|line| line == expected),
        "{expected:?} is not in\n{out}"
    );
}

#[test]
fn study_of_pictures_is_accepted_by_its_criteria_and_judged_again_by_stricter_ones() {
    require!(onnx_runtime());
    let site = site();
    parts(&site, 30);
    for number in 0..25_u8 {
        picture(
            &site,
            &format!("reference/{number:02}.png"),
            GOOD_SPOT + number % 4,
        );
    }
    let daemon = site.start();
    let stated = "--repeat 2 --max-miss-rate 0.1 --max-false-reject-rate 0.1 --min-cgk 1.33 --operator Ann --subject Bottles";
    let accepted = run(&mut study(&daemon, &site, stated), 0);
    assert_line(&accepted, "accepted");
    assert_line(
        &accepted,
        "misses: 0 of 60 decisions, 0 of 30 parts, upper bound 9.5 %",
    );
    let found = report(&site);
    assert_eq!(
        (found["conclusion"].as_str(), found["planned"].as_u64()),
        (Some("accepted"), Some(145))
    );
    assert_eq!(found["study"]["version"], 1);
    assert_eq!(
        (&found["study"]["operator"], &found["study"]["subject"]),
        (&"Ann".into(), &"Bottles".into())
    );
    let model = daemon_model(&daemon);
    assert_eq!(
        found["study"]["model"]["sha256"].as_str(),
        Some(model.as_str())
    );
    assert_eq!(
        found["study"]["config_hash"].as_str().map(str::len),
        Some(64)
    );
    assert_eq!(found["measurements"].as_array().map(Vec::len), Some(145));
    assert_eq!(
        found["agreement"]["table"],
        serde_json::json!([[60, 0], [0, 60]])
    );
    // The scores of the spots 128 to 131, 25 times: the deviation of 0, 1, 2, 3 steps of a score.
    let type1 = &found["type1"][0];
    assert_eq!(
        (type1["count"].as_u64(), type1["one_picture"].as_bool()),
        (Some(25), Some(false))
    );
    let scores: Vec<f64> = type1["scores"]
        .as_array()
        .expect("scores")
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    let mean = scores.iter().sum::<f64>() / 25.0;
    let deviation = (scores
        .iter()
        .map(|score| (score - mean).powi(2))
        .sum::<f64>()
        / 24.0)
        .sqrt();
    let written = type1["deviation"].as_f64().expect("a number");
    assert!(
        (written - deviation).abs() < 1e-12 && deviation > 0.001,
        "{written} {deviation}"
    );
    let distance = found["tolerance"]["distance"].as_f64().expect("a number");
    let cgk = type1["capability"]["cgk"].as_f64().expect("a number");
    assert!(
        (cgk - 0.2 * distance / (3.0 * deviation)).abs() < 1e-9,
        "{cgk}"
    );
    let page = fs::read_to_string(site.path("report/acceptance.html")).expect("a page");
    assert!(
        page.contains("Bottles") && page.contains(&model),
        "the page names what was studied"
    );

    // Nothing is judged again; stricter criteria do not hold.
    let before = judged(&daemon);
    let strict = "--repeat 2 --max-miss-rate 0.02 --operator Ann";
    let refused = run(&mut study(&daemon, &site, strict), 1);
    assert_line(&refused, "not accepted");
    assert!(
        refused.stderr().contains("145 of 145 were measured before"),
        "{}",
        refused.stderr()
    );
    assert!(
        refused
            .stderr()
            .contains("149 parts without a wrong decision would show it"),
        "{}",
        refused.stderr()
    );
    assert_eq!(judged(&daemon), before);
    assert_eq!(report(&site)["conclusion"], "not_accepted");
    daemon.stop();
}

fn daemon_model(daemon: &Daemon) -> String {
    let status: Value =
        serde_json::from_str(&crate::ctl::done(daemon, "status --json")).expect("JSON");
    status["model"]["sha256"]
        .as_str()
        .expect("a hash")
        .to_owned()
}

#[test]
fn wrong_decisions_are_rates_and_their_parts_are_listed() {
    require!(onnx_runtime());
    let site = site();
    parts(&site, 10);
    // A bad part that looks good, and a good one that does not.
    picture(&site, "bad/faint.png", 130);
    picture(&site, "good/bright.png", 200);
    let daemon = site.start();
    let finished = run(&mut study(&daemon, &site, "--reference-repeat 25"), 0);
    assert_line(&finished, "not judged: no criterion was stated");
    assert_line(
        &finished,
        "misses: 3 of 33 decisions, 1 of 11 parts, upper bound 36.4 %",
    );
    assert_line(
        &finished,
        "agreement: 22 of 22 parts with each other, 20 with their state",
    );
    let found = report(&site);
    assert_eq!(found["type1"][0]["one_picture"], true);
    assert_eq!(found["type1"][0]["deviation"], 0.0);
    assert_eq!(
        found["agreement"]["table"],
        serde_json::json!([[30, 3], [3, 30]])
    );
    let page = fs::read_to_string(site.path("report/acceptance.html")).expect("a page");
    assert!(
        page.contains("bad/faint.png") && page.contains("good/bright.png"),
        "wrong parts are on the page"
    );
    let refused = run(&mut study(&daemon, &site, "--min-cgk 1.33"), 1).stderr();
    assert!(
        refused.contains("--min-cgk requires a type 1 study"),
        "{refused}"
    );
    daemon.stop();
}

#[test]
fn killed_study_continues_where_it_was() {
    require!(onnx_runtime());
    let site = site();
    parts(&site, 20);
    let daemon = site.start();
    let options = "--repeat 30 --reference-repeat 0";
    let mut killed = started(&daemon, &study(&daemon, &site, options));
    wait("some measurements", || lines(&site).len() > 20);
    killed.kill().expect("it runs");
    killed.wait().expect("it ended");
    let before = lines(&site);
    assert!(before.len() < 1200, "it was killed too late");
    // A torn line, as a killed program leaves it.
    let file = site.path("report/measurements.jsonl");
    let mut text = fs::read_to_string(&file).expect("lines");
    text.truncate(text.rfind('\n').expect("lines") + 1);
    fs::write(&file, format!("{text}{{\"measured\":{{\"step\":")).expect("written");

    let other = run(
        &mut study(&daemon, &site, "--repeat 2 --reference-repeat 0"),
        1,
    )
    .stderr();
    assert!(
        other.contains("is a study of other parts, pictures or options"),
        "{other}"
    );
    let finished = run(&mut study(&daemon, &site, options), 0);
    assert!(
        finished.stderr().contains(" of 1200 were measured before"),
        "{}",
        finished.stderr()
    );
    let after = lines(&site);
    assert_eq!(after.len(), 1201);
    assert_eq!(after[..before.len()], before[..]);
    let mut steps: Vec<u64> = after[1..]
        .iter()
        .filter_map(|line| line["measured"]["step"].as_u64())
        .collect();
    steps.sort_unstable();
    assert_eq!(steps, (1..=1200).collect::<Vec<_>>());
    daemon.stop();
}

#[test]
fn fault_is_listed_and_is_no_measurement() {
    require!(onnx_runtime());
    let site = site();
    parts(&site, 5);
    // The model returns a non-finite score for black cells.
    write_png(&site.path("study/good/black.png"), 64, 0, 0);
    let daemon = site.start();
    let options = "--repeat 2 --reference-repeat 0 --max-miss-rate 0.9 --confidence 0.5";
    let finished = run(&mut study(&daemon, &site, options), 1);
    assert_line(&finished, "not accepted");
    assert_line(
        &finished,
        "does not hold: Every planned measurement has a result: 2 have none",
    );
    assert!(
        finished
            .stderr()
            .contains("part good/black.png: FAULT, engine: "),
        "{}",
        finished.stderr()
    );
    let found = report(&site);
    assert_eq!(found["missing"].as_array().map(Vec::len), Some(2));
    // Three attempts of two steps.
    assert_eq!(found["faults"].as_array().map(Vec::len), Some(6));
    assert_eq!(found["faults"][0]["reason"], "engine");
    assert_eq!(found["measurements"].as_array().map(Vec::len), Some(20));
    let page = fs::read_to_string(site.path("report/acceptance.html")).expect("a page");
    assert!(
        page.contains("A FAULT is no measurement"),
        "the page lists them"
    );
    daemon.stop();
}

#[test]
fn change_of_the_configuration_or_of_a_picture_ends_the_study() {
    require!(onnx_runtime());
    let site = site();
    parts(&site, 3);
    let daemon = site.start();
    let options = "--repeat 1 --reference-repeat 0";
    run(&mut study(&daemon, &site, options), 0);
    picture(&site, "good/00.png", 140);
    let changed = run(&mut study(&daemon, &site, options), 1).stderr();
    assert!(
        changed.contains("is a study of other parts, pictures or options"),
        "{changed}"
    );
    picture(&site, "good/00.png", GOOD_SPOT);
    run(&mut study(&daemon, &site, options), 0);
    let text = fs::read_to_string(site.path("inspectd.toml")).expect("a configuration");
    site.write(
        "inspectd.toml",
        &format!("{text}\n[verdict]\nthreshold = 0.7\n"),
    );
    crate::ctl::done(&daemon, "reload");
    let changed = run(&mut study(&daemon, &site, options), 1).stderr();
    assert!(
        changed.contains("the configuration has changed since the study was begun"),
        "{changed}"
    );
    daemon.stop();
}

#[test]
fn demo_model_is_studied_on_parts_of_the_simulator() {
    require!(onnx_runtime());
    let site = site();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo");
    site.set_bundle(&demo.display().to_string());
    let feed = Feed::new(11, 0.5);
    let mut counts = [0; 2];
    for number in 0.. {
        let (scene, defect) = feed.at(number);
        let state = usize::from(defect.is_some());
        if counts == [12, 12] {
            break;
        }
        if counts[state] == 12 {
            continue;
        }
        counts[state] += 1;
        let frame = scene.render(256, 256);
        let image = image::RgbImage::from_raw(256, 256, frame.into_rgb()).expect("sized");
        let folder = site
            .path("study")
            .join(defect.map_or("good", |defect| defect.name()));
        fs::create_dir_all(&folder).expect("a folder");
        image
            .save(folder.join(format!("{number:03}.png")))
            .expect("written");
    }
    let daemon = site.start();
    let finished = run(
        &mut study(&daemon, &site, "--repeat 2 --reference-repeat 10 --seed 4"),
        0,
    );
    let found = report(&site);
    let table = &found["agreement"]["table"];
    let cell = |row: usize, column: usize| table[row][column].as_u64().expect("a count");
    assert_eq!(cell(0, 0) + cell(0, 1), 24, "{table}");
    assert_eq!(cell(1, 0) + cell(1, 1), 24, "{table}");
    // The same picture has the same score: every part agrees with itself.
    assert_line(
        &finished,
        &format!(
            "agreement: 24 of 24 parts with each other, {} with their state",
            found["agreement"]["with_reference"]["count"]
        ),
    );
    assert_eq!(found["type1"][0]["deviation"], 0.0);
    assert!(
        cell(1, 1) > 12 && cell(0, 0) > 12,
        "the model tells parts apart: {table}"
    );
    daemon.stop();
}
