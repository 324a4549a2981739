//! Traces: one for each inspected part, sent to a real receiver, which checks their form.

mod collector;
mod outages;
mod receiver;

use std::collections::BTreeMap;

use inspectd_client::proto::inspect_image_request::Image;
use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    AcknowledgeVerdictsRequest, InspectImageRequest, TriggerInspectionRequest, Verdict,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Request;

use crate::harness::{Daemon, Site, write_png};
use receiver::{ReceivedSpan, Receiver};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// Two cameras of the group `cell` and the camera `top`, which inspect on request, with a journal.
fn site(traces: &str) -> Site {
    let site = Site::new("");
    site.pictures("pictures", &[("a.png", 128), ("b.png", 130)]);
    let camera = |id: &str, group: &str| {
        format!(
            "[cameras.{id}]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\npace = \"fast\"\nmode = \"requested\"\n\
             check.frozen_after = 0\n{group}"
        )
    };
    let group = "group = \"cell\"\n";
    let cameras = [
        camera("left", group),
        camera("right", group),
        camera("top", ""),
    ];
    let top = format!("[journal]\nfolder = \"journal\"\n{traces}");
    site.configure(&top, &cameras.concat());
    site
}

fn traces(receiver: &Receiver, keys: &str) -> String {
    format!(
        "[traces]\nendpoint = \"http://{}\"\n{keys}",
        receiver.address
    )
}

fn parent(sampled: bool) -> String {
    format!("00-{TRACE}-{SPAN}-0{}", u8::from(sampled))
}

/// A request with this `traceparent`.
fn with_parent<T>(message: T, parent: &str) -> Request<T> {
    let mut request = Request::new(message);
    if !parent.is_empty() {
        let parent = parent.parse().expect("ASCII");
        request.metadata_mut().insert("traceparent", parent);
    }
    request
}

/// The verdict of a part that is triggered with this `traceparent`.
async fn trigger(daemon: &Daemon, target: Target, part: &str, parent: &str) -> Verdict {
    let request = TriggerInspectionRequest {
        target: Some(target),
        part_id: part.to_owned(),
        wait: true,
        ..TriggerInspectionRequest::default()
    };
    let mut client = daemon.inspection().await;
    let answer = client
        .trigger_inspection(with_parent(request, parent))
        .await;
    let verdict = answer.expect("accepted").into_inner().verdict;
    verdict.expect("it was waited for")
}

fn top() -> Target {
    Target::CameraId("top".to_owned())
}

async fn acknowledge(daemon: &Daemon, consumer: &str, sequence: u64) {
    let request = AcknowledgeVerdictsRequest {
        consumer: consumer.to_owned(),
        sequence,
    };
    let mut client = daemon.inspection().await;
    let acknowledged = client.acknowledge_verdicts(request).await;
    acknowledged.expect("acknowledged");
}

/// The spans of one trace by name; views of a part have several of each.
fn of_trace(spans: &[ReceivedSpan], trace: &str) -> BTreeMap<String, Vec<ReceivedSpan>> {
    let mut found: BTreeMap<String, Vec<ReceivedSpan>> = BTreeMap::new();
    for span in spans.iter().filter(|span| span.trace() == trace) {
        found
            .entry(span.span.name.clone())
            .or_default()
            .push(span.clone());
    }
    found
}

fn named(spans: &[ReceivedSpan], name: &str) -> usize {
    spans.iter().filter(|span| span.span.name == name).count()
}

/// The part of a camera is one span with its steps within it, one after the other.
fn check_steps(outer: &ReceivedSpan, spans: &[ReceivedSpan], expected: &[&str]) {
    let inner: Vec<&ReceivedSpan> = spans
        .iter()
        .filter(|span| span.parent() == outer.id() && span.span.name != "acknowledge")
        .collect();
    let names: Vec<&str> = inner.iter().map(|span| &*span.span.name).collect();
    assert_eq!(names, expected);
    for span in &inner {
        assert!(outer.contains(span), "{span:?} is not within {outer:?}");
    }
    for pair in inner.windows(2) {
        let (first, second) = (&pair[0].span, &pair[1].span);
        assert!(
            first.end_time_unix_nano <= second.start_time_unix_nano,
            "{} ends after {} starts",
            first.name,
            second.name
        );
    }
}

const STEPS: [&str; 7] = [
    "wait_for_frame",
    "queue",
    "prepare",
    "infer",
    "judge",
    "commit",
    "publish",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triggered_part_continues_the_trace_of_its_client_until_the_acknowledgement() {
    require!(onnx_runtime());
    let receiver = Receiver::start().await;
    let keys = "headers_file = \"headers\"\ninstance = \"cell 7\"\nservice = \"line\"\n";
    let site = site(&traces(&receiver, keys));
    site.write(
        "headers",
        "# of the collector\nauthorization: Bearer plant\n",
    );
    let daemon = site.start();
    let verdict = trigger(&daemon, top(), "4711", &parent(true)).await;
    acknowledge(&daemon, "mes", verdict.sequence).await;
    let spans = receiver
        .when("acknowledged", |spans| named(spans, "acknowledge") == 1)
        .await;
    let trace = of_trace(&spans, TRACE);
    let root = &trace["inspect"][0];
    assert_eq!(root.parent(), SPAN, "the client's span");
    check_steps(root, &spans, &STEPS);
    for (name, expected) in [
        ("inspectd.sequence", verdict.sequence.to_string()),
        ("inspectd.camera", "top".to_owned()),
        ("inspectd.decision", "pass".to_owned()),
        ("inspectd.part", "4711".to_owned()),
        ("inspectd.model", "cells".to_owned()),
    ] {
        assert_eq!(root.attribute(name), Some(expected), "{name}");
    }
    let acknowledged = &trace["acknowledge"][0];
    assert_eq!(acknowledged.parent(), root.id());
    assert_eq!(
        acknowledged.attribute("inspectd.consumer").as_deref(),
        Some("mes")
    );
    assert!(acknowledged.span.start_time_unix_nano >= root.span.end_time_unix_nano);
    assert_eq!(
        trace.values().flatten().count(),
        spans.len(),
        "nothing else"
    );
    for span in &spans {
        assert_eq!(span.resource["service.name"], "line");
        assert_eq!(span.resource["service.instance.id"], "cell 7");
        assert_eq!(span.resource["service.version"], env!("CARGO_PKG_VERSION"));
        assert!(!span.resource["host.name"].is_empty());
        assert_eq!(
            span.headers.get("authorization").expect("a header"),
            "Bearer plant"
        );
    }
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_context_is_ignored_and_the_part_has_a_trace_of_its_own() {
    require!(onnx_runtime());
    let receiver = Receiver::start().await;
    let site = site(&traces(&receiver, ""));
    let daemon = site.start();
    for malformed in [
        "nonsense",
        "00-0-0-01",
        &parent(true)[1..],
        &format!("{}-x", parent(true)),
    ] {
        let verdict = trigger(&daemon, top(), malformed, malformed).await;
        assert_eq!(verdict.fault, None);
    }
    trigger(&daemon, top(), "none", "").await;
    let spans = receiver
        .when("five parts", |spans| named(spans, "publish") == 5)
        .await;
    let roots: Vec<&ReceivedSpan> = spans
        .iter()
        .filter(|span| span.span.name == "inspect")
        .collect();
    assert!(roots.iter().all(|root| root.parent().is_empty()));
    let mut ids: Vec<String> = roots.iter().map(|root| root.trace()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_of_a_requested_group_are_within_the_trace_of_their_part() {
    require!(onnx_runtime());
    let receiver = Receiver::start().await;
    let site = site(&traces(&receiver, ""));
    let daemon = site.start();
    let group = Target::GroupId("cell".to_owned());
    let verdict = trigger(&daemon, group, "4711", &parent(true)).await;
    assert_eq!(verdict.views.len(), 2);
    let spans = receiver
        .when("the part", |spans| named(spans, "publish") == 3)
        .await;
    let trace = of_trace(&spans, TRACE);
    let root = &trace["inspect"][0];
    assert_eq!(root.parent(), SPAN);
    assert_eq!(root.attribute("inspectd.group").as_deref(), Some("cell"));
    let mut cameras = Vec::new();
    for view in &trace["view"] {
        assert_eq!(view.parent(), root.id());
        assert!(root.contains(view), "{view:?} is not within {root:?}");
        check_steps(view, &spans, &STEPS);
        cameras.extend(view.attribute("inspectd.camera"));
    }
    cameras.sort();
    assert_eq!(cameras, ["left", "right"]);
    assert_eq!(trace.values().flatten().count(), spans.len());
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn image_of_a_client_is_traced_from_the_call_to_its_answer() {
    require!(onnx_runtime());
    let receiver = Receiver::start().await;
    let site = site(&traces(&receiver, "sampling = 0\n"));
    let daemon = site.start();
    let file = site.path("image.png");
    write_png(&file, 64, 128, 128);
    let request = InspectImageRequest {
        image: Some(Image::Encoded(std::fs::read(file).expect("an image"))),
        ..InspectImageRequest::default()
    };
    let mut client = daemon.inspection().await;
    let answer = client
        .inspect_image(with_parent(request, &parent(true)))
        .await;
    answer.expect("inspected");
    let spans = receiver
        .when("the image", |spans| named(spans, "publish") == 1)
        .await;
    let trace = of_trace(&spans, TRACE);
    let root = &trace["inspect"][0];
    assert_eq!(root.parent(), SPAN);
    let steps = [
        "decode", "queue", "prepare", "infer", "judge", "commit", "publish",
    ];
    check_steps(root, &spans, &steps);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sampling_of_zero_traces_only_what_clients_sample() {
    require!(onnx_runtime());
    let receiver = Receiver::start().await;
    let site = site(&traces(&receiver, "sampling = 0\n"));
    let daemon = site.start();
    for part in 0..20 {
        trigger(&daemon, top(), &part.to_string(), "").await;
        trigger(&daemon, top(), &part.to_string(), &parent(false)).await;
    }
    trigger(&daemon, top(), "sampled", &parent(true)).await;
    daemon.stop();
    let spans = receiver.spans();
    assert_eq!(named(&spans, "inspect"), 1, "{spans:?}");
    assert_eq!(
        of_trace(&spans, TRACE)["inspect"][0]
            .attribute("inspectd.part")
            .as_deref(),
        Some("sampled")
    );
}
