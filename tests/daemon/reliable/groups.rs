//! Parts with views of several cameras: one verdict each.

use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    Decision, Fault, FaultReason, TriggerInspectionRequest, TriggerInspectionResponse, Verdict,
};
use inspectd_test_support::{onnx_runtime, require};

use super::journal_site::{belt, journal, requested, site, whole};
use crate::harness::{Daemon, Site, check_concurrently, write_png};

fn parts(keys: &str) -> String {
    format!("{}[parts]\n{keys}", journal(""))
}

async fn trigger(daemon: &Daemon, part: &str, key: &str) -> TriggerInspectionResponse {
    let request = TriggerInspectionRequest {
        target: Some(Target::GroupId("cell".to_owned())),
        part_id: part.to_owned(),
        client_data: part.as_bytes().to_vec(),
        idempotency_key: key.to_owned(),
        wait: true,
        ..TriggerInspectionRequest::default()
    };
    let response = daemon.inspection().await.trigger_inspection(request).await;
    response.expect("accepted").into_inner()
}

/// The second camera reads its own pictures, all of which are good.
fn add_good_pictures(site: &Site) {
    std::fs::create_dir(site.path("good")).expect("a folder");
    write_png(&site.path("good/a.png"), 64, 128, 128);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn part_verdict_is_the_worst_of_its_views() {
    require!(onnx_runtime());
    let left = requested("left", "group = \"cell\"");
    let right = requested("right", "group = \"cell\"").replace("pictures", "good");
    let site = site(&parts("window_ms = 5000\n"), &(left + &right));
    add_good_pictures(&site);
    let daemon = site.start();
    let expected = [Decision::Pass, Decision::Reject, Decision::Review];
    let mut answers = Vec::new();
    for (part, expected) in ["1", "2", "3"].into_iter().zip(expected) {
        let answer = trigger(&daemon, part, &format!("key {part}")).await;
        let verdict = answer.verdict.clone().expect("a verdict");
        assert_eq!(verdict.decision(), expected);
        assert_eq!(
            (verdict.camera_id.as_str(), verdict.group_id.as_str()),
            ("", "cell")
        );
        assert_eq!(
            (verdict.part_id.as_str(), verdict.client_data.as_slice()),
            (part, part.as_bytes())
        );
        assert_eq!(verdict.trigger_id, answer.trigger_id);
        let cameras: Vec<&str> = verdict.views.iter().map(|view| &*view.camera_id).collect();
        assert_eq!(cameras, ["left", "right"]);
        answers.push(answer);
    }
    let kept = whole(&daemon).await;
    for answer in &answers {
        let part = answer.verdict.as_ref().expect("a verdict");
        assert_eq!(kept.get(&part.sequence), Some(part));
        for view in &part.views {
            let of_view = &kept[&view.sequence];
            assert_eq!(
                (&of_view.camera_id, of_view.decision),
                (&view.camera_id, view.decision)
            );
            assert_eq!(
                (&of_view.part_id, &of_view.trigger_id),
                (&part.part_id, &part.trigger_id)
            );
            assert!(of_view.sequence < part.sequence);
        }
    }
    drop(daemon);
    let daemon = site.start();
    let again = trigger(&daemon, "2", "key 2").await;
    assert!(again.repeated);
    assert_eq!(
        (&again.trigger_id, &again.verdict),
        (&answers[1].trigger_id, &answers[1].verdict)
    );
    assert_eq!(whole(&daemon).await.len(), kept.len());
    daemon.stop();
}

#[test]
fn missing_view_is_decided_by_the_policy() {
    require!(onnx_runtime());
    let cases = [
        ("fault", Decision::Fault, true),
        ("reject", Decision::Reject, true),
        ("ignore", Decision::Pass, false),
    ];
    check_concurrently(cases, async |(policy, expected, faulted)| {
        let right = requested("right", "group = \"cell\"\nread_timeout_s = 60");
        let cameras = requested("left", "group = \"cell\"") + &right.replace("pictures", "absent");
        let keys = format!("window_ms = 400\nmissing_view = \"{policy}\"\n");
        let site = site(&parts(&keys), &cameras);
        let daemon = site.start();
        let verdict = trigger(&daemon, "1", "").await.verdict.expect("a verdict");
        assert_eq!(verdict.decision(), expected, "{policy}");
        assert_eq!(verdict.views.len(), 1, "{policy}");
        let fault = verdict.fault.as_ref();
        assert_eq!(fault.is_some(), faulted, "{policy}");
        if let Some(fault) = fault {
            assert_eq!(fault.reason(), FaultReason::MissingView);
            assert!(fault.message.contains("right"), "{fault:?}");
        }
        daemon.stop();
    });
}

/// The verdicts of whole parts.
async fn parts_of(daemon: &Daemon, count: usize) -> Vec<Verdict> {
    let mut verdicts = daemon.verdicts().await;
    let mut parts = Vec::new();
    while parts.len() < count {
        let part = verdicts.until(|verdict| verdict.camera_id.is_empty()).await;
        // The first one may have had a view before the stream began.
        assert_eq!(part.views.len(), 2, "{part:?}");
        parts.push(part);
    }
    parts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn part_counter_continues_after_a_restart() {
    require!(onnx_runtime());
    let camera = |id: &str| belt(id, "fps = 20\ngroup = \"cell\"\npart_counter = true");
    let site = site(
        &parts("window_ms = 2000\n"),
        &(camera("left") + &camera("right")),
    );
    let number = |part: &Verdict| part.part_id.parse::<u64>().expect("a number");
    let mut last = 0;
    for run in 0..3 {
        let daemon = site.start();
        for part in parts_of(&daemon, 5).await {
            assert!(number(&part) > last, "{part:?} after {last}");
            last = number(&part);
        }
        if run == 0 {
            daemon.stop();
        }
    }
    let daemon = site.start();
    let mut counted: Vec<u64> = whole(&daemon)
        .await
        .values()
        .filter(|verdict| verdict.camera_id == "left")
        .map(number)
        .collect();
    let count = counted.len();
    counted.sort_unstable();
    counted.dedup();
    assert_eq!(counted.len(), count, "no id is used twice");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn part_of_a_killed_daemon_is_decided_by_its_stored_views() {
    require!(onnx_runtime());
    let left = requested("left", "group = \"cell\"");
    // It delivers no frame, so the part is open until its window has passed.
    let right =
        requested("right", "group = \"cell\"\nread_timeout_s = 60").replace("pictures", "absent");
    let site = site(&parts("window_ms = 3000\n"), &(left + &right));
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let request = TriggerInspectionRequest {
        target: Some(Target::GroupId("cell".to_owned())),
        part_id: "7".to_owned(),
        client_data: b"7".to_vec(),
        idempotency_key: "once".to_owned(),
        ..TriggerInspectionRequest::default()
    };
    let accepted = daemon.inspection().await.trigger_inspection(request).await;
    let trigger_id = accepted.expect("accepted").into_inner().trigger_id;
    let view = verdicts.until(|verdict| verdict.camera_id == "left").await;
    daemon.signal("KILL");
    drop(daemon);

    let daemon = site.start();
    let repeated = trigger(&daemon, "7", "once").await;
    assert!(repeated.repeated);
    assert_eq!(repeated.trigger_id, trigger_id);
    let part = repeated.verdict.expect("decided");
    assert_eq!(part.decision(), Decision::Fault);
    assert_eq!(
        part.fault.as_ref().map(Fault::reason),
        Some(FaultReason::MissingView)
    );
    let views: Vec<u64> = part.views.iter().map(|view| view.sequence).collect();
    assert_eq!(views, [view.sequence]);
    let inspected = whole(&daemon)
        .await
        .into_values()
        .filter(|verdict| verdict.camera_id == "left");
    assert_eq!(inspected.count(), 1, "it is inspected once");
    daemon.stop();
}
