//! Monitoring: metrics, health, and reflection.

use inspectd_client::proto::CameraState;
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::harness::Site;
use crate::inquiry::{camera, frames};

const SERVICES: [&str; 2] = ["inspectd.v1.InspectionService", "inspectd.v1.LineService"];

/// A camera that ends after two good parts, a bad one, and one that cannot be judged.
fn site() -> Site {
    let site = Site::new(
        "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\npace = \"fast\"\nmode = \"triggered\"\n",
    );
    site.pictures(
        "pictures",
        &[("a.png", 128), ("b.png", 100), ("c.png", 200), ("d.png", 0)],
    );
    site
}

/// The value of a series: its name, and all of its labels in any order.
fn value(page: &str, name: &str, labels: &[&str]) -> u64 {
    let is_it = |line: &&str| {
        let series = line.rsplit_once(' ').map_or("", |(series, _)| series);
        let (found, listed) = series.split_once('{').unwrap_or((series, ""));
        let count = listed.matches('=').count();
        found == name && count == labels.len() && labels.iter().all(|label| listed.contains(label))
    };
    let line = page.lines().find(is_it);
    let line = line.unwrap_or_else(|| panic!("no {name} {labels:?} in {page}"));
    let number = line.rsplit(' ').next().and_then(|text| text.parse().ok());
    number.expect("a whole number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn metrics_equal_the_status_counts() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let done = |status: &_| {
        let counts = frames(status, "belt");
        camera(status, "belt").state() == CameraState::Ended && counts.judged + counts.faulted == 4
    };
    let status = daemon.status_when("ended", done).await;
    let (code, page) = daemon.page("/metrics");
    assert_eq!(code, 200);
    let belt = "camera=\"belt\"";
    let counts = frames(&status, "belt");
    assert_eq!((counts.captured, counts.judged, counts.faulted), (4, 3, 1));
    for (what, count) in [
        ("captured", counts.captured),
        ("judged", counts.judged),
        ("skipped", counts.skipped),
        ("faulted", counts.faulted),
    ] {
        let name = format!("inspectd_frames_{what}_total");
        assert_eq!(value(&page, &name, &[belt]), count, "{name}");
    }
    let decisions = status.decisions.expect("counts");
    assert_eq!(camera(&status, "belt").decisions, Some(decisions));
    for (decision, count) in [
        ("pass", decisions.pass),
        ("reject", decisions.reject),
        ("review", decisions.review),
        ("fault", decisions.fault),
    ] {
        let decision = format!("decision=\"{decision}\"");
        let labels = [belt, &decision];
        assert_eq!(
            value(&page, "inspectd_verdicts_total", &labels),
            count,
            "{decision}"
        );
    }
    let reason = [belt, "reason=\"engine\""];
    assert_eq!(value(&page, "inspectd_faults_total", &reason), 1);
    let failures = status.engine.expect("an engine").failures;
    assert_eq!(
        value(&page, "inspectd_engine_failures_total", &[]),
        failures
    );
    let state = [belt, "state=\"ended\""];
    assert_eq!(value(&page, "inspectd_camera_state", &state), 1);
    assert_eq!(value(&page, "inspectd_score_count", &[belt]), counts.judged);
    assert_eq!(daemon.page("/healthz"), (200, "running\n".to_owned()));
    assert_eq!(daemon.page("/other").0, 404);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn health_covers_the_daemon_each_service_and_each_camera() {
    require!(onnx_runtime());
    let site = Site::new(
        "[cameras.line]\nsource = \"simulator\"\nwidth = 32\nheight = 32\n[cameras.off]\n\
         source = \"folder\"\npath = \"absent\"\n",
    );
    let daemon = site.start();
    for name in ["", SERVICES[0], SERVICES[1], "camera/line"] {
        daemon.serves_when(name, true).await;
    }
    daemon.serves_when("camera/off", false).await;
    let unknown = daemon.serves("camera/absent").await;
    assert_eq!(unknown.expect_err("not configured").code(), Code::NotFound);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn health_watch_reports_shutdown() {
    require!(onnx_runtime());
    let site = Site::new("[cameras.line]\nsource = \"simulator\"\nwidth = 32\nheight = 32\n");
    let daemon = site.start();
    daemon.serves_when("", true).await;
    let mut health = daemon.health("").await;
    let first = health.message().await.expect("a stream").expect("a state");
    assert_eq!(first.status(), ServingStatus::Serving);
    let mut changes = Vec::new();
    daemon.signal("TERM");
    while let Ok(Some(change)) = health.message().await {
        changes.push(change.status());
    }
    assert_eq!(changes, [ServingStatus::NotServing]);
    daemon.ends_well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn reflection_describes_all_services() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut client = ServerReflectionClient::new(daemon.channel().await);
    let mut ask = async |request| {
        let request = futures_util::stream::iter([ServerReflectionRequest {
            host: String::new(),
            message_request: Some(request),
        }]);
        let answers = client.server_reflection_info(request).await;
        let answer = answers.expect("answers").into_inner().message().await;
        let answer = answer.expect("an answer").expect("one answer");
        answer.message_response.expect("a response")
    };
    let listed = ask(MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(listed) = listed else {
        panic!("{listed:?}")
    };
    let names: Vec<&str> = listed
        .service
        .iter()
        .map(|service| &*service.name)
        .collect();
    for service in SERVICES.into_iter().chain(["grpc.health.v1.Health"]) {
        assert!(names.contains(&service), "{names:?}");
        let file = ask(MessageRequest::FileContainingSymbol(service.to_owned())).await;
        assert!(matches!(file, MessageResponse::FileDescriptorResponse(_)));
    }
    daemon.stop();
}
