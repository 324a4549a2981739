//! Models: listed, described, started and stopped.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process::Command;

use inspectd_test_support::{onnx_runtime, require};
use serde_json::{Value, json};

use super::agent::{Agent, packages, start};
use crate::ctl::{inspectctl, run};
use crate::harness::{CELLS, wait, write_bundle};
use crate::recipes::{Line, recipe, site};

/// Names and states of all models.
fn listed(agent: &mut Agent) -> Vec<(String, String)> {
    let listed = agent.call(&json!({ "call": "list" }));
    let text = |model: &Value, key: &str| model[key].as_str().unwrap_or_default().to_owned();
    let models = listed.as_array().expect("a list").iter();
    models
        .map(|model| (text(model, "model"), text(model, "status")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn models_are_listed_started_and_stopped() {
    require!(onnx_runtime());
    let packages = require!(packages());
    let site = site();
    // Another one without a bundle, and two whose names are no model components.
    site.write("recipes/bundleless.toml", &recipe("../absent", ""));
    site.write("recipes/default.toml", &recipe("../bundle", ""));
    site.write("recipes/Upper.toml", &recipe("../bundle", ""));
    let daemon = start(&site, &[]);
    let mut agent = Agent::start(&packages, &site);
    let expected = [
        ("default", "RUNNING"),
        ("broken", "FAILED"),
        ("bundleless", "FAILED"),
        ("corner", "STOPPED"),
        ("lenient", "STOPPED"),
        ("strict", "STOPPED"),
    ];
    assert_eq!(
        listed(&mut agent),
        expected.map(|(name, status)| (name.to_owned(), status.to_owned()))
    );
    for (model, words) in [("broken", "broken.toml:1"), ("bundleless", "absent")] {
        let (status, message) = agent.status(model);
        assert_eq!(status, "FAILED");
        assert!(message.contains(words), "{message}");
    }
    let described = agent.model("describe", "Strict");
    assert_eq!(
        described,
        json!({
            "model": "Strict", "arn": "arn:inspectd:lookoutvision:::model/strict", "status": "STOPPED",
            "message": "not prepared",
        })
    );

    assert_eq!(
        agent.started("strict"),
        ("RUNNING".to_owned(), "prepared".to_owned())
    );
    let prepared = Line::of(&daemon)
        .await
        .recipes
        .list_recipes(inspectd_client::proto::ListRecipesRequest {})
        .await;
    let prepared = prepared.expect("recipes").into_inner();
    assert_eq!(prepared.active_id, "");
    let strict = prepared.recipes.iter().find(|recipe| recipe.id == "strict");
    assert!(strict.expect("listed").prepared);
    let call = |call: &str, model: &str| json!({ "call": call, "model": model });
    agent.refuses(
        &call("start", "strict"),
        "FAILED_PRECONDITION",
        "strict is RUNNING (prepared); must be STOPPED or FAILED",
    );
    site.write(
        "recipes/strict.toml",
        &recipe("../strict-bundle", "threshold = 0.2"),
    );
    let (_, message) = agent.status("strict");
    assert_eq!(message, "prepared; its file was changed since");
    assert_eq!(agent.model("stop", "strict"), "STOPPED");
    agent.refuses(
        &call("stop", "strict"),
        "FAILED_PRECONDITION",
        "strict is STOPPED (not prepared); must be RUNNING",
    );

    // A failed start is reported, and can be repeated.
    let (status, message) = agent.started("bundleless");
    assert_eq!(status, "FAILED");
    assert!(message.contains("absent"), "{message}");
    write_bundle(&site.path("absent"), 0.6);
    assert_eq!(agent.started("bundleless").0, "RUNNING");
    assert_eq!(agent.model("stop", "bundleless"), "STOPPED");

    for name in ["unknown", "default.unknown", &"a".repeat(128)] {
        for kind in ["describe", "start", "stop"] {
            agent.refuses(
                &call(kind, name),
                "NOT_FOUND",
                "there is no recipe with this id",
            );
        }
    }
    for name in ["", "../recipes/strict", "a b", &"a".repeat(129)] {
        agent.refuses(
            &call("describe", name),
            "INVALID_ARGUMENT",
            "model_component: ",
        );
    }
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn active_recipe_is_not_stopped_and_default_runs_only_without_one() {
    require!(onnx_runtime());
    let packages = require!(packages());
    let site = site();
    let daemon = start(&site, &[]);
    let mut agent = Agent::start(&packages, &site);
    let call = |call: &str, model: &str| json!({ "call": call, "model": model });
    let default = "exactly while no recipe is active";
    agent.refuses(&call("stop", "default"), "FAILED_PRECONDITION", default);
    agent.refuses(
        &call("start", "default"),
        "FAILED_PRECONDITION",
        "default is RUNNING",
    );
    let mut line = Line::of(&daemon).await;
    line.activate("strict").await.expect("valid");
    assert_eq!(
        agent.status("strict"),
        (
            "RUNNING".to_owned(),
            "active: it judges the cameras".to_owned()
        )
    );
    assert_eq!(
        agent.status("default"),
        ("STOPPED".to_owned(), "recipe strict is active".to_owned())
    );
    agent.refuses(
        &call("stop", "strict"),
        "FAILED_PRECONDITION",
        "recipe strict is active: it judges the cameras",
    );
    agent.refuses(&call("start", "default"), "FAILED_PRECONDITION", default);
    agent.refuses(
        &call("stop", "default"),
        "FAILED_PRECONDITION",
        "default is STOPPED",
    );
    // It is described also after its file was removed.
    fs::remove_file(site.path("recipes/strict.toml")).expect("removed");
    assert_eq!(
        agent.status("strict").1,
        "active: it judges the cameras; its file was changed since"
    );
    line.activate("").await.expect("none");
    assert_eq!(agent.status("default").0, "RUNNING");
    assert_eq!(agent.model("stop", "strict"), "STOPPED");
    agent.refuses(&call("describe", "strict"), "NOT_FOUND", "strict");
    daemon.stop();
}

#[test]
fn start_beyond_the_limit_is_refused_and_stops_no_other_model() {
    require!(onnx_runtime());
    let packages = require!(packages());
    let site = site();
    let daemon = start(&site, &[("INSPECTD__RECIPES__PREPARED_LIMIT", "2")]);
    let mut agent = Agent::start(&packages, &site);
    assert_eq!(agent.started("strict").0, "RUNNING");
    assert_eq!(agent.started("lenient").0, "RUNNING");
    let third = json!({ "call": "start", "model": "corner" });
    agent.refuses(
        &third,
        "RESOURCE_EXHAUSTED",
        "2 recipes are prepared, as many as recipes.prepared_limit allows",
    );
    assert_eq!(agent.status("strict").0, "RUNNING");
    assert_eq!(agent.model("stop", "strict"), "STOPPED");
    assert_eq!(agent.started("corner").0, "RUNNING");
    assert_eq!(agent.status("lenient").0, "RUNNING");
    daemon.stop();
}

/// Makes the graph of a bundle one that is read only when it is sent through the returned pipe.
fn slow_graph(site: &crate::harness::Site, bundle: &str) -> std::thread::JoinHandle<File> {
    let graph = site.path(bundle).join("model.onnx");
    fs::remove_file(&graph).expect("a graph");
    let made = Command::new("mkfifo").arg(&graph).status();
    assert!(made.expect("mkfifo").success());
    // Opening waits for a reader.
    std::thread::spawn(move || File::options().write(true).open(graph).expect("a pipe"))
}

#[test]
fn model_is_starting_until_it_is_loaded_also_after_its_client_has_gone() {
    require!(onnx_runtime());
    let packages = require!(packages());
    let site = site();
    write_bundle(&site.path("slow-bundle"), 0.1);
    site.write("recipes/slow.toml", &recipe("../slow-bundle", ""));
    let opening = slow_graph(&site, "slow-bundle");
    let daemon = start(&site, &[]);
    let mut agent = Agent::start(&packages, &site);
    assert_eq!(agent.model("start", "slow"), "STARTING");
    let mut graph = opening.join().expect("it is read");
    let starting = (
        "STARTING".to_owned(),
        "its model is being loaded".to_owned(),
    );
    assert_eq!(agent.status("slow"), starting);
    for (kind, needed) in [("start", "STOPPED or FAILED"), ("stop", "RUNNING")] {
        let words = format!("slow is STARTING (its model is being loaded); must be {needed}");
        agent.refuses(
            &json!({ "call": kind, "model": "slow" }),
            "FAILED_PRECONDITION",
            &words,
        );
    }
    drop(agent);
    let mut agent = Agent::start(&packages, &site);
    assert_eq!(agent.status("slow"), starting);
    graph.write_all(CELLS).expect("it is read");
    drop(graph);
    wait("the model", || agent.status("slow").0 == "RUNNING");
    daemon.stop();
}

#[test]
fn socket_serves_no_other_service_and_is_removed_at_the_end() {
    require!(onnx_runtime());
    let site = site();
    let daemon = start(&site, &[]);
    let path = site.path("lookout.sock");
    let file = fs::metadata(&path).expect("a socket");
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    let mut command = inspectctl(&daemon);
    command.args(["--server", &format!("unix:{}", path.display()), "status"]);
    let refused = run(&mut command, 1).stderr();
    assert!(refused.contains("UNIMPLEMENTED"), "{refused}");
    daemon.stop();
    assert!(!path.exists());
}
