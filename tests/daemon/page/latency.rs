//! The latency of a camera, measured on its page.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use inspectd_client::proto::{CameraState, PauseCameraRequest, ResumeCameraRequest};
use inspectd_test_support::{onnx_runtime, require};

use super::PageSite;
use super::browser::Browser;
use crate::harness::Daemon;
use crate::inquiry::camera;
use crate::mjpeg::{Mood, Server, jpeg};

/// The number of measurements.
const REPEAT: usize = 5;

/// The latency of the camera that is measured: the time from a change of the light to the first frame that shows it.
const LATENCY: Duration = Duration::from_millis(300);

/// The time between two frames.
const INTERVAL: Duration = Duration::from_millis(40);

/// Grey level of a frame without light.
const DARK: u8 = 60;

/// Grey level of a frame with light.
const BRIGHT: u8 = 140;

/// A script that returns whether the live picture is present.
const LIVE: &str = "const live = document.querySelector('.live');
                    return !live.classList.contains('old') && !live.querySelector('canvas').hidden";

/// What a network camera sees.
struct Scene {
    light: Arc<AtomicU8>,
    /// The camera ends when this is dropped.
    _end: Sender<()>,
}

impl Scene {
    /// A dark scene, which a running camera sends from now on.
    fn of(server: Server) -> Self {
        server.set(Mood::OnDemand);
        let light = Arc::new(AtomicU8::new(DARK));
        let seen = Arc::clone(&light);
        let (end, ended) = channel();
        std::thread::spawn(move || {
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                server.send(jpeg(seen.load(Ordering::SeqCst)));
            }
        });
        Self { light, _end: end }
    }

    fn set(&self, level: u8) {
        self.light.store(level, Ordering::SeqCst);
    }

    fn toggle(&self) {
        let dark = self.light.load(Ordering::SeqCst) == DARK;
        self.set(if dark { BRIGHT } else { DARK });
    }
}

/// A running network camera `net`, and `good`, whose source has no latency.
async fn start() -> (Server, PageSite, Daemon) {
    let server = Server::start(Mood::Serves);
    let net = server
        .camera("net")
        .replace("read_timeout_s = 1", "read_timeout_s = 60");
    let page = PageSite::of(&format!(
        "{net}check.frozen_after = 0\n[cameras.good]\nsource = \"folder\"\npath = \"good\"\nrepeat = true\nfps = 4\n\
         check.frozen_after = 0\n"
    ));
    page.site
        .pictures("good", &[("a.png", 100), ("b.png", 110)]);
    let daemon = page.start();
    let running = |status: &_| camera(status, "net").state() == CameraState::Running;
    daemon.status_when("a running camera", running).await;
    (server, page, daemon)
}

/// A script that returns whether an element contains this text.
fn says(selector: &str, text: &str) -> String {
    format!("return document.querySelector('{selector}')?.textContent.includes('{text}')")
}

/// A script that returns whether the progress contains this text.
fn progress(text: &str) -> String {
    says(".latency [role=status]", text)
}

/// Checks the measured values, and the lines for the configuration.
async fn check_result(browser: &Browser) {
    let result = "return document.querySelector('.latency-result').checkVisibility()";
    browser.wait("the result", result).await;
    let script = "return [...document.querySelectorAll('.latency-values .number')]
                      .map((one) => Number(one.textContent.replace(' ms', '').replaceAll(',', '')))";
    let values = browser.client.execute(script, Vec::new()).await;
    let values: Vec<u64> =
        serde_json::from_value(values.expect("it runs")).expect("whole milliseconds");
    assert_eq!(values.len(), REPEAT);
    let plausible = LATENCY.as_millis() as u64..3000;
    assert!(
        values.iter().all(|value| plausible.contains(value)),
        "{values:?}"
    );
    let lines = browser.text(".latency .copy-block code").await;
    let largest = values.iter().max().expect("there are values");
    let suggestion = (largest * 11).div_ceil(50) * 5;
    assert_eq!(
        lines,
        format!("[cameras.net]\nlatency_ms = {suggestion}"),
        "{values:?}"
    );
    browser.wait("the live picture", LIVE).await;
    assert_eq!(browser.violations().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latency_is_measured_by_hand_and_again_after_an_early_change() {
    require!(onnx_runtime());
    let (server, page, daemon) = start().await;
    let scene = Scene::of(server);
    let browser = page.browser().await;
    browser.open(&page.url("/cameras?camera=net")).await;
    browser.click("By hand").await;
    let held = says(".viewer", "paused while the latency is measured");
    browser.wait("no live picture", &held).await;
    let steady = |number: usize| {
        progress(&format!(
            "Measurement {number} of {REPEAT}: the light is steady. Press the button"
        ))
    };
    browser.wait("steady light", &steady(1)).await;
    assert_eq!(browser.violations().await, [""; 0]);
    scene.toggle();
    let early = progress("The light changed before the button was pressed.");
    browser.wait("that it was early", &early).await;
    for number in 1..=REPEAT {
        browser.wait("steady light", &steady(number)).await;
        match number {
            1 => browser.press("\u{e007}").await,
            2 => browser.press(" ").await,
            _ => browser.click("Light changed").await,
        }
        tokio::time::sleep(LATENCY).await;
        scene.toggle();
    }
    check_result(&browser).await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latency_is_measured_with_slow_flashes_of_the_screen() {
    require!(onnx_runtime());
    let (server, page, daemon) = start().await;
    let scene = Scene::of(server);
    let browser = page.browser().await;
    browser.open(&page.url("/cameras?camera=net")).await;
    browser.click("With this screen").await;
    let warning = says(".light-field[open]", "once a second");
    browser.wait("the warning", &warning).await;
    assert_eq!(browser.violations().await, [""; 0]);
    browser.click("Start").await;
    let field = |light: &str| {
        format!("return document.querySelector('.light-field[open]')?.dataset.light === '{light}'")
    };
    let mut before: Option<Instant> = None;
    for light in ["white", "black", "white", "black", "white"] {
        browser.wait("a flash", &field(light)).await;
        let now = Instant::now();
        let slow = |before: Instant| now - before >= Duration::from_secs(1);
        assert!(before.is_none_or(slow), "{before:?}, {now:?}");
        before = Some(now);
        tokio::time::sleep(LATENCY).await;
        scene.set(if light == "white" { BRIGHT } else { DARK });
    }
    check_result(&browser).await;
    let delay = says(".latency-result", "delay of the screen");
    browser.wait("the note on the screen", &delay).await;

    browser.click("With this screen").await;
    browser.click("Start").await;
    browser.wait("a flash", &field("white")).await;
    assert_eq!(browser.violations().await, [""; 0]);
    browser.press("\u{e00c}").await;
    browser.wait("the end", &progress("Cancelled")).await;
    let closed = "return !document.querySelector('.light-field').open";
    browser.wait("the page", closed).await;
    browser.wait("the live picture", LIVE).await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latency_is_not_measured_without_its_key_frames_or_daemon() {
    require!(onnx_runtime());
    let (_server, page, mut daemon) = start().await;
    let browser = page.browser().await;
    browser.open(&page.url("/cameras?camera=good")).await;
    let hidden = "return document.querySelector('.latency')?.checkVisibility() === false";
    browser.wait("no card", hidden).await;

    browser.open(&page.url("/cameras?camera=net")).await;
    browser.click("By hand").await;
    let steady = progress("the light is steady. Press the button");
    browser.wait("steady light", &steady).await;
    let mut line = daemon.line().await;
    let request = PauseCameraRequest {
        camera_id: "net".to_owned(),
        reason: "new lens".to_owned(),
    };
    line.pause_camera(request).await.expect("paused");
    let paused = says(".latency .error", "The camera is paused.");
    browser.wait("the error", &paused).await;
    let disabled = "return [...document.querySelectorAll('.latency-ways button')].every((one) => one.disabled)
                    && [...document.querySelectorAll('.latency p')]
                        .some((one) => one.checkVisibility() && one.textContent.includes('Resume it'))";
    browser.wait("no way to measure", disabled).await;
    assert_eq!(browser.violations().await, [""; 0]);

    let request = ResumeCameraRequest {
        camera_id: "net".to_owned(),
    };
    line.resume_camera(request).await.expect("resumed");
    browser.click("By hand").await;
    browser.wait("steady light", &steady).await;
    daemon.signal("KILL");
    daemon.wait_for_end();
    let dead = says(".latency .error", "The daemon does not answer.");
    browser.wait("the error", &dead).await;
}
