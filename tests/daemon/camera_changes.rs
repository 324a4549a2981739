//! Cameras that are added and removed by a reload, while the line runs.

use std::fs;

use inspectd_client::proto::recipe_service_client::RecipeServiceClient;
use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::{
    ActivateRecipeRequest, LineState, PauseCameraRequest, ReloadConfigurationRequest,
    ReloadConfigurationResponse, StreamVerdictsRequest,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::{Code, Status};

use crate::harness::{Daemon, Site};
use crate::inquiry::camera;

const TOP: &str = "[journal]\nfolder = \"journal\"\n[recipes]\nfolder = \"recipes\"\n";

fn belt(id: &str, keys: &str) -> String {
    format!(
        "[cameras.{id}]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 50\nmode = \"triggered\"\n{keys}\n"
    )
}

fn site(cameras: &[String]) -> Site {
    let site = Site::new("");
    site.pictures("pictures", &[("a.png", 128)]);
    fs::create_dir(site.path("recipes")).expect("a folder");
    site.configure(TOP, &cameras.concat());
    site
}

async fn reload(daemon: &Daemon) -> Result<ReloadConfigurationResponse, Status> {
    let mut line = daemon.line().await;
    let answer = line
        .reload_configuration(ReloadConfigurationRequest {})
        .await?;
    Ok(answer.into_inner())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn reload_adds_and_removes_cameras_while_the_others_go_on() {
    require!(onnx_runtime());
    let site = site(&[belt("left", ""), belt("old", "")]);
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    verdicts.until(|verdict| verdict.camera_id == "old").await;
    verdicts.until(|verdict| verdict.camera_id == "left").await;

    site.configure(
        TOP,
        &[belt("left", ""), belt("new", "threshold = 0.4")].concat(),
    );
    let answer = reload(&daemon).await.expect("valid");
    assert!(answer.changed);
    assert_eq!(
        answer.configuration.expect("set").restart_required_keys,
        [""; 0]
    );
    let added = verdicts.until(|verdict| verdict.camera_id == "new").await;
    assert_eq!(
        (added.frame_id, added.decision().as_str_name()),
        (1, "DECISION_REJECT")
    );
    let status = daemon.status().await;
    let ids: Vec<_> = status
        .cameras
        .iter()
        .map(|camera| camera.id.as_str())
        .collect();
    assert_eq!(ids, ["left", "new"]);
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
    // A camera with the same id again counts its frames from 1.
    site.configure(TOP, &[belt("left", ""), belt("old", "")].concat());
    reload(&daemon).await.expect("valid");
    let again = verdicts.until(|verdict| verdict.camera_id == "old").await;
    assert_eq!(again.frame_id, 1);
    daemon
        .status_when("running", |status| status.state() == LineState::Running)
        .await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn removed_camera_takes_its_pause_along_and_a_recipe_keeps_its_cameras() {
    require!(onnx_runtime());
    let site = site(&[belt("left", ""), belt("right", "")]);
    let daemon = site.start();
    let mut line = daemon.line().await;
    let pause = PauseCameraRequest {
        camera_id: "right".to_owned(),
        reason: String::new(),
    };
    line.pause_camera(pause).await.expect("paused");
    site.configure(TOP, &belt("left", ""));
    reload(&daemon).await.expect("valid");
    assert_eq!(daemon.status().await.alarms, []);
    site.configure(TOP, &[belt("left", ""), belt("right", "")].concat());
    reload(&daemon).await.expect("valid");
    let mut verdicts = daemon.verdicts().await;
    verdicts.until(|verdict| verdict.camera_id == "right").await;

    site.write(
        "recipes/both.toml",
        "product = \"p\"\nversion = \"1\"\nbundle = \"../bundle\"\n[cameras.right]\nthreshold = 0.2\n",
    );
    let mut recipes = RecipeServiceClient::new(daemon.channel().await);
    let activate = ActivateRecipeRequest {
        id: "both".to_owned(),
    };
    recipes.activate_recipe(activate).await.expect("valid");
    site.configure(TOP, &belt("left", ""));
    let refused = reload(&daemon).await.expect_err("the recipe names it");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("camera right is not configured"),
        "{refused}"
    );
    let status = daemon.status().await;
    assert_eq!(camera(&status, "right").id, "right");
    daemon.stop();

    // After a restart of the old configuration, nothing is paused.
    site.configure(TOP, &[belt("left", ""), belt("right", "")].concat());
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    verdicts.until(|verdict| verdict.camera_id == "right").await;
    daemon.stop();
}
