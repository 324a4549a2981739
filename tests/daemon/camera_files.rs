//! Cameras that calls add to the files of the configuration and remove from them, while the line runs.

use std::fs;
use std::time::{Duration, SystemTime};

use inspectd_client::proto::recipe_service_client::RecipeServiceClient;
use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    ActivateRecipeRequest, AddCameraRequest, Decision, LineState, ListAuditEntriesRequest,
    RemoveCameraRequest, RemoveCameraResponse, ResynchronizeGroupRequest, SetCameraControlsRequest,
    StreamVerdictsRequest, TriggerInspectionRequest, Verdict,
};
use inspectd_test_support::{onnx_runtime, require};
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::harness::{Daemon, Site, Verdicts};

const TOP: &str = "[journal]\nfolder = \"journal\"\n[recipes]\nfolder = \"recipes\"\n";

/// The keys of a camera that takes 50 pictures of level 128 per second: their score is 0.502.
const BELT: &str = "source = \"folder\" # a belt\npath = \"pictures\"\nrepeat = true\nfps = 50\nmode = \"triggered\"\n";

fn belt(id: &str, keys: &str) -> String {
    format!("[cameras.{id}]\n{BELT}{keys}\n")
}

fn site(top: &str, cameras: &[String]) -> Site {
    let site = Site::new("");
    site.pictures("pictures", &[("a.png", 128)]);
    fs::create_dir(site.path("recipes")).expect("a folder");
    site.configure(&format!("{TOP}{top}"), &cameras.concat());
    site
}

fn text(site: &Site) -> String {
    fs::read_to_string(site.path("inspectd.toml")).expect("the configuration")
}

async fn add(daemon: &Daemon, id: &str, toml: &str) -> Result<String, Status> {
    let request = AddCameraRequest {
        camera_id: id.to_owned(),
        toml: toml.to_owned(),
    };
    let answer = daemon.line().await.add_camera(request).await?;
    Ok(answer.into_inner().file)
}

async fn remove(daemon: &Daemon, id: &str) -> Result<RemoveCameraResponse, Status> {
    let request = RemoveCameraRequest {
        camera_id: id.to_owned(),
    };
    let answer = daemon.line().await.remove_camera(request).await?;
    Ok(answer.into_inner())
}

async fn ids(daemon: &Daemon) -> Vec<String> {
    let cameras = daemon.status().await.cameras.into_iter();
    cameras.map(|camera| camera.id).collect()
}

/// The values before and after of each change of a key, by the audit log.
async fn audited(daemon: &Daemon, action: &str, key: &str) -> Vec<(String, String)> {
    let request = ListAuditEntriesRequest {
        limit: 1000,
        ..ListAuditEntriesRequest::default()
    };
    let entries = daemon.line().await.list_audit_entries(request).await;
    let entries = entries.expect("a log").into_inner().entries.into_iter();
    let changes = entries.filter(|entry| entry.action == action && entry.subject == key);
    changes.map(|entry| (entry.before, entry.after)).collect()
}

/// Fails unless the call was refused with this code and a message that contains `part`.
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, part: &str) {
    let refused = answer.expect_err(part);
    assert_eq!(refused.code(), code, "{refused}");
    assert!(refused.message().contains(part), "{part:?}: {refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn camera_is_added_and_removed_by_calls_while_the_others_go_on() {
    require!(onnx_runtime());
    let site = site("", &[belt("left", "# The last line.")]);
    let before = text(&site);
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    verdicts.until(|verdict| verdict.camera_id == "left").await;

    let keys = format!("{BELT}threshold = 0.4\n\n[check]\nfrozen_after = 0\n");
    let file = add(&daemon, "right", &keys).await.expect("valid");
    assert_eq!(file, site.path("inspectd.toml").display().to_string());
    let first = verdicts.until(|verdict| verdict.camera_id == "right").await;
    assert_eq!((first.frame_id, first.decision()), (1, Decision::Reject));
    assert_eq!(ids(&daemon).await, ["left", "right"]);
    let with = text(&site);
    assert!(with.starts_with(&before), "{with}");
    let table = "[cameras.right]\nsource = \"folder\" # a belt\n";
    assert!(with.contains(table), "{with}");
    let end = "threshold = 0.4\n\n[cameras.right.check]\nfrozen_after = 0\n";
    assert!(with.ends_with(end), "{with}");

    let removed = remove(&daemon, "right").await.expect("valid");
    assert_eq!((removed.file, &removed.toml), (file, &keys));
    assert_eq!(text(&site).trim_end(), before.trim_end());
    assert_eq!(ids(&daemon).await, ["left"]);
    add(&daemon, "right", &removed.toml).await.expect("valid");
    assert_eq!(text(&site).trim_end(), with.trim_end());
    let sequence = daemon.status().await.sequence;
    verdicts
        .until(|verdict| verdict.camera_id == "right" && verdict.sequence > sequence)
        .await;

    // The camera that stays has lost nothing.
    let all = daemon.filtered(StreamVerdictsRequest {
        camera_ids: vec!["left".to_owned()],
        start: Some(Start::FromSequence(0)),
        ..StreamVerdictsRequest::default()
    });
    let mut all = all.await;
    for expected in 1..40 {
        assert_eq!(all.next().await.frame_id, expected);
    }
    let pair = |before: &str, after: &str| (before.to_owned(), after.to_owned());
    assert_eq!(
        audited(&daemon, "configuration", "cameras.right.fps").await,
        [pair("", "50"), pair("50", ""), pair("", "50")]
    );
    assert_eq!(
        audited(&daemon, "threshold", "cameras.right.threshold").await,
        [pair("", "0.4"), pair("0.4", ""), pair("", "0.4")]
    );
    daemon.stop();

    let daemon = site.start();
    assert_eq!(ids(&daemon).await, ["left", "right"]);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn camera_that_cannot_be_added_changes_nothing() {
    require!(onnx_runtime());
    let site = site("", &[belt("left", "")]);
    let before = text(&site);
    let daemon = site.start();
    let long = "#".repeat((64 << 10) + 1);
    for (id, toml, code, part) in [
        (
            "new",
            "source = \"simulator\"\nfps = = 3\n",
            Code::InvalidArgument,
            "toml: line 2",
        ),
        (
            "new",
            long.as_str(),
            Code::InvalidArgument,
            "toml: 65537 bytes",
        ),
        (
            "New",
            "source = \"simulator\"",
            Code::InvalidArgument,
            "camera_id",
        ),
        (
            "left",
            "source = \"simulator\"",
            Code::AlreadyExists,
            "camera left",
        ),
        (
            "new",
            "source = \"simulator\"\nspeed = 3\nseed = -1\n",
            Code::FailedPrecondition,
            "cameras.new.speed",
        ),
        (
            "new",
            "fps = 3\n",
            Code::FailedPrecondition,
            "cameras.new.source",
        ),
        (
            "new",
            "source = \"simulator\"\n[server]\nlisten = \"off\"\n",
            Code::FailedPrecondition,
            "cameras.new.server",
        ),
    ] {
        refused(add(&daemon, id, toml).await, code, part);
    }
    let both = add(
        &daemon,
        "new",
        "source = \"simulator\"\nspeed = 3\nseed = -1\n",
    )
    .await;
    refused(both, Code::FailedPrecondition, "cameras.new.seed");
    let controls = SetCameraControlsRequest {
        camera_id: "left".to_owned(),
        exposure_us: Some(100),
        gain: None,
        ..SetCameraControlsRequest::default()
    };
    let set = daemon.line().await.set_camera_controls(controls).await;
    refused(
        set,
        Code::FailedPrecondition,
        "only \"device\" has exposure and gain",
    );
    assert_eq!(text(&site), before);
    assert_eq!(ids(&daemon).await, ["left"]);

    // Changes that wait for a reload would be activated too.
    site.configure(
        &format!("{TOP}[verdict]\nthreshold = 0.3\n"),
        &belt("left", ""),
    );
    let pending = add(&daemon, "new", "source = \"simulator\"").await;
    refused(pending, Code::FailedPrecondition, "verdict.threshold");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn camera_that_cannot_be_removed_changes_nothing() {
    require!(onnx_runtime());
    let cameras = ["left", "middle", "right", "known"].map(|id| belt(id, ""));
    let challenge = "[challenge]\nfolder = \"known\"\ncamera = \"known\"\n";
    let site = site(challenge, &cameras);
    site.pictures("known", &[]);
    site.pictures("known/good", &[("a.png", 128)]);
    fs::create_dir(site.path("conf.d")).expect("a folder");
    site.write("conf.d/right.toml", "[cameras.right]\nthreshold = 0.9\n");
    site.write(
        "recipes/middle.toml",
        "product = \"p\"\nversion = \"1\"\nbundle = \"../bundle\"\n[cameras.middle]\nthreshold = 0.7\n",
    );
    let before = text(&site);
    let daemon = site.start_with(&[("INSPECTD__CAMERAS__LEFT__THRESHOLD", "0.8")]);
    let mut recipes = RecipeServiceClient::new(daemon.channel().await);
    let activate = ActivateRecipeRequest {
        id: "middle".to_owned(),
    };
    recipes.activate_recipe(activate).await.expect("valid");
    for (id, code, part) in [
        ("other", Code::NotFound, "camera other: is not configured"),
        (
            "left",
            Code::FailedPrecondition,
            "INSPECTD__CAMERAS__LEFT__THRESHOLD",
        ),
        (
            "middle",
            Code::FailedPrecondition,
            "recipe middle: camera middle",
        ),
        (
            "right",
            Code::FailedPrecondition,
            "conf.d/right.toml configure camera right",
        ),
        ("known", Code::FailedPrecondition, "challenge.camera"),
    ] {
        refused(remove(&daemon, id).await, code, part);
    }
    assert_eq!(text(&site), before);
    assert_eq!(ids(&daemon).await, ["known", "left", "middle", "right"]);
    daemon.stop();

    let site = self::site("", &[belt("left", "")]);
    let daemon = site.start();
    let last = remove(&daemon, "left").await;
    refused(
        last,
        Code::FailedPrecondition,
        "at least one table [cameras.ID]",
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn camera_is_removed_from_the_file_that_has_it() {
    require!(onnx_runtime());
    let site = site("", &[belt("left", "")]);
    fs::create_dir(site.path("conf.d")).expect("a folder");
    let more = "log.filter = \"info\"\ncameras.right.source = \"simulator\"\n# Slow.\ncameras.right.fps = 5\n";
    site.write("conf.d/more.toml", more);
    let daemon = site.start();
    let removed = remove(&daemon, "right").await.expect("valid");
    assert!(removed.file.ends_with("conf.d/more.toml"), "{removed:?}");
    assert_eq!(removed.toml, "source = \"simulator\"\n# Slow.\nfps = 5\n");
    let rest = fs::read_to_string(site.path("conf.d/more.toml")).expect("the file");
    assert_eq!(rest, "log.filter = \"info\"\n");
    assert_eq!(ids(&daemon).await, ["left"]);
    daemon.stop();
}

/// Requests the inspection of a part of the group, and waits for its verdict.
async fn part(daemon: &Daemon) -> Verdict {
    let request = TriggerInspectionRequest {
        target: Some(Target::GroupId("cell".to_owned())),
        wait: true,
        ..TriggerInspectionRequest::default()
    };
    let answer = daemon.inspection().await.trigger_inspection(request).await;
    let verdict = answer.expect("accepted").into_inner().verdict;
    verdict.expect("a verdict")
}

fn views(part: &Verdict) -> Vec<&str> {
    part.views.iter().map(|view| &*view.camera_id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn camera_of_a_requested_group_is_added_and_removed_while_parts_flow() {
    require!(onnx_runtime());
    let keys = "source = \"folder\"\npath = \"pictures\"\nrepeat = true\npace = \"fast\"\nmode = \"requested\"\n\
                group = \"cell\"\ndeadline_ms = 5000\n";
    let cameras = ["left", "right"].map(|id| format!("[cameras.{id}]\n{keys}\n"));
    let site = site("[parts]\nwindow_ms = 10000\n", &cameras);
    site.pictures("bright", &[("a.png", 200)]);
    let daemon = site.start();
    let two = part(&daemon).await;
    assert_eq!(
        (views(&two), two.decision()),
        (vec!["left", "right"], Decision::Pass)
    );

    // The third camera rejects each part.
    let third = keys.replace("pictures", "bright");
    let changes = async {
        add(&daemon, "third", &third).await.expect("valid");
        let three = part(&daemon).await;
        assert_eq!(views(&three), ["left", "right", "third"]);
        assert_eq!(three.decision(), Decision::Reject);
        remove(&daemon, "third").await.expect("valid");
    };
    let flow = async {
        let mut parts = Vec::new();
        for _ in 0..20 {
            parts.push(part(&daemon).await);
        }
        parts
    };
    let ((), parts) = tokio::join!(changes, flow);
    for part in parts {
        let views = views(&part);
        assert_eq!(views[..2], ["left", "right"], "{part:?}");
        let with_third = views.len() == 3;
        assert!(!with_third || part.decision() != Decision::Pass, "{part:?}");
    }
    let two = part(&daemon).await;
    assert_eq!(
        (views(&two), two.decision()),
        (vec!["left", "right"], Decision::Pass)
    );
    daemon.stop();
}

/// Fails if one of the next parts that was captured from now on is PASS.
async fn no_part_passes(verdicts: &mut Verdicts) {
    let now = SystemTime::now();
    for _ in 0..10 {
        let part = verdicts.until(|verdict| {
            let captured = verdict.capture_time.expect("always set");
            let captured = SystemTime::try_from(captured).expect("after 1970");
            verdict.camera_id.is_empty() && captured > now
        });
        let part = part.await;
        assert_eq!(part.decision(), Decision::Fault, "{part:?}");
    }
}

/// The cameras of the next part that is PASS.
async fn passed(verdicts: &mut Verdicts) -> Vec<String> {
    let passes =
        |verdict: &Verdict| verdict.camera_id.is_empty() && verdict.decision() == Decision::Pass;
    let part = verdicts.until(passes).await;
    views(&part).into_iter().map(str::to_owned).collect()
}

/// Resynchronises the group until a part is PASS, and returns its cameras: parts that were open before may put it out of
/// step again.
async fn passed_in_step(daemon: &Daemon, verdicts: &mut Verdicts) -> Vec<String> {
    for _ in 0..10 {
        let request = ResynchronizeGroupRequest {
            group_id: "cell".to_owned(),
        };
        let answer = daemon.line().await.resynchronize_group(request).await;
        answer.expect("files run");
        if let Ok(cameras) = timeout(Duration::from_secs(3), passed(verdicts)).await {
            return cameras;
        }
    }
    panic!("no part is PASS")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn counted_group_is_resynchronised_after_a_camera_was_added_or_removed() {
    require!(onnx_runtime());
    let keys = "source = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 20\nmode = \"triggered\"\nqueue = 64\n\
                group = \"cell\"\npart_counter = true\n";
    let cameras = ["left", "right"].map(|id| format!("[cameras.{id}]\n{keys}\n"));
    let site = site("[parts]\nwindow_ms = 2000\n", &cameras);
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    assert_eq!(passed(&mut verdicts).await, ["left", "right"]);

    add(&daemon, "third", keys).await.expect("valid");
    no_part_passes(&mut verdicts).await;
    let status = daemon.status().await;
    assert_eq!(status.state(), LineState::Degraded);
    let alarm = status.alarms.first().expect("an alarm");
    assert_eq!(
        (alarm.kind.as_str(), alarm.subject.as_str()),
        ("group_out_of_step", "cell")
    );
    assert!(
        alarm.message.contains("camera third was added"),
        "{alarm:?}"
    );
    let cameras = passed_in_step(&daemon, &mut verdicts).await;
    assert_eq!(cameras, ["left", "right", "third"]);

    remove(&daemon, "third").await.expect("valid");
    no_part_passes(&mut verdicts).await;
    let cameras = passed_in_step(&daemon, &mut verdicts).await;
    assert_eq!(cameras, ["left", "right"]);
    daemon.stop();
}
