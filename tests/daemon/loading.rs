//! Requests while a model is loaded for somebody else.

use std::time::Duration;

use inspectd_client::proto::{Decision, PrepareRecipeRequest};
use inspectd_test_support::{onnx_runtime, require};

use crate::hangs::hang_graph;
use crate::harness::{PATIENCE, write_bundle};
use crate::recipes::{Line, recipe, site};

/// Time for an answer, on a busy machine.
const IN_TIME: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn request_with_a_prepared_recipe_does_not_wait_for_the_model_of_another() {
    require!(onnx_runtime());
    let site = site();
    write_bundle(&site.path("slow-bundle"), 0.3);
    site.write("recipes/slow.toml", &recipe("../slow-bundle", ""));
    let reading = hang_graph(&site, "slow-bundle");
    let daemon = site.start();
    let mut line = Line::of(&daemon).await;
    line.prepare("strict").await;
    let mut other = line.recipes.clone();
    let loading = tokio::spawn(async move {
        let id = "slow".to_owned();
        other
            .prepare_recipe(PrepareRecipeRequest { id })
            .await
            .map(drop)
    });
    let _hangs = reading.recv_timeout(PATIENCE).expect("it is read");
    for _ in 0..10 {
        let own = tokio::time::timeout(IN_TIME, line.inspect("strict")).await;
        let own = own.expect("a verdict in time").expect("accepted");
        assert_eq!(own.decision(), Decision::Reject, "{own:?}");
        let active = tokio::time::timeout(IN_TIME, line.decided()).await;
        assert_eq!(active.expect("a verdict in time"), Decision::Pass);
    }
    assert!(!loading.is_finished(), "the model is being loaded");
    daemon.stop();
}
