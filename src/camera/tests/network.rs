//! Network cameras that stop sending, disconnect and return.

use std::sync::Arc;
use std::time::Duration;

use super::rtsp;
use super::server::{Behaviour, Server};
use super::*;

fn stream(server: &Server) -> settings::Camera {
    let url = server.url();
    settings::Camera {
        open_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_millis(700),
        ..settings(Source::Url {
            url,
            rtsp_tcp: true,
        })
    }
}

#[test]
fn a_stream_that_stalls_and_disconnects_is_reopened() {
    let server = Server::start();
    let sink = Arc::new(Recorder::default());
    let camera = start("net", stream(&server), &sink);
    let wait_for_frames = || {
        let before = frames(&sink.records());
        sink.wait_until(|records| frames(records) > before + 5);
    };
    wait_for_frames();

    server.set(Behaviour::Silent);
    sink.wait_until(|records| troubles(records) == [CameraTrouble::Stalled]);
    server.set(Behaviour::Serve);
    wait_for_frames();

    server.set(Behaviour::Disconnect);
    sink.wait_until(|records| troubles(records) == [CameraTrouble::Stalled, CameraTrouble::Lost]);
    // Further failed attempts are not reported.
    let before = sink.records().len();
    sink.wait_until(|records| records.len() > before + 6);
    server.set(Behaviour::Serve);
    wait_for_frames();

    camera.stop();
    assert!(camera.join(deadline()));
    assert_eq!(
        troubles(&sink.records()),
        [CameraTrouble::Stalled, CameraTrouble::Lost]
    );
    let numbers: Vec<u64> = sink.records().iter().filter_map(frame_id).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

fn frame_id(record: &Record) -> Option<u64> {
    match record {
        Record::Frame(captured, _) => Some(captured.frame_id),
        _ => None,
    }
}

#[test]
fn a_refused_connection_is_reported_as_lost_without_the_password() {
    let source = Source::Url {
        // Nothing listens on port 1.
        url: "http://user:secret@127.0.0.1:1/video".into(),
        rtsp_tcp: true,
    };
    let sink = Arc::new(Recorder::default());
    let camera = start("off", settings(source), &sink);
    sink.wait_until(|records| !troubles(records).is_empty());
    camera.stop();
    assert!(camera.join(deadline()));
    let records = sink.records();
    let reason = records.iter().find_map(|record| match record {
        Record::Trouble(CameraTrouble::Lost, reason) => Some(reason),
        _ => None,
    });
    let reason = reason.expect("it is lost");
    assert!(
        reason.starts_with("127.0.0.1:1: Connection refused"),
        "{reason}"
    );
    assert!(!reason.contains("secret"));
}

#[test]
fn rtsp_is_read_over_tcp_or_udp() {
    let check = |url: String, rtsp_tcp| {
        let sink = Arc::new(Recorder::default());
        let source = Source::Url { url, rtsp_tcp };
        let camera = start("rtsp", settings(source), &sink);
        sink.wait_until(|records| frames(records) > 5);
        camera.stop();
        assert!(camera.join(deadline()));
        let records = sink.records();
        let is_grey = |record: &Record| match record {
            Record::Frame(captured, _) => captured.frame.as_ref().is_ok_and(|frame| {
                (frame.width(), frame.height()) == (64, 32) && frame.rgb()[0].abs_diff(130) < 3
            }),
            _ => true,
        };
        assert!(records.iter().all(is_grey), "{records:?}");
    };
    check(rtsp::start(true, false, false), true);
    check(rtsp::start(false, true, false), false);
    // FFMPEG prefers TCP, and uses UDP if the camera offers nothing else.
    check(rtsp::start(false, true, false), true);
}
