//! Files of recipes: read, drafted, saved, deleted, and restored from an edition.

use std::fs;

use inspectd_client::proto::recipe_service_client::RecipeServiceClient;
use inspectd_client::proto::{
    Corner, Decision, DeleteRecipeRequest, DraftRecipeRequest, DraftRecipeResponse,
    GetRecipeRequest, GetRecipeResponse, ListRecipeEditionsRequest, RecipeArea, SaveRecipeRequest,
    SaveRecipeResponse,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::harness::Daemon;
use crate::recipes::{Line, recipe, site};

struct Editor(RecipeServiceClient<Channel>);

impl Editor {
    async fn of(daemon: &Daemon) -> Self {
        Self(RecipeServiceClient::new(daemon.channel().await))
    }

    async fn get(&mut self, id: &str, edition: &str) -> Result<GetRecipeResponse, Status> {
        let request = GetRecipeRequest {
            id: id.to_owned(),
            edition: edition.to_owned(),
        };
        Ok(self.0.get_recipe(request).await?.into_inner())
    }

    async fn draft(&mut self, request: DraftRecipeRequest) -> Result<DraftRecipeResponse, Status> {
        Ok(self.0.draft_recipe(request).await?.into_inner())
    }

    async fn save(
        &mut self,
        id: &str,
        toml: &str,
        expected: &str,
    ) -> Result<SaveRecipeResponse, Status> {
        let request = SaveRecipeRequest {
            id: id.to_owned(),
            toml: toml.to_owned(),
            expected_text_sha256: expected.to_owned(),
        };
        Ok(self.0.save_recipe(request).await?.into_inner())
    }

    async fn delete(&mut self, id: &str) -> Result<(), Status> {
        let request = DeleteRecipeRequest { id: id.to_owned() };
        self.0.delete_recipe(request).await.map(drop)
    }

    async fn editions(&mut self, id: &str) -> Vec<String> {
        let request = ListRecipeEditionsRequest { id: id.to_owned() };
        let listed = self.0.list_recipe_editions(request).await.expect("listed");
        let editions = listed.into_inner().editions.into_iter();
        editions.map(|edition| edition.edition).collect()
    }
}

fn corners(points: &[[f64; 2]]) -> Vec<Corner> {
    points.iter().map(|&[x, y]| Corner { x, y }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn drawn_region_is_saved_activated_and_judged_by() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut editor = Editor::of(&daemon).await;
    let mut line = Line::of(&daemon).await;
    line.activate("lenient").await.expect("valid");
    assert_eq!(line.decided().await, Decision::Pass);
    let read = editor.get("lenient", "").await.expect("it exists");
    let before = fs::read_to_string(site.path("recipes/lenient.toml")).expect("the file");
    assert_eq!(read.toml, before);
    assert!(read.recipe.expect("set").active);

    let mut content = read.content.expect("valid");
    content.regions.push(RecipeArea {
        name: "corner".to_owned(),
        corners: corners(&[[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]]),
        threshold: Some(0.2),
        ..RecipeArea::default()
    });
    let drafted = editor
        .draft(DraftRecipeRequest {
            id: "lenient".to_owned(),
            toml: read.toml,
            content: Some(content.clone()),
        })
        .await
        .expect("TOML");
    assert_eq!(drafted.faults, []);
    assert_eq!(drafted.content.as_ref(), Some(&content));
    assert!(
        drafted.toml.starts_with(before.trim_end()),
        "{}",
        drafted.toml
    );
    let saved = editor
        .save("lenient", &drafted.toml, &read.text_sha256)
        .await;
    let saved = saved.expect("expected").recipe.expect("set");
    assert_eq!(
        (saved.sha256.as_str(), saved.active),
        (drafted.sha256.as_str(), false)
    );
    assert_eq!(saved.regions, ["corner"]);
    // What is active does not change until it is activated.
    assert_eq!(line.decided().await, Decision::Pass);
    line.activate("lenient").await.expect("valid");
    assert_eq!(line.decided().await, Decision::Reject);

    // The text before is an edition.
    let editions = editor.editions("lenient").await;
    assert_eq!(editions.len(), 1);
    let edition = editor.get("lenient", &editions[0]).await.expect("kept");
    assert_eq!(edition.toml, before);
    let missing = editor
        .get("lenient", "1")
        .await
        .expect_err("no such edition");
    assert_eq!(missing.code(), Code::NotFound);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn draft_lists_every_error_with_its_line_and_saves_nothing() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut editor = Editor::of(&daemon).await;
    let mut draft = async |toml: &str| {
        let request = DraftRecipeRequest {
            id: "tried".to_owned(),
            toml: toml.to_owned(),
            content: None,
        };
        editor.draft(request).await.expect("an answer")
    };
    let text = recipe(
        "../bundle",
        "treshold = 1\nmin_area = 7\n[[regions]]\nname = \"a\"\npolygon = [[0, 0], [1, 1]]",
    );
    let drafted = draft(&text).await;
    let faults: Vec<_> = drafted
        .faults
        .iter()
        .map(|fault| (fault.line, fault.key.as_str()))
        .collect();
    assert_eq!(
        faults,
        [(4, "treshold"), (5, "min_area"), (8, "regions[0].polygon")],
        "{drafted:?}"
    );
    assert!(
        drafted.faults[0]
            .message
            .contains("did you mean \"threshold\""),
        "{drafted:?}"
    );
    assert_eq!(drafted.content.expect("TOML").regions[0].corners.len(), 2);
    let drafted = draft("product = \n").await;
    assert_eq!((drafted.content, drafted.faults[0].line), (None, 1));
    let drafted = draft(&recipe("../nowhere", "")).await;
    assert_eq!(drafted.faults[0].key, "bundle", "{drafted:?}");
    let drafted = draft(&recipe("../bundle", "[cameras.left]\nthreshold = 1")).await;
    assert!(
        drafted.faults[0].message.contains("left is not configured"),
        "{drafted:?}"
    );
    let masked = recipe(
        "../bundle",
        "[[ignore]]\nname = \"all\"\npolygon = [[0, 0], [1, 0], [1, 1], [0, 1]]",
    );
    assert_eq!(draft(&masked).await.faults.len(), 1);
    assert!(!site.path("recipes/tried.toml").exists());
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn saving_refuses_errors_and_texts_that_someone_else_changed() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut editor = Editor::of(&daemon).await;
    let text = recipe("../bundle", "threshold = 0.3");
    editor.save("juice", &text, "").await.expect("a new recipe");
    assert_eq!(
        fs::read_to_string(site.path("recipes/juice.toml")).expect("the file"),
        text
    );
    let refused = editor
        .save("juice", &text, "")
        .await
        .expect_err("it exists");
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Aborted, "recipe juice exists")
    );
    let sha256 = editor
        .get("juice", "")
        .await
        .expect("it exists")
        .text_sha256;
    fs::write(site.path("recipes/juice.toml"), recipe("../bundle", "")).expect("written");
    let refused = editor
        .save("juice", &text, &sha256)
        .await
        .expect_err("it was changed");
    assert_eq!(refused.code(), Code::Aborted, "{refused}");
    let sha256 = editor
        .get("juice", "")
        .await
        .expect("it exists")
        .text_sha256;
    let refused = editor
        .save("juice", "product = 3", &sha256)
        .await
        .expect_err("errors");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("version: missing"), "{refused}");

    let mut line = Line::of(&daemon).await;
    line.activate("juice").await.expect("valid");
    let refused = editor.delete("juice").await.expect_err("it is active");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    line.activate("lenient").await.expect("valid");
    editor.delete("juice").await.expect("it is not active");
    assert!(!site.path("recipes/juice.toml").exists());
    let missing = editor.delete("juice").await.expect_err("it is gone");
    assert_eq!(missing.code(), Code::NotFound);
    let missing = editor.get("juice", "").await.expect_err("it is gone");
    assert_eq!(missing.code(), Code::NotFound);
    // Its last text can be had back.
    let editions = editor.editions("juice").await;
    let last = editor.get("juice", &editions[0]).await.expect("kept");
    editor
        .save("juice", &last.toml, "")
        .await
        .expect("a new recipe");
    let broken = editor.get("broken", "").await.expect("with errors").recipe;
    assert!(broken.expect("set").faults.len() > 2);
    daemon.stop();
}
