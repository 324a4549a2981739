//! A V4L2 camera: OpenCV's own V4L2 code on a device that `device.c` imitates below it.

mod controls;

use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};
use std::{fs, path::PathBuf};

use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    CameraState, Decision, Fault, FaultReason, TriggerInspectionRequest, Verdict,
};
use inspectd_test_support::{onnx_runtime, require};

use crate::harness::{Daemon, PATIENCE, Site, wait};
use crate::inquiry::{camera, frames};
use crate::mjpeg::jpeg;
use crate::preload::{Words, compile};
use crate::recipes::{Line, recipe};

/// The preloaded library, compiled once for all tests.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| compile("tests/daemon/device/device.c"));

/// Positions of the words of `struct control`.
const MODE: u64 = 0;
const LOSE: u64 = 1;
const CUT: u64 = 2;
const DELAY_MS: u64 = 3;
pub const EXPOSURE: u64 = 4;
const GAIN: u64 = 5;
const BUFFERS: u64 = 6;
const LOST: u64 = 7;

/// Values of the mode.
const WORKS: u32 = 0;
const HANGS: u32 = 1;
const UNPLUGGED: u32 = 2;

/// A site with the device `video0`, which takes 50 pictures per second.
pub struct DeviceSite {
    pub site: Site,
    pub control: Words,
}

impl DeviceSite {
    pub fn new(camera: &str) -> Self {
        Self::with_top("", camera)
    }

    fn with_top(top: &str, camera: &str) -> Self {
        let site = Site::new("");
        let device = site.path("video0");
        let keys = format!(
            "[cameras.dev]\nsource = \"device\"\ndevice = \"{}\"\npixel_format = \"MJPG\"\nfps = 50\n\
             read_timeout_s = 1\nreopen_after_s = 0.1\nreopen_after_max_s = 0.2\n{camera}",
            device.display()
        );
        site.configure(top, &keys);
        fs::write(device, "").expect("written");
        // Two pictures at a short exposure, which pass, and two at a long one, which do not.
        let pictures = [127, 128, 249, 250].map(jpeg);
        let pictures = pictures.map(|jpeg| [&(jpeg.len() as u32).to_ne_bytes(), &*jpeg].concat());
        fs::write(site.path("pictures"), pictures.concat()).expect("written");
        let control = Words::new(&site.path("control"));
        Self { site, control }
    }

    fn command(&self) -> Command {
        let mut command = self.site.command();
        self.preload(&mut command);
        command
    }

    /// Gives a command of this site its camera.
    pub fn preload(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &*LIBRARY)
            .env("INSPECTD_DEVICE", self.site.path("video0"))
            .env("INSPECTD_DEVICE_CONTROL", self.site.path("control"))
            .env("INSPECTD_DEVICE_PICTURES", self.site.path("pictures"));
    }

    fn start(&self) -> Daemon {
        let daemon = Daemon::spawn(&mut self.command());
        daemon.wait_for_log("ready");
        daemon
    }
}

fn captured(verdict: &Verdict) -> SystemTime {
    let time = verdict.capture_time.expect("a time of capture");
    SystemTime::try_from(time).expect("after 1970")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn requested_frame_was_captured_after_the_request_by_the_time_of_the_driver() {
    require!(onnx_runtime());
    let device = DeviceSite::new(
        "exposure_us = 2000\ngain = 3\nmode = \"requested\"\ncheck.frozen_after = 250\n",
    );
    // Each frame arrives 300 ms after it was captured.
    device.control.set(DELAY_MS, 300);
    let daemon = device.start();
    let running = |status: &_| camera(status, "dev").state() == CameraState::Running;
    daemon.status_when("a running camera", running).await;
    let mut client = daemon.inspection().await;
    for _ in 0..5 {
        let request = TriggerInspectionRequest {
            target: Some(Target::CameraId("dev".to_owned())),
            wait: true,
            ..TriggerInspectionRequest::default()
        };
        let asked = SystemTime::now();
        let answer = client.trigger_inspection(request).await.expect("accepted");
        let verdict = answer.into_inner().verdict.expect("a verdict");
        assert_eq!(verdict.decision(), Decision::Pass, "{verdict:?}");
        let after = captured(&verdict).duration_since(asked).expect("not older");
        assert!(after < Duration::from_millis(250), "{after:?}");
        assert!(asked.elapsed().expect("no step of the clock") >= Duration::from_millis(300));
    }
    let settings = [EXPOSURE, GAIN, BUFFERS].map(|word| device.control.get(word));
    assert_eq!(settings, [20, 3, 4]);
    assert_eq!(device.control.get(LOST), 0);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn frames_that_are_cut_short_are_faults_and_lost_frames_are_counted() {
    require!(onnx_runtime());
    let device = DeviceSite::new("mode = \"triggered\"\nqueue = 64\n");
    let daemon = device.start();
    let mut verdicts = daemon.verdicts().await;
    verdicts
        .until(|verdict| verdict.decision() == Decision::Pass)
        .await;
    device.control.set(CUT, 2);
    for _ in 0..2 {
        let fault = verdicts.fault(FaultReason::CorruptFrame).await;
        let detail = fault.fault.expect("a fault").message;
        assert!(detail.contains("the camera's JPEG image"), "{detail}");
    }
    verdicts
        .until(|verdict| verdict.decision() == Decision::Pass)
        .await;
    device.control.set(LOSE, 7);
    let lost = |status: &_| frames(status, "dev").lost >= 7;
    let status = daemon.status_when("lost frames", lost).await;
    let counts = frames(&status, "dev");
    // The driver itself loses frames when the machine is busy.
    let own = u64::from(device.control.get(LOST));
    assert!((7..=7 + own + 1).contains(&counts.lost), "{counts:?} {own}");
    assert_eq!(counts.faulted, 2, "{counts:?}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn device_that_hangs_or_is_unplugged_comes_back() {
    require!(onnx_runtime());
    let device = DeviceSite::new("");
    let daemon = device.start();
    let mut verdicts = daemon.verdicts().await;
    for mode in [HANGS, UNPLUGGED, HANGS] {
        verdicts
            .until(|verdict| verdict.decision() == Decision::Pass)
            .await;
        device.control.set(MODE, mode);
        let gone = |status: &_| camera(status, "dev").state() != CameraState::Running;
        daemon.status_when("a camera that is gone", gone).await;
        device.control.set(MODE, WORKS);
        let back = |status: &_| camera(status, "dev").state() == CameraState::Running;
        daemon.status_when("a running camera", back).await;
    }
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn gain_that_the_driver_changes_is_refused() {
    require!(onnx_runtime());
    let device = DeviceSite::new("gain = 20\n");
    let daemon = Daemon::spawn(&mut device.command());
    daemon.wait_for_log("gain");
    let line = daemon.wait_for_log("16");
    assert!(line.contains("20"), "{line}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn recipe_judges_no_frame_at_the_exposure_of_another_one() {
    require!(onnx_runtime());
    let device = DeviceSite::with_top(
        "[recipes]\nfolder = \"recipes\"\n",
        "exposure_us = 1000\nmode = \"triggered\"\nqueue = 64\n",
    );
    fs::create_dir(device.site.path("recipes")).expect("a folder");
    let long = "threshold = 0.6\n[cameras.dev]\nexposure_us = 8000";
    device
        .site
        .write("recipes/long.toml", &recipe("../bundle", long));
    let daemon = device.start();
    let mut verdicts = daemon.verdicts().await;
    verdicts
        .until(|verdict| verdict.decision() == Decision::Pass)
        .await;
    let mut line = Line::of(&daemon).await;
    line.activate("long").await.expect("the camera takes it");
    wait("the exposure", || device.control.get(EXPOSURE) == 80);
    let mut recipes = Vec::new();
    let until = tokio::time::Instant::now() + PATIENCE;
    while recipes.iter().filter(|(id, _)| id == "long").count() < 10 {
        assert!(tokio::time::Instant::now() < until, "{recipes:?}");
        let verdict = verdicts.next().await;
        let fault = verdict.fault.as_ref().map(Fault::reason);
        if fault != Some(FaultReason::CameraSettings) {
            let id = verdict.recipe.as_ref().map(|recipe| recipe.id.clone());
            recipes.push((id.unwrap_or_default(), verdict.decision()));
        }
    }
    // The bright pictures are judged by the recipe, the dark ones by the configuration.
    for (id, decision) in recipes {
        let expected = if id == "long" {
            Decision::Reject
        } else {
            Decision::Pass
        };
        assert_eq!(decision, expected, "{id:?}");
    }
    daemon.stop();
}
