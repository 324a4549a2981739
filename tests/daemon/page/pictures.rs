//! The pictures of `docs/page.md`.

use std::path::Path;
use std::time::Duration;

use inspectd_client::proto::{Decision, ListVerdictsRequest};
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

async fn save(browser: &Browser, folder: &Path, name: &str) {
    let picture = browser.client.screenshot().await.expect("a picture");
    std::fs::write(folder.join(format!("page-{name}.png")), picture).expect("written");
}

/// Writes the pictures to the folder `INSPECTD_PICTURES`:
/// `INSPECTD_PICTURES=docs cargo test --workspace --test daemon -- --ignored page::pictures`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes the pictures of docs/page.md"]
async fn pictures_of_the_documentation() {
    require!(onnx_runtime());
    let folder = std::env::var_os("INSPECTD_PICTURES").expect("INSPECTD_PICTURES names a folder");
    let folder = Path::new(&folder);
    let page = PageSite::of(&cameras());
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo");
    page.site.set_bundle(&bundle.to_string_lossy());
    let mut daemon = page.start();
    let browser = page.browser().await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    let mut client = daemon.inspection().await;
    let rejected = client.list_verdicts(ListVerdictsRequest {
        decisions: vec![Decision::Reject.into()],
        page_size: 1,
        ..ListVerdictsRequest::default()
    });
    let rejected = rejected.await.expect("listed").into_inner().verdicts;
    let sequence = rejected.first().expect("a part with a defect").sequence;
    for (name, path) in [
        ("overview", "/?theme=light".to_owned()),
        ("overview-dark", "/?theme=dark".to_owned()),
        ("verdicts", "/verdicts?theme=light".to_owned()),
        ("verdict", format!("/verdicts/{sequence}?theme=light")),
        ("wall", "/wall?heat=0.5".to_owned()),
    ] {
        browser.open(&page.url(&path)).await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        save(&browser, folder, name).await;
    }
    browser.open(&page.url("/?theme=light")).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    daemon.signal("KILL");
    daemon.wait_for_end();
    tokio::time::sleep(Duration::from_secs(9)).await;
    save(&browser, folder, "stale").await;
}
