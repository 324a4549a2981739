//! The shadow: another model or recipe judges frames of the line, without effect on it.

use std::fs;

use inspectd_client::proto::model_service_client::ModelServiceClient;
use inspectd_client::proto::{
    Decision, DecisionPair, GetEvidenceRequest, GetShadowRequest, ListDisagreementsRequest,
    ReloadConfigurationRequest, ResetShadowRequest, Shadow, ShadowState,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;
use tonic::transport::Channel;

use crate::harness::{CELLS, Daemon, PATIENCE, Site, wait, write_bundle, write_bundle_of};

const BELT: &str = "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 25\nmode = \"triggered\"\n";

/// The lowest priority.
const NICENESS: i64 = 19;

/// Frames with the scores 0.502 and 0.549. The line passes both: its threshold is 0.6.
fn site(shadow: &str) -> Site {
    let site = Site::new("");
    site.pictures("pictures", &[("a.png", 128), ("b.png", 140)]);
    write_bundle(&site.path("strict"), 0.52);
    fs::create_dir(site.path("recipes")).expect("a folder");
    configure(&site, shadow);
    site
}

fn configure(site: &Site, shadow: &str) {
    site.configure(
        &format!("[journal]\nfolder = \"journal\"\n[recipes]\nfolder = \"recipes\"\n[evidence]\npass_every = 0\nnear_threshold = 0\n{shadow}"),
        BELT,
    );
}

async fn models(daemon: &Daemon) -> ModelServiceClient<Channel> {
    ModelServiceClient::new(daemon.channel().await)
}

async fn shadow(daemon: &Daemon) -> Shadow {
    let answer = models(daemon).await.get_shadow(GetShadowRequest {}).await;
    let answer = answer.expect("a shadow is configured").into_inner();
    answer.shadow.expect("always set")
}

async fn shadow_when(daemon: &Daemon, what: &str, is: impl Fn(&Shadow) -> bool) -> Shadow {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let shadow = shadow(daemon).await;
        if is(&shadow) {
            return shadow;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}: {shadow:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The id of the shadow's process, and its niceness.
fn process_of(daemon: &Daemon) -> Option<(u32, i64)> {
    let children = format!("/proc/{0}/task", daemon.id());
    for task in fs::read_dir(children).ok()?.flatten() {
        let children = fs::read_to_string(task.path().join("children")).ok()?;
        for child in children.split_whitespace() {
            let command = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            if command.split(|byte| *byte == 0).nth(1) == Some(b"shadow") {
                let stat = fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
                let (_, fields) = stat.rsplit_once(')')?;
                let nice = fields.split_whitespace().nth(16)?.parse().ok()?;
                return Some((child.parse().ok()?, nice));
            }
        }
    }
    None
}

/// The metrics of a shadow that judges.
fn check_metrics(daemon: &Daemon) {
    let metrics = ureq::get(&format!(
        "http://{}/metrics",
        daemon.address("server.metrics_listen")
    ));
    let metrics = metrics.call().expect("metrics").body_mut().read_to_string();
    let metrics = metrics.expect("a text");
    for line in [
        "inspectd_shadow_running 1\n",
        "inspectd_shadow_frames{result=\"judged\"} ",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}

/// The evidence of a disagreement.
async fn check_evidence(site: &Site, daemon: &Daemon, sequence: u64) {
    // No PASS is kept on the disk by the settings, but that of a disagreement.
    let folder = site.path("journal/evidence");
    wait("the evidence", || {
        let file = folder.join(format!("{:06}/{sequence:09}.frame.jpg", sequence / 1000));
        file.exists()
    });
    let mut inspection = daemon.inspection().await;
    let evidence = inspection.get_evidence(GetEvidenceRequest {
        sequence,
        ..GetEvidenceRequest::default()
    });
    assert!(
        !evidence
            .await
            .expect("it is kept")
            .into_inner()
            .frame
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shadow_lists_what_it_decides_otherwise_and_the_line_does_not_notice() {
    require!(onnx_runtime());
    let site = site("[shadow]\nbundle = \"strict\"\nmax_fps = 20\n");
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let judged = shadow_when(&daemon, "both kinds of frames", |shadow| {
        shadow.pairs.len() == 2 && shadow.disagreements >= 3
    })
    .await;
    assert_eq!(judged.state(), ShadowState::Running);
    assert_eq!(judged.error, "");
    let model = judged.model.as_ref().expect("it is loaded");
    assert_eq!(
        judged.judged,
        judged.pairs.iter().map(|pair| pair.count).sum::<u64>()
    );
    let decisions = |pair: &DecisionPair| (pair.active(), pair.shadow());
    assert_eq!(
        decisions(&judged.pairs[0]),
        (Decision::Pass, Decision::Pass)
    );
    assert_eq!(
        decisions(&judged.pairs[1]),
        (Decision::Pass, Decision::Reject)
    );
    assert!(judged.median_ms > 0.0 && judged.since_time.is_some());
    let status = daemon.status().await;
    assert_eq!(
        status.model.as_ref().map(|model| &model.name),
        Some(&model.name)
    );
    assert_eq!(
        (
            status.decisions.expect("counts").reject,
            status.alarms.len()
        ),
        (0, 0)
    );
    for _ in 0..10 {
        assert_eq!(verdicts.next().await.decision(), Decision::Pass);
    }

    let mut models = models(&daemon).await;
    let listed = models.list_disagreements(ListDisagreementsRequest {
        camera_id: "belt".to_owned(),
        ..ListDisagreementsRequest::default()
    });
    let listed = listed.await.expect("a list").into_inner().disagreements;
    assert!(listed.len() >= 3);
    assert!(listed.is_sorted_by(|one, next| one.sequence > next.sequence));
    let last = listed.last().expect("three");
    assert_eq!(
        (last.active(), last.shadow()),
        (Decision::Pass, Decision::Reject)
    );
    assert!((last.active_score - 0.549).abs() < 0.001, "{last:?}");
    assert!(
        (last.shadow_score - last.active_score).abs() < 1e-4,
        "{last:?}"
    );
    assert!((last.shadow_threshold - 0.52).abs() < 1e-6, "{last:?}");
    assert!(last.heatmap.starts_with(&[0xff, 0xd8]), "a JPEG file");
    let older = models.list_disagreements(ListDisagreementsRequest {
        before_sequence: listed[1].sequence,
        page_size: 1,
        ..ListDisagreementsRequest::default()
    });
    let older = older.await.expect("a list").into_inner().disagreements;
    assert_eq!(older, listed[2..3]);

    check_evidence(&site, &daemon, last.sequence).await;
    check_metrics(&daemon);
    daemon.stop();

    // The counts are those before; a reset sets them to zero.
    let daemon = site.start();
    let again = shadow_when(&daemon, "the counts before", |shadow| {
        shadow.state() == ShadowState::Running
    })
    .await;
    assert!(again.disagreements >= judged.disagreements, "{again:?}");
    assert_eq!(again.since_time, judged.since_time);
    let mut models = self::models(&daemon).await;
    models
        .reset_shadow(ResetShadowRequest {})
        .await
        .expect("writable");
    let reset = shadow(&daemon).await;
    assert!(reset.judged < again.judged && reset.since_time != again.since_time);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shadow_is_a_process_of_the_lowest_priority_whose_end_costs_no_verdict() {
    require!(onnx_runtime());
    let site = site("[shadow]\nbundle = \"strict\"\nmax_fps = 20\n");
    let daemon = site.start();
    shadow_when(&daemon, "it judges", |shadow| shadow.judged > 2).await;
    let (process, nice) = process_of(&daemon).expect("a process of its own");
    assert_eq!(nice, NICENESS);
    let mut verdicts = daemon.verdicts().await;
    let mut next = verdicts.next().await.frame_id;
    let killed = std::process::Command::new("kill")
        .args(["-KILL", &process.to_string()])
        .status();
    assert!(killed.expect("kill").success());
    let failed = shadow_when(&daemon, "it has ended", |shadow| {
        shadow.state() == ShadowState::Failed
    })
    .await;
    assert!(
        failed.error.contains("SIGKILL") || failed.error.contains("signal: 9"),
        "{failed:?}"
    );
    for _ in 0..20 {
        let verdict = verdicts.next().await;
        next += 1;
        assert_eq!(
            (verdict.frame_id, verdict.decision()),
            (next, Decision::Pass)
        );
    }
    assert_eq!(daemon.status().await.alarms, []);

    // A reload tries it again at once, with a recipe of its own now.
    site.write(
        "recipes/strict.toml",
        "product = \"Grey\"\nversion = \"1\"\nbundle = \"../bundle\"\nthreshold = 0.9\n\
         [[regions]]\nname = \"middle\"\nthreshold = 0.53\npolygon = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]\n",
    );
    configure(&site, "[shadow]\nrecipe = \"strict\"\nmax_fps = 20\n");
    let mut line = daemon.line().await;
    let reloaded = line
        .reload_configuration(ReloadConfigurationRequest {})
        .await;
    let configuration = reloaded.expect("valid").into_inner().configuration;
    assert_eq!(
        configuration.expect("always set").restart_required_keys,
        [""; 0]
    );
    let shadow = shadow_when(&daemon, "a disagreement by the region", |shadow| {
        shadow.state() == ShadowState::Running && shadow.disagreements > 0
    })
    .await;
    assert_eq!(shadow.recipe.expect("its own").id, "strict");
    let mut models = models(&daemon).await;
    let listed = models
        .list_disagreements(ListDisagreementsRequest::default())
        .await;
    let listed = listed.expect("a list").into_inner().disagreements;
    assert_eq!(listed[0].shadow_region, "middle");

    // Without a shadow, its process ends.
    configure(&site, "");
    let reloaded = line
        .reload_configuration(ReloadConfigurationRequest {})
        .await;
    reloaded.expect("valid");
    wait("the end of the process", || process_of(&daemon).is_none());
    let refused = models
        .get_shadow(GetShadowRequest {})
        .await
        .expect_err("none is configured");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shadow_that_cannot_be_used_says_why_and_the_line_runs() {
    require!(onnx_runtime());
    let site = site("[shadow]\nbundle = \"strict\"\n");
    let mut graph = CELLS.to_vec();
    graph.truncate(CELLS.len() / 2);
    write_bundle_of(&site.path("broken"), "2", 0.5, &graph);
    for (shadow, error) in [
        ("bundle = \"nowhere\"", "nowhere/manifest.toml"),
        ("bundle = \"broken\"", "ONNX Runtime"),
        ("recipe = \"none\"", "none"),
    ] {
        configure(&site, &format!("[shadow]\n{shadow}\n"));
        let daemon = site.start();
        let failed = shadow_when(&daemon, shadow, |shadow| {
            shadow.state() == ShadowState::Failed
        })
        .await;
        assert!(failed.error.contains(error), "{shadow}: {failed:?}");
        let mut verdicts = daemon.verdicts().await;
        assert_eq!(verdicts.next().await.decision(), Decision::Pass);
        daemon.stop();
    }
    configure(&site, "[shadow]\nbundle = \"strict\"\nrecipe = \"none\"\n");
    let (code, error) = site.refused(&[]);
    assert_eq!(code, 78);
    assert!(
        error.contains("shadow.recipe: set together with bundle"),
        "{error}"
    );
}
