//! Recipes: prepared, activated between two frames, rolled back, persisted, locked, audited.

use std::process::Command;

use inspectd_client::proto::recipe_service_client::RecipeServiceClient;
use inspectd_client::proto::{
    ActivateRecipeRequest, Decision, ListAuditEntriesRequest, ListRecipesRequest,
    LockChangesRequest, PrepareRecipeRequest, Recipe, ReloadConfigurationRequest,
    RollBackRecipeRequest, TriggerInspectionRequest, UnlockChangesRequest, Verdict,
    trigger_inspection_request::Target,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;
use tonic::transport::Channel;

use crate::harness::{Daemon, Site, write_bundle};

/// Grey frames of level 128: their score is 0.502.
pub fn site() -> Site {
    let site = Site::new("");
    site.pictures("belt", &[("a.png", 128)]);
    std::fs::create_dir(site.path("recipes")).expect("a folder");
    write_bundle(&site.path("strict-bundle"), 0.1);
    site.write(
        "recipes/lenient.toml",
        &recipe("../bundle", "threshold = 0.9"),
    );
    site.write("recipes/strict.toml", &recipe("../strict-bundle", ""));
    site.write(
        "recipes/corner.toml",
        &recipe(
            "../bundle",
            "threshold = 0.9\n[[regions]]\nname = \"corner\"\nthreshold = 0.2\n\
             polygon = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [0.0, 0.5]]",
        ),
    );
    site.write("recipes/broken.toml", "product = 3\nthreshhold = 1\n");
    site.configure(
        "[journal]\nfolder = \"journal\"\n[recipes]\nfolder = \"recipes\"\n",
        "[cameras.belt]\nsource = \"folder\"\npath = \"belt\"\nrepeat = true\nmode = \"requested\"\n",
    );
    site
}

/// The text of a recipe.
pub fn recipe(bundle: &str, rest: &str) -> String {
    format!("product = \"Grey\"\nversion = \"1\"\nbundle = \"{bundle}\"\n{rest}\n")
}

/// A daemon with clients of it.
pub struct Line<'a> {
    daemon: &'a Daemon,
    pub recipes: RecipeServiceClient<Channel>,
}

impl Line<'_> {
    pub async fn of(daemon: &Daemon) -> Line<'_> {
        Line {
            daemon,
            recipes: RecipeServiceClient::new(daemon.channel().await),
        }
    }

    pub async fn activate(&mut self, id: &str) -> Result<Option<Recipe>, tonic::Status> {
        let request = ActivateRecipeRequest { id: id.to_owned() };
        let answer = self.recipes.activate_recipe(request).await?;
        Ok(answer.into_inner().recipe)
    }

    pub async fn inspect(&self, recipe: &str) -> Result<Verdict, tonic::Status> {
        let request = TriggerInspectionRequest {
            target: Some(Target::CameraId("belt".to_owned())),
            recipe_id: recipe.to_owned(),
            wait: true,
            ..TriggerInspectionRequest::default()
        };
        let mut client = self.daemon.inspection().await;
        let answer = client.trigger_inspection(request).await?.into_inner();
        Ok(answer.verdict.expect("a verdict"))
    }

    /// Prepares a recipe; returns its SHA-256.
    pub async fn prepare(&mut self, id: &str) -> String {
        let request = PrepareRecipeRequest { id: id.to_owned() };
        let answer = self.recipes.prepare_recipe(request).await.expect("valid");
        answer.into_inner().recipe.expect("the recipe").sha256
    }

    pub async fn decided(&self) -> Decision {
        self.inspect("").await.expect("accepted").decision()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn activated_recipe_judges_the_next_frame_and_rolls_back() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut line = Line::of(&daemon).await;
    assert_eq!(line.decided().await, Decision::Pass);

    let active = line
        .activate("strict")
        .await
        .expect("valid")
        .expect("active");
    assert_eq!((active.id.as_str(), active.active), ("strict", true));
    let verdict = line.inspect("").await.expect("accepted");
    assert_eq!(verdict.decision(), Decision::Reject);
    let tag = verdict.recipe.expect("a recipe");
    assert_eq!((tag.id.as_str(), tag.sha256), ("strict", active.sha256));

    line.activate("corner").await.expect("valid");
    let verdict = line.inspect("").await.expect("accepted");
    assert_eq!(verdict.decision(), Decision::Reject);
    let score = verdict.score.expect("a score");
    assert_eq!(score.decided_by, "corner");
    assert_eq!(score.regions.len(), 2);
    assert_eq!(verdict.regions[0].region, "corner");

    line.activate("lenient").await.expect("valid");
    assert_eq!(line.decided().await, Decision::Pass);
    let back = line
        .recipes
        .roll_back_recipe(RollBackRecipeRequest {})
        .await;
    let back = back
        .expect("rolled back")
        .into_inner()
        .recipe
        .expect("active");
    assert_eq!(back.id, "corner");
    assert_eq!(line.decided().await, Decision::Reject);

    assert_eq!(line.activate("").await.expect("none"), None);
    assert_eq!(line.decided().await, Decision::Pass);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn active_recipe_survives_a_kill_and_a_broken_one_is_rejected() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut line = Line::of(&daemon).await;
    line.activate("strict").await.expect("valid");
    let broken = line.activate("broken").await.expect_err("not valid");
    assert_eq!(broken.code(), Code::FailedPrecondition);
    for part in [
        "broken.toml:1",
        "product",
        "broken.toml:2",
        "threshhold",
        "threshold",
    ] {
        assert!(
            broken.message().contains(part),
            "{part}: {}",
            broken.message()
        );
    }
    let absent = line.activate("absent").await.expect_err("there is none");
    assert_eq!(absent.code(), Code::NotFound, "{absent}");
    assert_eq!(line.decided().await, Decision::Reject);
    daemon.signal("KILL");
    drop(daemon);

    let daemon = site.start();
    let mut line = Line::of(&daemon).await;
    assert_eq!(line.decided().await, Decision::Reject);
    let listed = line.recipes.list_recipes(ListRecipesRequest {}).await;
    let listed = listed.expect("listed").into_inner();
    assert_eq!(listed.active_id, "strict");
    let broken = listed.recipes.iter().find(|recipe| recipe.id == "broken");
    assert_eq!(broken.map(|recipe| recipe.faults.is_empty()), Some(false));
    daemon.stop();

    // The content that was activated judges, although its file is gone.
    std::fs::remove_file(site.path("recipes/strict.toml")).expect("removed");
    let daemon = site.start();
    let line = Line::of(&daemon).await;
    assert_eq!(line.decided().await, Decision::Reject);
    daemon.stop();

    // The daemon never starts with a recipe other than the active one.
    let state = std::fs::read_to_string(site.path("journal/state.toml")).expect("a state");
    site.write("journal/state.toml", &state.replace("Grey", "Gray"));
    let (code, text) = site.refused(&[]);
    assert_eq!(code, 78, "{text}");
    assert!(
        text.contains("strict") && text.contains("was edited"),
        "{text}"
    );
    site.write("journal/state.toml", "recipe = \"absent\"\n");
    let (code, text) = site.refused(&[]);
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("absent"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn edited_recipe_does_not_become_active_by_a_kill() {
    require!(onnx_runtime());
    let activated = site();
    let daemon = activated.start();
    Line::of(&daemon)
        .await
        .activate("lenient")
        .await
        .expect("valid");
    check_edited_and_killed(&activated, daemon).await;

    let configured = site();
    let text = std::fs::read_to_string(configured.path("inspectd.toml")).expect("a configuration");
    let folder = "folder = \"recipes\"\n";
    configured.write(
        "inspectd.toml",
        &text.replace(folder, &format!("{folder}active = \"lenient\"\n")),
    );
    check_edited_and_killed(&configured, configured.start()).await;

    // Version 0.1 saved only the id.
    let upgraded = site();
    std::fs::create_dir(upgraded.path("journal")).expect("a folder");
    upgraded.write("journal/state.toml", "recipe = \"lenient\"\n");
    check_edited_and_killed(&upgraded, upgraded.start()).await;
}

/// Edits the file of the active recipe `lenient` and kills the daemon: the content that was active judges after that.
async fn check_edited_and_killed(site: &Site, mut daemon: Daemon) {
    let verdict = Line::of(&daemon).await.inspect("").await.expect("accepted");
    let active = verdict.recipe.expect("a recipe");
    assert_eq!(active.id, "lenient");
    let lenient = std::fs::read_to_string(site.path("recipes/lenient.toml")).expect("a recipe");
    for edited in [lenient.replace("0.9", "0.01"), lenient[..30].to_owned()] {
        site.write("recipes/lenient.toml", &edited);
        daemon.signal("KILL");
        daemon.wait_for_end();
        daemon = site.start();
        let verdict = Line::of(&daemon).await.inspect("").await.expect("accepted");
        assert_eq!(verdict.decision(), Decision::Pass);
        assert_eq!(verdict.recipe.as_ref(), Some(&active));
        daemon.wait_for_log("the file of the active recipe lenient is not what was activated");
    }
    daemon.stop();
}

/// A rectangle of the frame as a polygon of a recipe.
fn polygon(left: f32, right: f32) -> String {
    format!("polygon = [[{left}, 0], [{right}, 0], [{right}, 1], [{left}, 1]]\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn recipe_that_inspects_nothing_is_refused() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut line = Line::of(&daemon).await;
    let (left, all) = (polygon(0.0, 0.5), polygon(0.0, 1.0));
    for (rest, expected) in [
        (
            format!("[[ignore]]\nname = \"all\"\n{all}"),
            "camera belt: nothing of the frame is inspected",
        ),
        (
            format!(
                "[[regions]]\nname = \"port\"\nmin_area = 0.5\n{left}[[ignore]]\nname = \"edge\"\n{}",
                polygon(0.0, 0.1)
            ),
            "camera belt: region \"port\" inspects nothing",
        ),
    ] {
        std::fs::write(
            site.path("recipes/nothing.toml"),
            recipe("../bundle", &rest),
        )
        .expect("written");
        let refused = line
            .activate("nothing")
            .await
            .expect_err("nothing is inspected");
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        assert!(refused.message().contains(expected), "{refused}");
    }
    assert_eq!(line.decided().await, Decision::Pass);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_change_is_audited_and_the_hash_chain_verifies() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut line = Line::of(&daemon).await;
    line.activate("strict").await.expect("valid");
    let mut control = daemon.line().await;
    let lock = LockChangesRequest {
        who: "anna".to_owned(),
        reason: "new lens".to_owned(),
        duration: None,
    };
    let locked = control
        .lock_changes(lock)
        .await
        .expect("local")
        .into_inner();
    assert_eq!(locked.lock.expect("a lock").who, "anna");
    let status = daemon.status().await;
    assert_eq!(status.lock.expect("a lock").reason, "new lens");
    control
        .unlock_changes(UnlockChangesRequest {})
        .await
        .expect("local");
    assert_eq!(daemon.status().await.lock, None);
    let text = std::fs::read_to_string(site.path("inspectd.toml")).expect("a configuration");
    site.write(
        "inspectd.toml",
        &format!("{text}\n[verdict]\nthreshold = 0.3\n"),
    );
    let reload = control
        .reload_configuration(ReloadConfigurationRequest {})
        .await;
    assert!(reload.expect("valid").into_inner().changed);

    let listed = control
        .list_audit_entries(ListAuditEntriesRequest::default())
        .await;
    let listed = listed.expect("a log").into_inner();
    let actions: Vec<(&str, &str)> = listed
        .entries
        .iter()
        .map(|entry| (entry.action.as_str(), entry.subject.as_str()))
        .collect();
    let expected = [
        ("start", "inspectd"),
        ("recipe", "recipe"),
        ("lock", "lock"),
        ("lock", "lock"),
        ("threshold", "verdict.threshold"),
    ];
    assert_eq!(actions, expected);
    assert_eq!(
        (
            listed.entries[4].before.as_str(),
            listed.entries[4].after.as_str()
        ),
        ("", "0.3")
    );
    assert!(
        listed.entries[1].origin.starts_with("rpc 127.0.0.1:"),
        "{listed:?}"
    );
    assert_eq!(listed.broken, "");
    daemon.stop();

    let verify = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd"));
        command
            .args(["audit", "verify"])
            .arg(site.path("journal/audit.sqlite"));
        command.output().expect("started")
    };
    assert!(verify().status.success(), "{:?}", verify());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn change_that_cannot_be_audited_is_not_made() {
    require!(onnx_runtime());
    let site = site();
    // A folder in place of the audit log: nothing can be recorded, and the pipeline still runs.
    std::fs::create_dir_all(site.path("journal/audit.sqlite")).expect("a folder");
    let daemon = site.start();
    let mut line = Line::of(&daemon).await;
    let refused = line.activate("strict").await.expect_err("not recorded");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(
        refused.message().contains("cannot be recorded"),
        "{refused}"
    );
    assert_eq!(line.decided().await, Decision::Pass);
    daemon.stop();
}
