//! The page of the models: the shadow, its disagreements, and how they are reset.

use std::fs;
use std::time::Duration;

use inspectd::access::token::{self, TokenHash};
use inspectd_client::proto::model_service_client::ModelServiceClient;
use inspectd_client::proto::{GetShadowRequest, PauseCameraRequest, Shadow};
use inspectd_test_support::{onnx_runtime, require};

use super::{CAMERAS, PageSite};
use crate::harness::{Daemon, PATIENCE};

/// A disagreement of the camera whose pictures pass, with its picture and the map of the shadow.
const DISAGREEMENT: &str =
    "return [...document.querySelectorAll('.disagreements tbody tr')].some((row) =>
    ['good', 'PASS', 'REJECT'].every((word) => row.textContent.includes(word))
    && [...row.querySelectorAll('img')].filter((image) => image.naturalWidth > 0).length === 2);";

/// A site whose shadow rejects what the line passes. `top` has further keys of the configuration.
fn with_shadow(top: &str) -> PageSite {
    let page = PageSite::new();
    page.site.configure(
        &format!(
            "[journal]\nfolder = \"journal\"\n[recipes]\nfolder = \"recipes\"\n\
             [shadow]\nrecipe = \"strict\"\nmax_fps = 8\n{top}"
        ),
        CAMERAS,
    );
    fs::create_dir(page.site.path("recipes")).expect("a folder");
    page.site.write(
        "recipes/strict.toml",
        "product = \"Grey\"\nversion = \"1\"\nbundle = \"../bundle\"\nthreshold = 0.2\n",
    );
    page
}

async fn shadow(daemon: &Daemon) -> Shadow {
    let mut models = ModelServiceClient::new(daemon.channel().await);
    let answer = models.get_shadow(GetShadowRequest {}).await;
    answer
        .expect("configured")
        .into_inner()
        .shadow
        .expect("set")
}

/// Pauses both cameras, and waits until the shadow has judged what was captured before.
async fn pause_all(daemon: &Daemon) {
    let mut line = daemon.line().await;
    for camera in ["good", "bad"] {
        let request = PauseCameraRequest {
            camera_id: camera.to_owned(),
            reason: String::new(),
        };
        line.pause_camera(request).await.expect("configured");
    }
    let begun = tokio::time::Instant::now();
    let mut before = shadow(daemon).await;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = shadow(daemon).await;
        if (now.judged, now.skipped) == (before.judged, before.skipped) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{now:?}");
        before = now;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disagreements_of_the_shadow_are_listed_and_reset() {
    require!(onnx_runtime());
    let page = with_shadow("");
    let daemon = page.start_with_verdicts().await;
    let browser = page.browser().await;
    browser.open(&page.url("/models")).await;
    browser.wait("a disagreement", DISAGREEMENT).await;
    let judged = "return Number(document.querySelector('.shadow-card .counters dd').textContent.replaceAll(',', ''))";
    assert!(browser.number(judged).await > 0.0);
    let running = "return document.querySelector('.shadow-state').textContent === 'RUNNING'
                     && document.querySelectorAll('.matrix .differs').length === 1";
    browser.wait("the matrix", running).await;
    assert_eq!(browser.violations().await, [""; 0]);

    // The line rejects the pictures of the other camera as well.
    let choose = |camera: &str| {
        format!(
            "const select = document.querySelector('#disagreement-camera');
             if ([...select.options].some((option) => option.value === '{camera}') && select.value !== '{camera}') {{
                 select.value = '{camera}';
                 select.dispatchEvent(new Event('change', {{ bubbles: true }}));
             }}
             return select.value === '{camera}';"
        )
    };
    browser.wait("the camera", &choose("bad")).await;
    let none = "return document.body.textContent.includes('No disagreement of camera bad')
                && location.search === '?camera=bad'";
    browser.wait("an empty list", none).await;
    browser.wait("all cameras", &choose("")).await;
    browser.wait("a disagreement", DISAGREEMENT).await;

    pause_all(&daemon).await;
    assert!(shadow(&daemon).await.disagreements > 0);
    browser.click("Reset").await;
    browser.click("Reset counts").await;
    let reset = "return document.querySelector('.shadow-card').textContent.includes('The counts were set to zero')
                     && document.querySelector('.shadow-card .empty-title').checkVisibility()
                     && document.querySelectorAll('.disagreements tbody tr').length === 0
                     && document.body.textContent.includes('No disagreements yet')";
    browser.wait("zero counts", reset).await;
    assert!(browser.number(judged).await.abs() < f64::EPSILON);
    let after = shadow(&daemon).await;
    assert_eq!((after.judged, after.disagreements), (0, 0), "{after:?}");
    assert_eq!(browser.violations().await, [""; 0]);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_says_how_a_shadow_is_configured_and_a_model_installed() {
    require!(onnx_runtime());
    let page = PageSite::new();
    let daemon = page.start_with_verdicts().await;
    let browser = page.browser().await;
    browser.open(&page.url("/models")).await;
    let texts = "const text = document.querySelector('main').textContent;
                 return ['cells 2026.1', 'No model was installed', 'inspectctl model install', 'No shadow is configured',
                     '[shadow]'].every((part) => text.includes(part))";
    browser.wait("the texts", texts).await;
    assert_eq!(browser.violations().await, [""; 0]);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewer_sees_the_shadow_and_may_not_reset_it() {
    require!(onnx_runtime());
    let page = with_shadow("[access]\nclients = \"clients.toml\"\n");
    let token = token::create().expect("random bytes");
    let hash = TokenHash::of(token.as_bytes()).hex();
    page.site.write(
        "clients.toml",
        &format!("[[client]]\nname = \"eve\"\nrole = \"viewer\"\ntoken_sha256 = \"{hash}\"\n"),
    );
    let daemon = page.start();
    let browser = page.browser().await;
    browser.open(&page.url("/models")).await;
    let form = "return location.pathname === '/sign-in' && document.activeElement?.id === 'token'";
    browser.wait("the form", form).await;
    browser.press(&token).await;
    browser.press("\u{e007}").await;
    browser.wait("a disagreement", DISAGREEMENT).await;
    let disabled = "const buttons = [...document.querySelectorAll('button')].filter((one) => one.textContent === 'Reset');
                    return buttons.length === 1 && buttons[0].disabled
                        && document.querySelector('.shadow-card').textContent.includes('the role engineer is required')";
    browser.wait("that it may not reset", disabled).await;
    assert_eq!(browser.violations().await, [""; 0]);
    for method in ["ResetShadow", "UndoInstallation"] {
        let refused = format!(
            "return fetch('/api/ModelService/{method}',
                 {{ method: 'POST', headers: {{ 'content-type': 'application/json' }}, body: '{{}}' }})
                 .then((answer) => answer.status === 403);"
        );
        browser.wait(method, &refused).await;
    }
    browser.open(&page.url("/cameras")).await;
    let role = "return document.body.textContent.includes('removing cameras requires the role engineer')
                && [...document.querySelectorAll('button')].some((one) => one.textContent === 'New camera' && one.disabled)";
    browser.wait("that it may not add cameras", role).await;
    daemon.stop();
}
