//! Limits on the work of calls: images, requests that wait for a disk, HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use inspectd::access::Role;
use inspectd_client::proto::inspect_image_request::Image;
use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    Decision, GetEvidenceRequest, InspectImageRequest, PixelFormat, RawImage,
    TriggerInspectionRequest,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;

use super::limits::closed;
use super::{ACCESS, Client, SecuredSite, pause};
use crate::hangs::{failing_site, hang_graph};
use crate::harness::{Daemon, PATIENCE, Site, wait, write_png};

/// A request with a small grey image.
fn grey_image() -> InspectImageRequest {
    InspectImageRequest {
        image: Some(Image::Raw(RawImage {
            width: 32,
            height: 32,
            format: PixelFormat::Mono8.into(),
            data: vec![128; 32 * 32],
            ..RawImage::default()
        })),
        ..InspectImageRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_with_short_deadlines_end_with_their_deadline_and_leave_the_queue() {
    require!(onnx_runtime());
    let secured = SecuredSite::new("[engine]\nbatch_limit = 2\nbatch_window_ms = 200\n");
    let daemon = secured.site.start();
    let channel = daemon.channel().await;
    let calls = (0..100).map(|_| {
        let mut client = InspectionServiceClient::new(channel.clone());
        let mut request = tonic::Request::new(grey_image());
        request.set_timeout(Duration::from_millis(30));
        tokio::spawn(async move { client.inspect_image(request).await.map(drop) })
    });
    let calls: Vec<_> = calls.collect();
    let mut codes = Vec::new();
    for call in calls {
        codes.push(
            call.await
                .expect("no panic")
                .err()
                .map(|status| status.code()),
        );
    }
    let ended = [None, Some(Code::DeadlineExceeded), Some(Code::Cancelled)];
    assert!(codes.iter().all(|code| ended.contains(code)), "{codes:?}");
    // The queue is free for a client without a deadline, once the last decoders have ended.
    let mut client = daemon.inspection().await;
    let begun = Instant::now();
    while let Err(status) = client.inspect_image(grey_image()).await {
        assert!(begun.elapsed() < Duration::from_secs(2), "{status}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    daemon.stop();
}

/// A request for a frame of a camera.
fn trigger(camera: &str, key: &str) -> TriggerInspectionRequest {
    TriggerInspectionRequest {
        target: Some(Target::CameraId(camera.to_owned())),
        idempotency_key: key.to_owned(),
        ..TriggerInspectionRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn image_whose_deadline_passes_leaves_the_queue_of_an_engine_that_hangs() {
    require!(onnx_runtime());
    let site = failing_site("mode = \"requested\"\n");
    let daemon = site.start();
    // After five failed runs the model is loaded again, and reading its graph hangs.
    let reading = hang_graph(&site, "failing");
    let mut client = daemon.inspection().await;
    for run in 1..=5 {
        let request = TriggerInspectionRequest {
            wait: run < 5,
            ..trigger("belt", "")
        };
        client.trigger_inspection(request).await.expect("accepted");
    }
    let _hangs = reading.recv_timeout(PATIENCE).expect("it is read");
    // tonic's own connections end a call with this header themselves; this one leaves that to the daemon.
    let executor = hyper_util::rt::TokioExecutor::new();
    let http = hyper_util::client::legacy::Client::builder(executor)
        .http2_only(true)
        .build_http::<tonic::body::Body>();
    let origin = format!("http://{}", daemon.address("server.listen"));
    let origin: tonic::codegen::http::Uri = origin.parse().expect("an address");
    let client = InspectionServiceClient::with_origin(http, origin);
    // As many as fit into the queue, again and again.
    for round in 0..3 {
        let calls = (0..16).map(|_| {
            let mut client = client.clone();
            let mut request = tonic::Request::new(grey_image());
            let timeout = "500m".parse().expect("ASCII");
            request.metadata_mut().insert("grpc-timeout", timeout);
            tokio::spawn(async move { client.inspect_image(request).await.map(drop) })
        });
        for call in calls.collect::<Vec<_>>() {
            let ended = tokio::time::timeout(PATIENCE, call).await;
            let ended = ended.expect("an answer in time").expect("no panic");
            let code = ended.expect_err("the engine hangs").code();
            assert_eq!(code, Code::DeadlineExceeded, "round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn burst_of_evidence_is_encoded_one_by_one_and_delays_no_verdict() {
    require!(onnx_runtime());
    let site = Site::new(
        "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 5\nmode = \"triggered\"\n\
         queue = 16\ndeadline_ms = 3000\n",
    );
    std::fs::create_dir(site.path("pictures")).expect("a folder");
    write_png(&site.path("pictures/a.png"), 512, 128, 128);
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let sequence = verdicts
        .until(|verdict| verdict.frame_id > 2)
        .await
        .sequence;
    let before = threads(&daemon);
    let mut calls = Vec::new();
    for _ in 0..4 {
        let client = daemon.inspection().await;
        for _ in 0..100 {
            let mut client = client.clone();
            let request = GetEvidenceRequest {
                sequence,
                ..GetEvidenceRequest::default()
            };
            calls.push(tokio::spawn(
                async move { client.get_evidence(request).await },
            ));
        }
    }
    let mut most = before;
    while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
        let verdict = verdicts.next().await;
        assert_eq!(verdict.decision(), Decision::Pass, "{verdict:?}");
        most = most.max(threads(&daemon));
    }
    for call in calls {
        let evidence = call.await.expect("no panic").expect("evidence");
        assert!(!evidence.into_inner().frame.is_empty());
    }
    assert!(most <= before + OTHER_THREADS, "{before} to {most} threads");
    daemon.stop();
}

/// Reads of the journal that hang, as on a disk that does not answer.
pub(super) struct HangingReads<'a>(&'a Site);

impl<'a> HangingReads<'a> {
    /// Every read hangs from now on. Nothing may have read the journal before: connections stay open.
    pub(super) async fn start(site: &'a Site, client: &Client) -> Self {
        use inspectd_client::proto::GetStatusRequest;
        use inspectd_client::proto::line_service_client::LineServiceClient;
        let mut line = LineServiceClient::new(client.channel.clone());
        let mut sequence = 0;
        while sequence < 1 {
            let status = line.get_status(client.request(GetStatusRequest {})).await;
            let status = status.expect("a client").into_inner().status;
            sequence = status.expect("a status").sequence;
            pause(20).await;
        }
        // Opening a pipe waits for a process that writes.
        site.rename("journal/journal.sqlite", "journal/moved");
        let file = site.path("journal/journal.sqlite");
        let made = std::process::Command::new("mkfifo").arg(file).status();
        assert!(made.expect("mkfifo").success());
        Self(site)
    }

    /// Later reads do not hang.
    pub(super) fn restore_journal(&self) {
        self.0.rename("journal/journal.sqlite", "pipe");
        self.0.rename("journal/moved", "journal/journal.sqlite");
    }

    /// Ends the reads that hang.
    pub(super) fn end(self) {
        let pipe = std::fs::File::options()
            .write(true)
            .open(self.0.path("pipe"));
        drop(pipe.expect("readers wait"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listing_of_one_client_does_not_delay_the_keyed_requests_of_another() {
    use inspectd_client::proto::ListVerdictsRequest;
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!(
        "[journal]\nfolder = \"journal\"\nstall_timeout_s = 30\n{ACCESS}"
    ));
    let (site, daemon) = (&secured.site, secured.site.start());
    let of = |role| Client::plain(&daemon).with_token(secured.token(role));
    let (viewer, operator) = (of(Role::Viewer), of(Role::Operator));
    // The reads of the viewer hang, and those after them do not.
    let hang = HangingReads::start(site, &viewer).await;
    let before = threads(&daemon);
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let mut client = InspectionServiceClient::new(viewer.channel.clone());
            let request = viewer.request(ListVerdictsRequest::default());
            tokio::spawn(async move { client.list_verdicts(request).await.map(drop) })
        })
        .collect();
    pause(1000).await;
    let taken = threads(&daemon);
    hang.restore_journal();
    let mut client = InspectionServiceClient::new(operator.channel.clone());
    let answer = client.trigger_inspection(operator.request(trigger("line", "part 1")));
    let answer = tokio::time::timeout(Duration::from_secs(15), answer).await;
    let refused = answer.expect("an answer in time").expect_err("refused");
    // The key was looked up: the camera runs freely.
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let waiting = calls.iter().filter(|call| !call.is_finished()).count();
    assert_eq!(waiting, 100, "the viewer's reads hang or wait for these");
    assert!(
        taken <= before + 8 + OTHER_THREADS,
        "{before} to {taken} threads"
    );
    hang.end();
    for call in &calls {
        call.abort();
    }
    daemon.stop();
}

/// Sends a request on a connection that stays open, and waits for the answer.
fn get_health(stream: &mut TcpStream) {
    let request = b"GET /healthz HTTP/1.1\r\nHost: inspectd\r\n\r\n";
    stream.write_all(request).expect("sent");
    let mut answer = Vec::new();
    wait("an answer", || {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).unwrap_or_default();
        answer.extend_from_slice(&bytes[..count]);
        answer.ends_with(b"running\n")
    });
}

#[test]
fn http_connection_is_closed_if_the_head_of_a_request_takes_longer_than_ten_seconds() {
    require!(onnx_runtime());
    let secured = SecuredSite::new("");
    let daemon = secured.site.start();
    daemon.wait_for_log("ready");
    let [first, mut second, mut idle] = std::array::from_fn(|_| {
        let stream = TcpStream::connect(daemon.address("server.metrics_listen"));
        let stream = stream.expect("a connection");
        let limit = Some(Duration::from_millis(50));
        stream.set_read_timeout(limit).expect("a limit");
        stream
    });
    get_health(&mut idle);
    get_health(&mut second);
    let begin = Instant::now();
    let mut slow = [first, second];
    for stream in &mut slow {
        let head = b"GET /healthz HTTP/1.1\r\nX: ";
        stream.write_all(head).expect("sent");
    }
    wait("the slow requests to be closed", || {
        slow.iter_mut().all(|stream| {
            // Fails once it is closed.
            let _ = stream.write_all(b"x");
            closed(stream)
        })
    });
    let seconds = begin.elapsed().as_secs();
    assert!((8..25).contains(&seconds), "{seconds} s");
    // A connection without a request in progress may be idle for longer.
    get_health(&mut idle);
    daemon.stop();
}

/// The number of threads of the daemon. A thread that blocks is kept for a while after its work.
fn threads(daemon: &Daemon) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", daemon.id()));
    tasks.expect("a running process").count()
}

/// More threads that may be started for other work while a test counts those of its calls.
const OTHER_THREADS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decoders_of_images_whose_deadline_has_passed_are_as_many_as_the_calls_in_progress() {
    require!(onnx_runtime());
    let secured = SecuredSite::new("");
    let daemon = secured.site.start();
    let mut png = Vec::new();
    image::GrayImage::new(4096, 4096)
        .write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png)
        .expect("a PNG");
    let request = || InspectImageRequest {
        image: Some(Image::Encoded(png.clone())),
        ..InspectImageRequest::default()
    };
    let mut client = daemon.inspection().await;
    client.inspect_image(request()).await.expect("a verdict");
    let before = threads(&daemon);
    let mut most = before;
    for _ in 0..12 {
        let calls = (0..16).map(|_| {
            let mut client = client.clone();
            let mut request = tonic::Request::new(request());
            request.set_timeout(Duration::from_millis(50));
            tokio::spawn(async move { client.inspect_image(request).await.map(drop) })
        });
        for call in calls.collect::<Vec<_>>() {
            // Most end with their deadline.
            let _ = call.await.expect("no panic");
        }
        most = most.max(threads(&daemon));
    }
    assert!(
        most <= before + 16 + OTHER_THREADS,
        "{before} to {most} threads"
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_of_one_client_leave_half_of_the_calls_to_others() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(ACCESS);
    let daemon = secured.site.start();
    let of = |role| Client::plain(&daemon).with_token(secured.token(role));
    let (greedy, other) = (of(Role::Operator), of(Role::Engineer));
    let mut png = Vec::new();
    image::GrayImage::new(4096, 4096)
        .write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png)
        .expect("a PNG");
    let image = InspectImageRequest {
        image: Some(Image::Encoded(png)),
        ..InspectImageRequest::default()
    };
    let inspect = |client: &Client| {
        let mut service = InspectionServiceClient::new(client.channel.clone());
        let request = client.request(image.clone());
        tokio::spawn(async move { service.inspect_image(request).await.map(drop) })
    };
    let calls: Vec<_> = (0..16).map(|_| inspect(&greedy)).collect();
    let others = inspect(&other);
    let mut refused = 0;
    for call in calls {
        if let Err(status) = call.await.expect("no panic") {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
            assert!(status.message().contains("8 of this client"), "{status}");
            refused += 1;
        }
    }
    assert!(refused > 0);
    others.await.expect("no panic").expect("its share is free");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn recorded_acknowledgement_is_answered_if_the_next_verdict_cannot_be_read() {
    use inspectd_client::proto::AcknowledgeVerdictsRequest;
    require!(onnx_runtime());
    let secured = SecuredSite::new("[journal]\nfolder = \"journal\"\nstall_timeout_s = 20\n");
    let daemon = secured.site.start();
    while daemon.status().await.sequence < 3 {
        pause(20).await;
    }
    let file = secured.site.path("journal/journal.sqlite");
    let journal = rusqlite::Connection::open(file).expect("the journal");
    journal.busy_timeout(PATIENCE).expect("a limit");
    let unknown = "UPDATE verdicts SET decision = 99 WHERE sequence = 2";
    assert_eq!(journal.execute(unknown, []).expect("written"), 1);
    let acknowledgement = AcknowledgeVerdictsRequest {
        consumer: "mes".to_owned(),
        sequence: 1,
    };
    let mut client = daemon.inspection().await;
    let answer = client.acknowledge_verdicts(acknowledgement).await;
    let consumer = answer.expect("recorded").into_inner().consumer;
    let consumer = consumer.expect("a consumer");
    assert_eq!((consumer.acknowledged, consumer.lag), (1, None));
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_with_keys_are_refused_in_time_while_the_disk_of_the_journal_hangs() {
    require!(onnx_runtime());
    let secured = SecuredSite::new("[journal]\nfolder = \"journal\"\nstall_timeout_s = 1\n");
    let daemon = secured.site.start();
    while daemon.status().await.sequence < 1 {
        pause(20).await;
    }
    // Opening a pipe waits for a process that writes: every new reader of the journal hangs.
    let file = secured.site.path("journal/journal.sqlite");
    secured
        .site
        .rename("journal/journal.sqlite", "journal/moved");
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.expect("mkfifo").success());
    let client = daemon.inspection().await;
    let trigger = |key: String| {
        let mut client = client.clone();
        let request = trigger("line", &key);
        async move {
            client
                .trigger_inspection(request)
                .await
                .expect_err("refused")
        }
    };
    let before = threads(&daemon);
    let calls: Vec<_> = (0..80)
        .map(|key| tokio::spawn(trigger(key.to_string())))
        .collect();
    for call in calls {
        let refused = tokio::time::timeout(PATIENCE, call).await;
        let refused = refused.expect("an answer in time").expect("no panic");
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        assert_eq!(refused.message(), "the disk of the journal does not answer");
    }
    let after = threads(&daemon);
    assert!(
        after <= before + 32 + OTHER_THREADS,
        "{before} to {after} threads"
    );
    // The camera runs freely. Without a key, the journal is not needed to say so.
    let refused = trigger(String::new()).await;
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");

    let pipe = std::fs::File::options().write(true).open(&file);
    secured
        .site
        .rename("journal/moved", "journal/journal.sqlite");
    drop(pipe.expect("readers wait"));
    let begin = Instant::now();
    while trigger("next".to_owned()).await.code() != Code::FailedPrecondition {
        assert!(begin.elapsed() < PATIENCE, "the journal cannot be read");
        pause(20).await;
    }
    daemon.stop();
}
