//! Pages of several viewers at once: all stay live, and the daemon's memory does not grow. `scripts/page_load.py` measures
//! more of them for longer.

use fantoccini::wd::WindowHandle;
use inspectd_test_support::{onnx_runtime, require};

use super::browser::Browser;
use super::{CAMERAS, PageSite};

/// The pages, each of another viewer.
const PAGES: [&str; 7] = [
    "/",
    "/wall?heat=0.5",
    "/verdicts",
    "/verdicts/3",
    "/tuning?camera=good",
    "/cameras?camera=bad",
    "/report",
];

/// States of the line, one a second, that each page receives before the memory is measured.
const WARM_UP: u32 = 5;

/// States of the line that each page receives until it is measured again.
const COUNTED: u32 = 12;

/// The maximum growth of the daemon's memory in this time, KiB: far more than its bounded buffers need, which are full then.
const GROWTH_LIMIT_KIB: u64 = 24 << 10;

/// Counts the states of the line that a page receives.
const COUNT: &str = "const done = arguments[arguments.length - 1];
    import('/assets/live.js').then(({ onLive }) => {
        window.states = 0;
        onLive('status', () => window.states++);
        done('counted');
    }, (error) => done(String(error)));";

/// The sequence of the first picture of an overview or a wall.
const SHOWN: &str =
    "return Number(document.querySelector('.picture-caption')?.textContent.replace(/\\D/g, ''))";

/// Waits until every page has received `count` more states, and is not marked as stale.
async fn all_receive(browser: &Browser, windows: &[WindowHandle], count: u32) {
    for window in windows {
        browser.switch_to(window).await;
        let reset = browser.client.execute("window.states = 0", Vec::new());
        reset.await.expect("it runs");
    }
    for (window, path) in windows.iter().zip(PAGES) {
        browser.switch_to(window).await;
        let received =
            format!("return window.states >= {count} && !document.body.hasAttribute('data-stale')");
        browser.wait(&format!("{path} to be live"), &received).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_several_viewers_stay_live_without_memory_growth_of_the_daemon() {
    require!(onnx_runtime());
    let page = PageSite::new();
    page.site.configure(
        "[journal]\nfolder = \"journal\"\n[evidence]\nmemory_mib = 4\n",
        CAMERAS,
    );
    let daemon = page.start_with_verdicts().await;
    let browser = page.browser().await;
    let mut windows = Vec::new();
    for (path, viewer) in PAGES.iter().zip(2..) {
        let url = page.url(path);
        let url = url.replacen("127.0.0.1", &format!("127.0.0.{viewer}"), 1);
        windows.push(browser.open_window(&url).await);
        let counted = browser.client.execute_async(COUNT, Vec::new()).await;
        assert_eq!(counted.expect("it runs"), "counted", "{path}");
    }
    all_receive(&browser, &windows, WARM_UP).await;
    let before = daemon.memory_kib();
    browser.switch_to(&windows[0]).await;
    browser.wait("a picture", &format!("{SHOWN} > 0")).await;
    let shown = browser.number(SHOWN).await;
    all_receive(&browser, &windows, COUNTED).await;
    let growth = daemon.memory_kib().saturating_sub(before);
    assert!(
        growth < GROWTH_LIMIT_KIB,
        "{growth} KiB more than {before} KiB"
    );
    for window in &windows[..2] {
        browser.switch_to(window).await;
        let newer = format!("{SHOWN} > {shown}");
        browser.wait("newer pictures", &newer).await;
    }
    daemon.stop();
}
