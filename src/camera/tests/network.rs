//! A camera on the network that falls silent, vanishes and returns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::rtsp;
use super::server::{Mood, Server};
use super::*;
use crate::camera::Camera;

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
fn a_stream_that_falls_silent_and_vanishes_comes_back() {
    let server = Server::start();
    let sink = Arc::new(Recorder::default());
    let camera =
        Camera::start(id("net"), stream(&server), sink.clone()).expect("there are threads");
    let more_frames = || {
        let before = frames(&sink.told());
        sink.until(|told| frames(told) > before + 5);
    };
    more_frames();

    server.set(Mood::Silent);
    sink.until(|told| troubles(told) == [CameraTrouble::Stalled]);
    server.set(Mood::Serves);
    more_frames();

    server.set(Mood::Gone);
    sink.until(|told| troubles(told) == [CameraTrouble::Stalled, CameraTrouble::Lost]);
    // Attempts fail again and again; none of them is told.
    let before = sink.told().len();
    sink.until(|told| told.len() > before + 6);
    server.set(Mood::Serves);
    more_frames();

    camera.stop();
    assert!(camera.join(soon()));
    assert_eq!(
        troubles(&sink.told()),
        [CameraTrouble::Stalled, CameraTrouble::Lost]
    );
    let numbers: Vec<u64> = sink.told().iter().filter_map(frame_id).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

fn frame_id(told: &Told) -> Option<u64> {
    match told {
        Told::Frame(captured, _) => Some(captured.frame_id),
        _ => None,
    }
}

#[test]
fn one_silent_camera_does_not_keep_another_from_being_opened() {
    let silent = Server::start();
    silent.set(Mood::Silent);
    let settings = settings::Camera {
        open_timeout: Duration::from_millis(700),
        ..stream(&silent)
    };
    let silent_sink = Arc::new(Recorder::default());
    let hung =
        Camera::start(id("silent"), settings, silent_sink.clone()).expect("there are threads");
    silent_sink.until(|told| !told.is_empty());

    let server = Server::start();
    let sink = Arc::new(Recorder::default());
    let camera =
        Camera::start(id("sound"), stream(&server), sink.clone()).expect("there are threads");
    sink.until(|told| frames(told) > 5);
    silent_sink.until(|told| !troubles(told).is_empty());
    assert_eq!(troubles(&silent_sink.told())[0], CameraTrouble::Stalled);
    assert_eq!(troubles(&sink.told()), []);

    let start = Instant::now();
    hung.stop();
    camera.stop();
    assert!(camera.join(soon()));
    hung.join(soon());
    assert!(start.elapsed() < PATIENCE / 2);
}

#[test]
fn nobody_who_listens_is_a_loss_with_a_reason_and_without_the_password() {
    let source = Source::Url {
        // Port 1 is nobody's.
        url: "http://user:secret@127.0.0.1:1/video".into(),
        rtsp_tcp: true,
    };
    let sink = Arc::new(Recorder::default());
    let camera =
        Camera::start(id("off"), settings(source), sink.clone()).expect("there are threads");
    sink.until(|told| !troubles(told).is_empty());
    camera.stop();
    assert!(camera.join(soon()));
    let told = sink.told();
    let reason = told.iter().find_map(|told| match told {
        Told::Trouble(CameraTrouble::Lost, reason) => Some(reason),
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
fn rtsp_comes_over_tcp_or_udp() {
    let check = |url: String, rtsp_tcp| {
        let sink = Arc::new(Recorder::default());
        let source = Source::Url { url, rtsp_tcp };
        let camera =
            Camera::start(id("rtsp"), settings(source), sink.clone()).expect("there are threads");
        sink.until(|told| frames(told) > 5);
        camera.stop();
        assert!(camera.join(soon()));
        let told = sink.told();
        let is_grey = |told: &Told| match told {
            Told::Frame(captured, _) => captured.frame.as_ref().is_ok_and(|frame| {
                (frame.width(), frame.height()) == (64, 32) && frame.rgb()[0].abs_diff(130) < 3
            }),
            _ => true,
        };
        assert!(told.iter().all(is_grey), "{told:?}");
    };
    check(rtsp::start(true, false), true);
    check(rtsp::start(false, true), false);
    // FFMPEG prefers TCP, and takes UDP where there is nothing else.
    check(rtsp::start(false, true), true);
}
