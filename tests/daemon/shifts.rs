//! Counts of the present shift: they are those of its verdicts, also after a kill and a restart.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use inspectd_client::proto::inspect_image_request::Image;
use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::{
    CameraState, Decision, DecisionCounts, InspectImageRequest, ListVerdictsRequest,
    ReloadConfigurationRequest, Shift, Status, StreamVerdictsRequest, Verdict,
};
use inspectd_test_support::{libfaketime, onnx_runtime, require};
use prost_types::Timestamp;

use crate::belt::REVIEW;
use crate::harness::{Daemon, Site};

/// Verdicts of both cameras in one run, one of each decision for each camera.
const OF_CAMERAS: u64 = 8;

/// All keys but those of cameras. There is one shift a day, by UTC, which starts in about so many hours.
fn top(hours: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let hour = (now.expect("after 1970").as_secs() / 3600 + hours) % 24;
    format!(
        "{REVIEW}[journal]\nfolder = \"journal\"\nstall_timeout_s = 20\n[shifts]\nstarts = [\"{hour:02}:00\"]\n"
    )
}

/// A camera that ends after four pictures.
fn camera(id: &str) -> String {
    format!(
        "[cameras.{id}]\nsource = \"folder\"\npath = \"pictures\"\npace = \"fast\"\nmode = \"triggered\"\n"
    )
}

fn both() -> String {
    [camera("left"), camera("right")].concat()
}

fn site() -> Site {
    let site = Site::new("");
    site.configure(&top(12), &both());
    let pictures = [
        ("pass.png", 128),
        ("reject.png", 200),
        ("review.png", 140),
        ("fault.png", 0),
    ];
    site.pictures("pictures", &pictures);
    site
}

fn start(site: &Site) -> Daemon {
    site.start_with(&[("TZ", "UTC")])
}

/// Inspects an image of a client, which is PASS and of no camera.
async fn inspect_image(site: &Site, daemon: &Daemon) {
    let image = std::fs::read(site.path("pictures/pass.png")).expect("a picture");
    let request = InspectImageRequest {
        image: Some(Image::Encoded(image)),
        camera_id: String::new(),
    };
    let mut inspection = daemon.inspection().await;
    inspection.inspect_image(request).await.expect("a verdict");
}

async fn reload(daemon: &Daemon) {
    let request = ReloadConfigurationRequest {};
    let answer = daemon.line().await.reload_configuration(request).await;
    let configuration = answer.expect("valid").into_inner().configuration;
    let configuration = configuration.expect("always set");
    assert_eq!(configuration.restart_required_keys, [""; 0]);
}

fn shift(status: &Status) -> Shift {
    status.shift.expect("always set")
}

fn sum(counts: &DecisionCounts) -> u64 {
    counts.pass + counts.reject + counts.review + counts.fault
}

/// The status once the cameras have ended, and the shift has so many verdicts.
async fn counted(daemon: &Daemon, verdicts: u64) -> Status {
    let wanted = |status: &Status| {
        let mut cameras = status.cameras.iter();
        let shift = shift(status);
        cameras.all(|camera| camera.state() == CameraState::Ended)
            && !shift.counting
            && shift.decisions.as_ref().map(sum) == Some(verdicts)
    };
    daemon.status_when("all verdicts are counted", wanted).await
}

/// Numbers of verdicts: all, and by camera.
type Counts = (DecisionCounts, BTreeMap<String, DecisionCounts>);

fn of_status(status: &Status) -> Counts {
    let cameras = status.cameras.iter().map(|camera| {
        let counts = camera.shift_decisions.expect("always set");
        (camera.id.clone(), counts)
    });
    let all = shift(status).decisions.expect("always set");
    (all, cameras.collect())
}

fn of_verdicts(verdicts: &[Verdict]) -> Counts {
    let add = |counts: &mut DecisionCounts, decision| match decision {
        Decision::Pass => counts.pass += 1,
        Decision::Reject => counts.reject += 1,
        Decision::Review => counts.review += 1,
        Decision::Fault => counts.fault += 1,
        Decision::Unspecified => panic!("a decision"),
    };
    let mut counts = Counts::default();
    for verdict in verdicts {
        add(&mut counts.0, verdict.decision());
        if !verdict.camera_id.is_empty() {
            let camera = counts.1.entry(verdict.camera_id.clone());
            add(camera.or_default(), verdict.decision());
        }
    }
    counts
}

/// The verdicts since a time, by ListVerdicts.
async fn listed(daemon: &Daemon, from_time: Option<Timestamp>) -> Vec<Verdict> {
    let request = ListVerdictsRequest {
        from_time,
        page_size: 1000,
        ..ListVerdictsRequest::default()
    };
    let page = daemon.inspection().await.list_verdicts(request).await;
    page.expect("a page").into_inner().verdicts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shift_counts_what_the_stream_delivers() {
    require!(onnx_runtime());
    let site = site();
    let daemon = start(&site);
    inspect_image(&site, &daemon).await;
    let status = counted(&daemon, OF_CAMERAS + 1).await;
    let request = StreamVerdictsRequest {
        start: Some(Start::FromSequence(1)),
        ..StreamVerdictsRequest::default()
    };
    let mut stream = daemon.filtered(request).await;
    let mut verdicts = Vec::new();
    for _ in 0..=OF_CAMERAS {
        verdicts.push(stream.next().await);
    }
    let counts = of_status(&status);
    assert_eq!(counts, of_verdicts(&verdicts));
    let expected = DecisionCounts {
        pass: 3,
        reject: 2,
        review: 2,
        fault: 2,
    };
    assert_eq!((counts.0, status.decisions), (expected, Some(expected)));
    let Shift {
        start_time,
        end_time,
        ..
    } = shift(&status);
    let seconds = |time: Option<Timestamp>| time.expect("always set").seconds;
    assert_eq!(seconds(end_time) - seconds(start_time), 24 * 3600);
    assert_eq!(seconds(start_time) % 3600, 0);
    for verdict in &verdicts {
        let recorded = seconds(verdict.record_time);
        assert!((seconds(start_time)..seconds(end_time)).contains(&recorded));
    }
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shift_goes_on_after_a_kill_with_the_verdicts_of_the_journal() {
    require!(onnx_runtime());
    let site = site();
    let daemon = start(&site);
    inspect_image(&site, &daemon).await;
    let before = counted(&daemon, OF_CAMERAS + 1).await;
    daemon.signal("KILL");
    drop(daemon);

    let daemon = start(&site);
    let status = counted(&daemon, 2 * OF_CAMERAS + 1).await;
    assert_eq!(shift(&status).start_time, shift(&before).start_time);
    let verdicts = listed(&daemon, shift(&status).start_time).await;
    assert_eq!(of_status(&status), of_verdicts(&verdicts));
    assert_eq!(status.decisions.as_ref().map(sum), Some(OF_CAMERAS));

    // Another start counts the same verdicts again.
    site.configure(&top(13), &both());
    reload(&daemon).await;
    let again = counted(&daemon, 2 * OF_CAMERAS + 1).await;
    assert_ne!(shift(&again).start_time, shift(&status).start_time);
    assert_eq!(of_status(&again), of_status(&status));

    // A camera that is removed takes its counts along.
    site.configure(&top(13), &camera("left"));
    reload(&daemon).await;
    let removed = counted(&daemon, 2 * OF_CAMERAS + 1).await;
    assert_eq!(of_status(&removed).0, of_status(&status).0);
    site.configure(&top(13), &both());
    reload(&daemon).await;
    let added = counted(&daemon, 2 * OF_CAMERAS + 5).await;
    let (_, cameras) = of_status(&added);
    let sums: Vec<u64> = cameras.values().map(sum).collect();
    assert_eq!(sums, [8, 4]);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn restart_in_the_next_shift_starts_at_zero() {
    require!(onnx_runtime());
    let library = require!(libfaketime());
    let site = site();
    let daemon = start(&site);
    let before = counted(&daemon, OF_CAMERAS).await;
    daemon.stop();

    let daemon = Daemon::spawn(
        site.command()
            .env("TZ", "UTC")
            .env("LD_PRELOAD", library)
            .env("FAKETIME", "+1d")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    );
    daemon.wait_for_log("ready");
    let status = counted(&daemon, OF_CAMERAS).await;
    assert_eq!(shift(&status).start_time, shift(&before).end_time);
    assert_eq!(of_status(&status), of_status(&before));
    assert_eq!(status.decisions.as_ref().map(sum), Some(OF_CAMERAS));
    let all = listed(&daemon, None).await;
    assert_eq!(all.len() as u64, 2 * OF_CAMERAS);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shift_follows_the_clocks_of_the_machine_when_they_change() {
    require!(onnx_runtime());
    let library = require!(libfaketime());
    let site = site();
    // The time by local clocks, the starts, and the shift.
    for (now, starts, expected) in [
        // Clocks are set from 02:00 to 03:00.
        (
            "@2026-03-29 04:00:00",
            "02:30,22:00",
            ["2026-03-29T01:00:00Z", "2026-03-29T20:00:00Z"],
        ),
        // Clocks are set from 03:00 to 02:00.
        (
            "@2026-10-25 05:00:00",
            "03:00,22:00",
            ["2026-10-25T02:00:00Z", "2026-10-25T21:00:00Z"],
        ),
    ] {
        let daemon = Daemon::spawn(
            site.command()
                .env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
                .env("LD_PRELOAD", &library)
                .env("FAKETIME", now)
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
                .env("INSPECTD__JOURNAL__FOLDER", site.path(&now[1..11]))
                .env("INSPECTD__SHIFTS__STARTS", starts),
        );
        daemon.wait_for_log("ready");
        let shift = shift(&daemon.status().await);
        let expected = expected.map(|time| time.parse::<Timestamp>().ok());
        assert_eq!([shift.start_time, shift.end_time], expected, "{now}");
        daemon.stop();
    }
}
