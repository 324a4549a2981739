//! Installing a model over the network: all of it, or nothing.

use std::fs;
use std::path::Path;

use futures_util::stream::iter;
use inspectd_client::proto::install_model_request::Part;
use inspectd_client::proto::install_model_response::Event;
use inspectd_client::proto::model_service_client::ModelServiceClient;
use inspectd_client::proto::recipe_service_client::RecipeServiceClient;
use inspectd_client::proto::{
    ActivateRecipeRequest, Decision, GetInstallationRequest, InstallHeader, InstallModelRequest,
    InstallResult, ListAuditEntriesRequest, UndoInstallationRequest,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::{Code, Status};

use crate::harness::{CELLS, Daemon, Site, write_bundle_of};

const BELT: &str = "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 25\nmode = \"triggered\"\n";

/// Good parts have the score 0.5, defective ones 0.84; the threshold of the bundle is 0.6.
fn site() -> Site {
    let site = Site::new("");
    site.pictures("pictures", &[("a.png", 128)]);
    site.known_parts();
    fs::create_dir(site.path("recipes")).expect("a folder");
    site.write(
        "recipes/grey.toml",
        "# The grey part.\nproduct = \"Grey\"\nversion = \"1\"\nbundle = \"../bundle\" # the first one\n",
    );
    site.configure(
        "[journal]\nfolder = \"journal\"\n[recipes]\nfolder = \"recipes\"\n[challenge]\nfolder = \"known\"\ncamera = \"belt\"\n",
        BELT,
    );
    for (name, version, threshold) in [("better", "2", 0.7), ("blind", "3", 0.9)] {
        write_bundle_of(&site.path(name), version, threshold, CELLS);
    }
    site
}

/// The messages that install the bundle.
fn parts(bundle: &Path, dry_run: bool) -> Vec<InstallModelRequest> {
    let read = |name: &str| fs::read(bundle.join(name)).expect("a file of the bundle");
    let graph = read("model.onnx");
    let header = Part::Header(InstallHeader {
        manifest: String::from_utf8(read("manifest.toml")).expect("a text"),
        graph_size: graph.len() as u64,
        without_challenge: false,
        dry_run,
        variant_sizes: Vec::new(),
    });
    let pieces = graph.chunks(100).map(|piece| Part::Graph(piece.to_vec()));
    let parts = [header].into_iter().chain(pieces);
    parts
        .map(|part| InstallModelRequest { part: Some(part) })
        .collect()
}

async fn send(daemon: &Daemon, parts: Vec<InstallModelRequest>) -> Result<InstallResult, Status> {
    let mut models = ModelServiceClient::new(daemon.channel().await);
    let mut events = models.install_model(iter(parts)).await?.into_inner();
    let mut stages = Vec::new();
    while let Some(event) = events.message().await? {
        match event.event.expect("always set") {
            Event::Progress(progress) => stages.push(progress.stage),
            Event::Result(result) => {
                assert_eq!(stages.first().map(String::as_str), Some("load"));
                assert!(
                    stages.iter().any(|stage| stage == "challenge_new"),
                    "{stages:?}"
                );
                return Ok(result);
            }
        }
    }
    panic!("no result after {stages:?}");
}

async fn install(daemon: &Daemon, site: &Site, bundle: &str) -> InstallResult {
    let result = send(daemon, parts(&site.path(bundle), false)).await;
    result.expect("it can be used")
}

async fn version(daemon: &Daemon) -> String {
    daemon.status().await.model.expect("a model").version
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn model_is_installed_if_it_passes_the_challenge_and_can_be_undone() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let before = fs::read_to_string(site.path("inspectd.toml")).expect("a configuration");

    let blind = install(&daemon, &site, "blind").await;
    assert!(!blind.activated && blind.installation.is_none());
    assert!(
        blind.reason.contains("1 of 1 defective parts passed"),
        "{blind:?}"
    );
    let (new, old) = (
        blind.challenge.expect("both"),
        blind.active_challenge.expect("both"),
    );
    assert_eq!((new.misses, old.misses), (1, 0));
    assert_eq!(version(&daemon).await, "2026.1");
    let kept = fs::read_dir(site.path("journal/models")).map_or(0, Iterator::count);
    assert_eq!(kept, 0, "the bundle is removed");

    let dry = send(&daemon, parts(&site.path("better"), true)).await;
    let dry = dry.expect("it can be used");
    assert!(!dry.activated && dry.challenge.expect("judged").passed);
    assert_eq!(version(&daemon).await, "2026.1");

    let better = install(&daemon, &site, "better").await;
    assert!(better.activated, "{better:?}");
    assert_eq!(version(&daemon).await, "2");
    let installed = better.installation.expect("it is activated");
    assert_eq!(
        installed.previous.as_ref().expect("a model").version,
        "2026.1"
    );
    // As after a lost connection.
    let again = install(&daemon, &site, "better").await;
    assert_eq!(again.installation.as_ref(), Some(&installed));
    let text = fs::read_to_string(site.path("inspectd.toml")).expect("a configuration");
    assert_eq!(
        text,
        before.replace("\"bundle\"", &format!("{:?}", installed.folder))
    );
    for _ in 0..5 {
        let verdict = verdicts.next().await;
        if verdict.camera_id == "belt" {
            assert_eq!(verdict.decision(), Decision::Pass, "{verdict:?}");
        }
    }
    daemon.stop();

    let daemon = site.start();
    assert_eq!(version(&daemon).await, "2");
    let mut models = ModelServiceClient::new(daemon.channel().await);
    let last = models.get_installation(GetInstallationRequest {}).await;
    assert_eq!(
        last.expect("kept").into_inner().installation,
        Some(installed.clone())
    );
    let undo = |sha256: &str| UndoInstallationRequest {
        model_sha256: sha256.to_owned(),
    };
    let other = models.undo_installation(undo("0123")).await;
    assert_eq!(other.expect_err("another model").code(), Code::Aborted);
    let installed = installed.model.expect("always set").sha256;
    models
        .undo_installation(undo(&installed))
        .await
        .expect("it can be undone");
    assert_eq!(version(&daemon).await, "2026.1");
    let text = fs::read_to_string(site.path("inspectd.toml")).expect("a configuration");
    assert_eq!(text, before);
    let again = models
        .undo_installation(UndoInstallationRequest::default())
        .await;
    assert_eq!(
        again.expect_err("nothing is left").code(),
        Code::FailedPrecondition
    );
    let mut line = daemon.line().await;
    let entries = line
        .list_audit_entries(ListAuditEntriesRequest::default())
        .await;
    let entries = entries.expect("a log").into_inner().entries;
    let models = entries.iter().filter(|entry| entry.subject == "model");
    let versions: Vec<bool> = models.map(|entry| entry.after.contains(" 2 ")).collect();
    assert_eq!(versions, [true, false]);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn model_of_the_active_recipe_is_installed_in_its_file() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut recipes = RecipeServiceClient::new(daemon.channel().await);
    let activate = ActivateRecipeRequest {
        id: "grey".to_owned(),
    };
    recipes.activate_recipe(activate).await.expect("valid");
    let file = site.path("recipes/grey.toml");
    let before = fs::read_to_string(&file).expect("a recipe");
    let better = install(&daemon, &site, "better").await;
    let installed = better.installation.expect("it is activated");
    assert_eq!(installed.recipe_id, "grey");
    assert_eq!(version(&daemon).await, "2");
    let text = fs::read_to_string(&file).expect("a recipe");
    assert_eq!(
        text,
        before.replace("\"../bundle\"", &format!("{:?}", installed.folder))
    );

    // A file that was changed since is not overwritten.
    let edited = text.replace("version = \"1\"", "version = \"2\"");
    site.write("recipes/grey.toml", &edited);
    let mut models = ModelServiceClient::new(daemon.channel().await);
    let refused = models
        .undo_installation(UndoInstallationRequest::default())
        .await;
    assert_eq!(refused.expect_err("another text").code(), Code::Aborted);
    site.write("recipes/grey.toml", &text);
    models
        .undo_installation(UndoInstallationRequest::default())
        .await
        .expect("it can be undone");
    assert_eq!(fs::read_to_string(&file).expect("a recipe"), before);
    assert_eq!(version(&daemon).await, "2026.1");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn bundle_that_is_not_complete_or_not_usable_changes_nothing() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let complete = parts(&site.path("better"), false);
    let message = |part| InstallModelRequest { part: Some(part) };
    let with_header = |change: &dyn Fn(&mut InstallHeader)| {
        let mut parts = complete.clone();
        if let Some(Part::Header(header)) = &mut parts[0].part {
            change(header);
        }
        parts
    };
    let mut longer = complete.clone();
    longer.push(message(Part::Graph(vec![0])));
    let mut damaged = complete.clone();
    damaged[1] = message(Part::Graph(vec![0; 100]));
    for (case, parts, code, text) in [
        ("nothing", Vec::new(), Code::InvalidArgument, "header"),
        (
            "no header",
            complete[1..].to_vec(),
            Code::InvalidArgument,
            "header",
        ),
        (
            "no graph",
            complete[..1].to_vec(),
            Code::InvalidArgument,
            "ends after 0 of",
        ),
        (
            "half a graph",
            complete[..2].to_vec(),
            Code::InvalidArgument,
            "ends after 100 of",
        ),
        ("damaged", damaged, Code::InvalidArgument, "SHA-256"),
        (
            "no manifest",
            with_header(&|header| header.manifest = "name = 3".to_owned()),
            Code::InvalidArgument,
            "manifest",
        ),
        (
            "huge",
            with_header(&|header| header.graph_size = u64::MAX),
            Code::InvalidArgument,
            "graph_size",
        ),
    ] {
        let refused = send(&daemon, parts).await.expect_err(case);
        assert_eq!(refused.code(), code, "{case}: {refused}");
        assert!(refused.message().contains(text), "{case}: {refused}");
    }
    // The next installation removes the files of one during which the daemon was killed.
    for folder in ["left-1-0123", ".left-1-0123.x1y2.part/new"] {
        fs::create_dir_all(site.path("journal/models").join(folder)).expect("a folder");
    }
    site.write("journal/models/.unfinished", "left-1-0123");
    site.write("journal/models/left-1-0123/model.onnx", "");
    site.write("journal/models/.left-1-0123.x1y2.part/new/model.onnx", "");
    // A client may send more than it announced: what it announced is installed.
    let graph = &CELLS[..CELLS.len() / 2];
    write_bundle_of(&site.path("broken"), "4", 0.6, graph);
    let refused = send(&daemon, parts(&site.path("broken"), false)).await;
    let refused = refused.expect_err("ONNX Runtime rejects it");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("ONNX Runtime"), "{refused}");
    let kept = fs::read_dir(site.path("journal/models")).map_or(0, Iterator::count);
    assert_eq!(kept, 0);
    assert_eq!(version(&daemon).await, "2026.1");
    assert!(
        send(&daemon, longer)
            .await
            .expect("the announced graph")
            .activated
    );
    daemon.stop();

    // Without a challenge, nobody knows what the model does.
    site.configure("[journal]\nfolder = \"journal\"\n", BELT);
    let daemon = site.start();
    let refused = send(&daemon, complete).await.expect_err("no challenge");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("challenge.folder"), "{refused}");
    daemon.stop();
}
