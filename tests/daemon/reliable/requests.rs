//! Requested inspections: one image for each request, exactly once, despite lost connections and
//! restarts.

use std::time::{Duration, Instant};

use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    Decision, FaultReason, TriggerInspectionRequest, TriggerInspectionResponse,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::{Code, Status};

use super::journal_site::{Client, belt, journal, requested, site, whole};
use crate::harness::{Daemon, Site};
use crate::inquiry::frames;

/// A camera whose folder does not exist, so that it delivers no frame.
fn absent(id: &str, keys: &str) -> String {
    requested(id, keys).replace("pictures", "absent")
}

fn requested_site() -> Site {
    let cameras = [
        requested("asked", "queue = 2"),
        belt("running", "fps = 5"),
        absent("gone", "queue = 2\ndeadline_ms = 300"),
        absent("away", "queue = 2\nread_timeout_s = 60"),
    ];
    site(&journal(""), &cameras.concat())
}

fn request(camera: &str, part: &str, key: &str) -> TriggerInspectionRequest {
    TriggerInspectionRequest {
        target: Some(Target::CameraId(camera.to_owned())),
        part_id: part.to_owned(),
        client_data: vec![0, 1, 255],
        idempotency_key: key.to_owned(),
        wait: true,
        ..TriggerInspectionRequest::default()
    }
}

async fn trigger(
    client: &mut Client,
    request: TriggerInspectionRequest,
) -> Result<TriggerInspectionResponse, Status> {
    let response = client.trigger_inspection(request).await;
    response.map(tonic::Response::into_inner)
}

/// Waits until the camera can be triggered.
async fn ready(site: &Site) -> (Daemon, Client) {
    let daemon = site.start();
    let client = daemon.inspection().await;
    (daemon, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_request_gets_the_next_image_and_its_own_part_id() {
    require!(onnx_runtime());
    let site = requested_site();
    let (daemon, mut client) = ready(&site).await;
    let mut items = Vec::new();
    for part in ["one", "two", "three", "four"] {
        let answer = trigger(&mut client, request("asked", part, "")).await;
        let answer = answer.expect("accepted");
        let verdict = answer.verdict.expect("it was waited for");
        assert_eq!(verdict.part_id, part);
        assert_eq!(verdict.client_data, [0, 1, 255]);
        assert_eq!(verdict.trigger_id, answer.trigger_id);
        assert!(!answer.repeated && verdict.sequence > 0);
        items.push(verdict.source_item);
    }
    assert_eq!(items, ["a.png", "b.png", "c.png", "a.png"]);
    let counts = frames(&daemon.status().await, "asked");
    assert_eq!((counts.judged, counts.skipped), (4, 0));
    // A client that does not wait gets the verdict from the stream.
    let mut verdicts = daemon.verdicts().await;
    let at_once = TriggerInspectionRequest {
        wait: false,
        ..request("asked", "five", "")
    };
    let answer = trigger(&mut client, at_once).await.expect("accepted");
    let verdict = verdicts.until(|verdict| verdict.part_id == "five").await;
    assert_eq!(verdict.trigger_id, answer.trigger_id);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_with_a_known_idempotency_key_returns_the_first_verdict() {
    require!(onnx_runtime());
    let site = requested_site();
    let (daemon, mut client) = ready(&site).await;
    let first = trigger(&mut client, request("asked", "one", "k1")).await;
    let first = first.expect("accepted");
    let again = trigger(&mut client, request("asked", "one", "k1")).await;
    let again = again.expect("accepted");
    assert!(!first.repeated && again.repeated);
    assert_eq!(
        (&again.trigger_id, &again.verdict),
        (&first.trigger_id, &first.verdict)
    );
    let another = trigger(&mut client, request("asked", "two", "k1")).await;
    assert_eq!(
        another.expect_err("another part").code(),
        Code::AlreadyExists
    );
    // Concurrent requests with one key are one inspection.
    let at_once: Vec<_> = (0..8)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { trigger(&mut client, request("asked", "two", "k2")).await })
        })
        .collect();
    let mut triggers = Vec::new();
    for answer in at_once {
        let answer = answer.await.expect("no panic").expect("accepted");
        triggers.push((
            answer.trigger_id,
            answer.verdict.expect("a verdict").sequence,
        ));
    }
    triggers.dedup();
    assert_eq!(triggers.len(), 1, "{triggers:?}");
    assert_eq!(frames(&daemon.status().await, "asked").judged, 2);
    drop(daemon);

    let (daemon, mut client) = ready(&site).await;
    let after = trigger(&mut client, request("asked", "one", "k1")).await;
    let after = after.expect("accepted");
    assert!(after.repeated);
    assert_eq!(
        (&after.trigger_id, &after.verdict),
        (&first.trigger_id, &first.verdict)
    );
    for other in [request("asked", "two", "k1"), request("gone", "one", "k1")] {
        let refused = trigger(&mut client, other).await;
        assert_eq!(refused.expect_err("another").code(), Code::AlreadyExists);
    }
    assert_eq!(frames(&daemon.status().await, "asked").judged, 0);
    let of_part = whole(&daemon).await;
    let of_part = of_part.values().filter(|verdict| verdict.part_id == "one");
    assert_eq!(of_part.count(), 1);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn repeated_request_is_answered_with_a_fault_if_its_verdict_is_not_confirmed() {
    require!(onnx_runtime());
    let site = requested_site();
    let (daemon, mut client) = ready(&site).await;
    let first = trigger(&mut client, request("asked", "one", "k1")).await;
    let first = first.expect("accepted");
    let passed = first.verdict.as_ref().expect("a verdict");
    assert_eq!(passed.decision(), Decision::Pass);
    daemon.stop();
    // As if the process had been killed before it knew that the verdict was published.
    let journal = rusqlite::Connection::open(site.path("journal/journal.sqlite"));
    let unconfirmed = "UPDATE verdicts SET details = json_set(details, '$.unconfirmed', json('true')) WHERE sequence = ?1";
    let marked = journal
        .expect("the journal")
        .execute(unconfirmed, [passed.sequence as i64]);
    assert_eq!(marked.expect("written"), 1);

    let (daemon, mut client) = ready(&site).await;
    let again = trigger(&mut client, request("asked", "one", "k1")).await;
    let again = again.expect("accepted");
    assert!(again.repeated);
    assert_eq!(again.trigger_id, first.trigger_id);
    let verdict = again.verdict.expect("a verdict");
    assert_eq!(verdict.decision(), Decision::Fault, "{verdict:?}");
    let fault = verdict.fault.expect("a fault");
    assert_eq!(fault.reason(), FaultReason::Journal);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn request_without_a_frame_is_a_fault_at_its_deadline() {
    require!(onnx_runtime());
    let site = requested_site();
    let (daemon, mut client) = ready(&site).await;
    let begun = Instant::now();
    let answer = trigger(&mut client, request("gone", "one", "")).await;
    let verdict = answer.expect("accepted").verdict.expect("a verdict");
    let took = begun.elapsed();
    assert!((300..2000).contains(&took.as_millis()), "{took:?}");
    assert_eq!(verdict.decision(), Decision::Fault);
    let fault = verdict.fault.expect("a fault");
    assert_eq!(fault.reason(), FaultReason::CameraStalled);
    assert_eq!((verdict.part_id.as_str(), verdict.frame_id), ("one", 0));
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn invalid_requests_are_rejected() {
    require!(onnx_runtime());
    let site = requested_site();
    let (daemon, mut client) = ready(&site).await;
    let mut check = async |request: TriggerInspectionRequest, code: Code| {
        let refused = trigger(&mut client, request.clone()).await;
        assert_eq!(refused.expect_err("refused").code(), code, "{request:?}");
    };
    check(request("running", "", ""), Code::FailedPrecondition).await;
    check(request("nobody", "", ""), Code::NotFound).await;
    let of_group = TriggerInspectionRequest {
        target: Some(Target::GroupId("nobody".to_owned())),
        ..request("", "", "")
    };
    check(of_group, Code::NotFound).await;
    let untargeted = TriggerInspectionRequest {
        target: None,
        ..request("", "", "")
    };
    check(untargeted, Code::InvalidArgument).await;
    check(
        request("asked", &"x".repeat(129), ""),
        Code::InvalidArgument,
    )
    .await;
    check(
        request("asked", "", &"x".repeat(129)),
        Code::InvalidArgument,
    )
    .await;
    let much = TriggerInspectionRequest {
        client_data: vec![0; 4097],
        ..request("asked", "", "")
    };
    check(much, Code::InvalidArgument).await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn full_request_queue_rejects_new_but_not_repeated_requests() {
    require!(onnx_runtime());
    let site = requested_site();
    let (daemon, mut client) = ready(&site).await;
    let at_once = |part: &str| TriggerInspectionRequest {
        wait: false,
        ..request("away", part, part)
    };
    for part in ["one", "two"] {
        trigger(&mut client, at_once(part)).await.expect("accepted");
    }
    let third = trigger(&mut client, at_once("three")).await;
    assert_eq!(third.expect_err("two wait").code(), Code::ResourceExhausted);
    let again = trigger(&mut client, at_once("one"))
        .await
        .expect("accepted");
    assert!(again.repeated && again.verdict.is_none());
    // A client that waits during shutdown gets a response.
    let mut waits = client.clone();
    let waiting =
        tokio::spawn(async move { trigger(&mut waits, request("away", "two", "two")).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    daemon.stop();
    let answer = waiting.await.expect("no panic").expect("an answer");
    let fault = answer.verdict.expect("a verdict").fault.expect("a fault");
    assert_eq!(fault.reason(), FaultReason::Shutdown);
}
