//! The page of the demo line, and the pictures of `docs/page.md`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use inspectd_client::proto::{Decision, Verdict};
use inspectd_test_support::{onnx_runtime, require};

use super::PageSite;
use super::browser::Browser;

/// Three cameras with rendered parts, of the size that the demo model was made for: `left` has many defects, `top` none.
fn cameras() -> String {
    let camera = |id: &str, seed: u32, defects: f32| {
        format!(
            "[cameras.{id}]\nsource = \"simulator\"\nseed = {seed}\ndefect_rate = {defects}\nwidth = 256\nheight = 256\n\
             fps = 1.5\nmode = \"triggered\"\nqueue = 8\n"
        )
    };
    [
        camera("left", 2026, 0.3),
        camera("right", 7, 0.1),
        camera("top", 11, 0.0),
    ]
    .concat()
}

/// Where the pictures are saved, if they are wanted.
fn folder() -> Option<PathBuf> {
    std::env::var_os("INSPECTD_PICTURES").map(PathBuf::from)
}

/// Checks a page, and saves its picture after a while in which more verdicts arrive.
async fn check(browser: &Browser, name: &str) {
    let violations = browser.violations().await;
    assert_eq!(violations, [""; 0], "{name}");
    if let Some(folder) = folder() {
        tokio::time::sleep(Duration::from_secs(6)).await;
        let picture = browser.client.screenshot().await.expect("a picture");
        std::fs::write(folder.join(format!("page-{name}.png")), picture).expect("written");
    }
}

/// `INSPECTD_PICTURES=docs cargo test --workspace --test daemon -- page::pictures` saves the pictures of the documentation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_the_demo_line_are_accessible_in_light_and_dark() {
    require!(onnx_runtime());
    let page = PageSite::of(&cameras());
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo");
    page.site.set_bundle(&bundle.to_string_lossy());
    let mut daemon = page.start();
    let mut verdicts = daemon.verdicts().await;
    let rejected = |verdict: &Verdict| verdict.decision() == Decision::Reject;
    let sequence = verdicts.until(rejected).await.sequence;
    if folder().is_some() {
        tokio::time::sleep(Duration::from_secs(40)).await;
    }
    let browser = page.browser().await;
    let pictures =
        "return [...document.querySelectorAll('main img')].some((image) => image.naturalWidth > 0)";
    let rows = "return document.querySelectorAll('table tbody tr').length > 3";
    for (name, path, ready) in [
        ("overview-dark", "/?theme=dark".to_owned(), pictures),
        ("verdicts-dark", "/verdicts?theme=dark".to_owned(), rows),
        (
            "verdict-dark",
            format!("/verdicts/{sequence}?theme=dark"),
            pictures,
        ),
        ("wall", "/wall?heat=0.5".to_owned(), pictures),
        ("verdicts", "/verdicts?theme=light".to_owned(), rows),
        (
            "verdict",
            format!("/verdicts/{sequence}?theme=light"),
            pictures,
        ),
        ("overview", "/?theme=light".to_owned(), pictures),
    ] {
        browser.open(&page.url(&path)).await;
        browser.wait(name, ready).await;
        check(&browser, name).await;
    }
    daemon.signal("KILL");
    daemon.wait_for_end();
    let stale = "return document.body.hasAttribute('data-stale')";
    browser.wait("old data", stale).await;
    check(&browser, "stale").await;
}
