//! Controls of the overview and of the cameras: the slider for all tiles, counts of the shift, exposure and gain, adding
//! and removing cameras.

use std::fs;

use inspectd_client::proto::{CameraState, Status};
use inspectd_test_support::{onnx_runtime, require};

use super::browser::Browser;
use super::{CAMERAS, PageSite, tile};
use crate::harness::{Daemon, wait};
use crate::mjpeg::jpeg;
use crate::preload::{Words, compile};

/// The word of `struct control` in `device.c` with the exposure, in 100 microseconds.
const EXPOSURE: u64 = 4;

/// The word with the gain.
const GAIN: u64 = 5;

fn is_running(status: &Status, id: &str) -> bool {
    let mut cameras = status.cameras.iter();
    cameras.any(|camera| camera.id == id && camera.state() == CameraState::Running)
}

async fn wait_for_tiles(browser: &Browser) {
    browser
        .wait("a PASS with its picture", &tile("good", "pass"))
        .await;
    browser
        .wait("a REJECT with its picture", &tile("bad", "reject"))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_slider_blends_all_tiles_and_is_kept_after_a_reload() {
    require!(onnx_runtime());
    let page = PageSite::new();
    let daemon = page.start_with_verdicts().await;
    let browser = page.browser().await;
    browser.open(&page.url("/")).await;
    wait_for_tiles(&browser).await;
    let picture = "return [...document.querySelectorAll('.tile .heat')].every((layer) => !layer.querySelector('img'))
                   && document.querySelectorAll('main input[type=range]').length === 1";
    browser.wait("pictures without heat", picture).await;
    browser.click("Heat").await;
    let heat = "const layers = [...document.querySelectorAll('.tile .heat')];
                return layers.length === 2 && document.querySelector('main input[type=range]').value === '100'
                    && layers.every((layer) => layer.style.opacity === '1' && layer.querySelector('img')?.naturalWidth > 0);";
    browser.wait("heat in both tiles", heat).await;
    browser.open(&page.url("/")).await;
    wait_for_tiles(&browser).await;
    browser.wait("heat after the reload", heat).await;
    assert_eq!(browser.violations().await, [""; 0]);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_of_the_shift_rise_on_the_overview_and_on_the_wall() {
    require!(onnx_runtime());
    let page = PageSite::new();
    let daemon = page.start_with_verdicts().await;
    let browser = page.browser().await;
    // The PASS of the line, and of the tile of a camera.
    let rising = "const read = (selector) => Number(document.querySelector(selector)?.textContent.replaceAll(',', ''));
                  const now = [read('.counters .pass dd'), read('article[aria-label=\"Camera good\"] .counts dd')];
                  if (!now.every((count) => count > 0)) return false;
                  window.first ??= now;
                  return now.every((count, index) => count > window.first[index])
                      && document.querySelector('.counters').textContent.includes('since ')
                      && document.querySelector('.counters').textContent.includes('ends ');";
    for path in ["/", "/wall"] {
        browser.open(&page.url(path)).await;
        browser.wait(path, rising).await;
        assert_eq!(browser.violations().await, [""; 0]);
    }
    let no_controls = "return !document.querySelector('main :is(button, input, select)')
                       && document.querySelector('.tile .counts').checkVisibility()";
    browser.wait("no controls on the wall", no_controls).await;
    let shift = daemon.status().await.shift.expect("always set");
    assert!(shift.decisions.expect("counts").pass > 0);
    assert!(!shift.counting);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn camera_is_added_removed_and_added_again() {
    require!(onnx_runtime());
    let page = PageSite::new();
    let daemon = page.start_with_verdicts().await;
    let configuration =
        || fs::read_to_string(page.site.path("inspectd.toml")).expect("the configuration");
    let browser = page.browser().await;
    browser.open(&page.url("/cameras")).await;
    let rows = |count: usize| {
        format!("return document.querySelectorAll('table.cameras tbody tr').length === {count}")
    };
    browser.wait("two cameras", &rows(2)).await;
    browser.click("New camera").await;
    browser.fill("#camera-id", "third").await;
    browser.fill("#camera-toml", "path = \"good\"").await;
    browser.click("Add camera").await;
    let refused =
        "return document.querySelector('.add-camera .error')?.textContent.includes('source')";
    browser.wait("the error of the daemon", refused).await;
    assert_eq!(browser.violations().await, [""; 0]);
    let keys =
        "source = \"folder\"\npath = \"good\"\nrepeat = true\nfps = 4\ncheck.frozen_after = 0";
    browser.fill("#camera-toml", keys).await;
    browser.click("Add camera").await;
    browser.wait("three cameras", &rows(3)).await;
    daemon
        .status_when("a running camera", |status| is_running(status, "third"))
        .await;
    assert!(configuration().contains("[cameras.third]"));

    browser.click_element("[aria-label='Remove third']").await;
    let asked = "return document.querySelector('[aria-label^=\"Stop third\"]')?.checkVisibility()";
    browser.wait("the question", asked).await;
    assert_eq!(browser.violations().await, [""; 0]);
    browser
        .click_element("[aria-label^='Stop third'] .danger")
        .await;
    let removed = "const text = document.querySelector('.action-result').textContent;
                   return text.includes('is removed') && text.includes('path = \"good\"')";
    browser.wait("that it is removed", removed).await;
    browser.wait("two cameras", &rows(2)).await;
    assert!(!configuration().contains("third"));
    assert_eq!(browser.violations().await, [""; 0]);
    browser.click("Add it again").await;
    browser.wait("three cameras", &rows(3)).await;
    daemon
        .status_when("a running camera", |status| is_running(status, "third"))
        .await;
    assert!(configuration().contains("[cameras.third]"));
    daemon.stop();
}

/// A site with a device, which `device.c` imitates, and its registers.
fn with_device() -> (PageSite, Words) {
    let page = PageSite::of(CAMERAS);
    let device = page.site.path("video0");
    let camera = format!(
        "[cameras.dev]\nsource = \"device\"\ndevice = \"{}\"\npixel_format = \"MJPG\"\nfps = 50\n\
         exposure_us = 2000\ngain = 3\nreopen_after_s = 0.1\nreopen_after_max_s = 0.2\n",
        device.display()
    );
    page.site
        .configure("[journal]\nfolder = \"journal\"\n", &camera);
    fs::write(device, "").expect("written");
    let pictures = [127, 128, 249, 250].map(jpeg);
    let pictures = pictures.map(|jpeg| [&(jpeg.len() as u32).to_ne_bytes(), &*jpeg].concat());
    fs::write(page.site.path("pictures"), pictures.concat()).expect("written");
    let control = Words::new(&page.site.path("control"));
    (page, control)
}

/// Starts the daemon with the imitated device.
fn start_with_device(page: &PageSite) -> Daemon {
    // Under another name than the library of the tests of the device, which may be compiled at the same time.
    let source = page.site.path("page_device.c");
    let original = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daemon/device/device.c");
    fs::copy(original, &source).expect("a copy");
    let library = compile(&source.to_string_lossy());
    let mut command = page.site.command();
    command
        .env("LD_PRELOAD", library)
        .env("INSPECTD_DEVICE", page.site.path("video0"))
        .env("INSPECTD_DEVICE_CONTROL", page.site.path("control"))
        .env("INSPECTD_DEVICE_PICTURES", page.site.path("pictures"))
        .env("INSPECTD__SERVER__PAGE_LISTEN", &page.address);
    let daemon = Daemon::spawn(&mut command);
    daemon.wait_for_log("ready");
    daemon
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exposure_and_gain_of_a_device_are_set_and_undone() {
    require!(onnx_runtime());
    let (page, control) = with_device();
    let daemon = start_with_device(&page);
    let text = fs::read_to_string(page.site.path("inspectd.toml")).expect("the configuration");
    let configuration =
        || fs::read_to_string(page.site.path("inspectd.toml")).expect("the configuration");
    let browser = page.browser().await;
    browser.open(&page.url("/cameras?camera=dev")).await;
    let values = |exposure: &str, gain: &str| {
        format!(
            "return document.querySelector('[name=exposure]')?.value === '{exposure}'
                 && document.querySelector('[name=gain]').value === '{gain}'"
        )
    };
    browser
        .wait("the present values", &values("2000", "3"))
        .await;
    // The largest gain of the device is 16.
    browser.fill("[name=gain]", "20").await;
    browser.click("Apply").await;
    let refused = "return document.querySelector('.controls-form .error p:last-child')?.textContent.includes('gain')";
    browser.wait("the error of the daemon", refused).await;
    assert_eq!(browser.violations().await, [""; 0]);
    assert_eq!(configuration(), text);

    browser.fill("[name=exposure]", "8000").await;
    browser.click_element("[name=gain-choice][value=own]").await;
    browser.click("Apply").await;
    let said = |word: &str| {
        format!(
            "return document.querySelector('.controls-form [role=status]').textContent.startsWith('{word}')"
        )
    };
    browser.wait("that it is applied", &said("Applied")).await;
    wait("the exposure", || control.get(EXPOSURE) == 80);
    let changed = configuration();
    assert!(
        changed.contains("exposure_us = 8000\n") && !changed.contains("gain"),
        "{changed}"
    );
    assert_eq!(browser.violations().await, [""; 0]);
    browser.click("Undo").await;
    browser.wait("that it is undone", &said("Undone")).await;
    wait("the exposure and gain before", || {
        (control.get(EXPOSURE), control.get(GAIN)) == (20, 3)
    });
    browser
        .wait("the values before", &values("2000", "3"))
        .await;
    let undone = configuration();
    assert!(
        undone.contains("exposure_us = 2000\n") && undone.contains("gain = 3"),
        "{undone}"
    );
    daemon.stop();
}
