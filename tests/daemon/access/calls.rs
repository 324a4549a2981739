//! Limits on the work of calls: images, requests that wait for a disk, HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use inspectd::access::Role;
use inspectd_client::proto::inspect_image_request::Image;
use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_client::proto::{InspectImageRequest, PixelFormat, RawImage};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;

use super::limits::closed;
use super::{ACCESS, Client, SecuredSite, pause};
use crate::harness::{Daemon, PATIENCE, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_with_short_deadlines_end_with_their_deadline_and_leave_the_queue() {
    require!(onnx_runtime());
    let secured = SecuredSite::new("[engine]\nbatch_limit = 2\nbatch_window_ms = 200\n");
    let daemon = secured.site.start();
    let image = || InspectImageRequest {
        image: Some(Image::Raw(RawImage {
            width: 32,
            height: 32,
            format: PixelFormat::Mono8.into(),
            data: vec![128; 32 * 32],
            ..RawImage::default()
        })),
        ..InspectImageRequest::default()
    };
    let channel = daemon.channel().await;
    let calls = (0..100).map(|_| {
        let mut client = InspectionServiceClient::new(channel.clone());
        let mut request = tonic::Request::new(image());
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
    while let Err(status) = client.inspect_image(image()).await {
        assert!(begun.elapsed() < Duration::from_secs(2), "{status}");
        tokio::time::sleep(Duration::from_millis(10)).await;
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
    use inspectd_client::proto::TriggerInspectionRequest;
    use inspectd_client::proto::trigger_inspection_request::Target;
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
        let request = TriggerInspectionRequest {
            target: Some(Target::CameraId("line".to_owned())),
            idempotency_key: key,
            ..TriggerInspectionRequest::default()
        };
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
