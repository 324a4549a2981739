//! Many frames of four cameras: none is lost, and memory does not grow. `scripts/endurance.py` runs the
//! same with the number of frames of four hours.

use std::fs;
use std::time::{Duration, Instant};

use inspectd_client::proto::{Camera, CameraState, Status};
use inspectd_test_support::{onnx_runtime, require};

use crate::harness::{Daemon, Site, write_png};

/// Frames of each camera.
const FRAMES: u64 = 4000;

/// Verdicts after which all buffers are full: the evidence, below, holds fewer.
const WARM_UP: u64 = 2000;

/// The maximum growth of the process after that, MiB; keeping the 3 KiB of each judged frame would be 18.
const GROWTH_MIB: u64 = 10;

/// Longer than the frames take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(10);

/// Two triggered cameras, whose every frame counts, and two free-running ones.
fn site() -> Site {
    let camera = |id: &str, rest: &str| {
        format!("[cameras.{id}]\nsource = \"folder\"\npath = \"frames\"\npace = \"fast\"\n{rest}\n")
    };
    let cameras = [
        camera("first", "mode = \"triggered\""),
        camera("second", "mode = \"triggered\"\nqueue = 1"),
        camera("third", ""),
        camera("fourth", ""),
    ];
    let site = Site::new("");
    site.configure("[evidence]\nmemory_mib = 4\n", &cameras.concat());
    // Files instead of the simulator: rendering in an unoptimised build would take most of the time.
    let levels = [60, 90, 120, 150, 180, 210];
    fs::create_dir(site.path("frames")).expect("a folder");
    for level in levels {
        write_png(&site.path(format!("{level}.png")), 32, level, level);
    }
    for (frame, level) in (0..FRAMES).zip(levels.iter().cycle()) {
        let link = site.path(format!("frames/{frame:05}.png"));
        fs::hard_link(site.path(format!("{level}.png")), link).expect("a link");
    }
    site
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn all_frames_are_accounted_for_without_memory_growth() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    // Reads meanwhile, more slowly than verdicts are published on a busy machine.
    let mut verdicts = daemon.verdicts().await;
    let reader = tokio::spawn(async move {
        let mut seen = 0;
        while verdicts.event().await.is_ok() {
            seen += 1;
        }
        seen
    });
    let deadline = Instant::now() + PATIENCE;
    let warm = until(&daemon, deadline, |status| status.sequence >= WARM_UP).await;
    let before = resident_mib(&daemon);
    let end = until(&daemon, deadline, |status| {
        let quiet =
            |camera: &Camera| camera.state() == CameraState::Ended && under_way(camera) == 0;
        status.cameras.iter().all(quiet)
    })
    .await;
    let after = resident_mib(&daemon);
    println!(
        "{} verdicts, {before} MiB after {} of them, {after} MiB at the end",
        end.sequence, warm.sequence
    );
    check_counts(&end);
    assert!(after < before + GROWTH_MIB, "{before} MiB, then {after}");
    daemon.stop();
    assert!(reader.await.expect("no panic") > 0);
}

/// The first status for which `reached` holds.
async fn until(daemon: &Daemon, deadline: Instant, reached: impl Fn(&Status) -> bool) -> Status {
    loop {
        let status = daemon.status().await;
        if reached(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "{status:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn under_way(camera: &Camera) -> u64 {
    let frames = camera.frames.expect("counts");
    frames.captured - frames.judged - frames.skipped - frames.faulted
}

/// Every frame was judged, skipped or faulted, and every judged one has its verdict.
fn check_counts(status: &Status) {
    let mut sequence = 0;
    for camera in &status.cameras {
        let frames = camera.frames.expect("counts");
        assert_eq!((frames.captured, frames.faulted), (FRAMES, 0), "{camera:?}");
        assert_eq!(frames.judged + frames.skipped, FRAMES, "{camera:?}");
        assert!(!camera.triggered || frames.skipped == 0, "{camera:?}");
        let decisions = camera.decisions.expect("counts");
        let judged = decisions.pass + decisions.reject + decisions.review;
        assert_eq!((judged, decisions.fault), (frames.judged, 0), "{camera:?}");
        sequence += judged;
    }
    assert_eq!(status.sequence, sequence);
}

/// The process's resident memory.
fn resident_mib(daemon: &Daemon) -> u64 {
    let path = format!("/proc/{}/status", daemon.id());
    let text = fs::read_to_string(path).expect("the process is there");
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.expect("VmRSS in KiB").parse::<u64>().expect("KiB") / 1024
}
