//! The page in a real browser, against the real daemon.

pub mod browser;
mod changes;
mod controls;
mod latency;
mod load;
mod models;
mod pictures;

use std::net::TcpListener;

use inspectd_test_support::{onnx_runtime, require};

use crate::ctl::{inspectctl, run};
use crate::harness::{Daemon, Site};
use browser::Browser;

/// Two cameras; the pictures of one pass, those of the other do not.
const CAMERAS: &str = "[cameras.good]\nsource = \"folder\"\npath = \"good\"\nrepeat = true\nfps = 4\n\
                       check.frozen_after = 0\n\
                       [cameras.bad]\nsource = \"folder\"\npath = \"bad\"\nrepeat = true\nfps = 4\n\
                       check.frozen_after = 0\n";

/// A site whose page is always at the same address.
struct PageSite {
    site: Site,
    address: String,
}

impl PageSite {
    fn new() -> Self {
        let page = Self::of(CAMERAS);
        page.site
            .pictures("good", &[("a.png", 100), ("b.png", 110)]);
        page.site.pictures("bad", &[("a.png", 240), ("b.png", 250)]);
        page
    }

    fn of(cameras: &str) -> Self {
        let site = Site::new(cameras);
        site.configure("[journal]\nfolder = \"journal\"\n", cameras);
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("it is bound").to_string();
        Self { site, address }
    }

    fn start(&self) -> Daemon {
        self.site
            .start_with(&[("INSPECTD__SERVER__PAGE_LISTEN", &self.address)])
    }

    /// Starts the daemon and waits until there are some verdicts.
    async fn start_with_verdicts(&self) -> Daemon {
        let daemon = self.start();
        let mut verdicts = daemon.verdicts().await;
        verdicts.until(|verdict| verdict.sequence > 20).await;
        daemon
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn browser(&self) -> Browser {
        Browser::start(&self.site.path("profile")).await
    }
}

/// The tile of a camera with this decision, whose picture is shown.
fn tile(camera: &str, decision: &str) -> String {
    format!(
        "const tile = document.querySelector('article[aria-label=\"Camera {camera}\"]');
         return tile?.dataset.decision === '{decision}'
             && [...tile.querySelectorAll('img')].some((image) => image.naturalWidth > 0);"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overview_shows_the_line_and_says_when_its_data_are_old() {
    require!(onnx_runtime());
    let page = PageSite::new();
    let mut daemon = page.start();
    let browser = page.browser().await;
    browser.open(&page.url("/")).await;
    browser
        .wait("a PASS with its picture", &tile("good", "pass"))
        .await;
    browser
        .wait("a REJECT with its picture", &tile("bad", "reject"))
        .await;
    let words =
        "const tile = document.querySelector('article[aria-label=\"Camera bad\"]').textContent;
                 return tile.includes('REJECT') && tile.includes('0.9');";
    browser
        .wait("the decision and the score as text", words)
        .await;
    assert_eq!(browser.violations().await, [""; 0]);

    // The daemon is killed: what is on the page must not look like the present.
    daemon.signal("KILL");
    daemon.wait_for_end();
    let old = "return document.body.hasAttribute('data-stale')
                   && document.querySelector('#banner').textContent.includes('No data for');";
    browser.wait("old data, which the banner states", old).await;
    let daemon = page.start();
    browser
        .wait(
            "present data",
            "return !document.body.hasAttribute('data-stale')",
        )
        .await;
    browser
        .wait("a PASS with its picture", &tile("good", "pass"))
        .await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verdicts_are_filtered_and_one_is_shown_with_its_evidence() {
    require!(onnx_runtime());
    let page = PageSite::new();
    let daemon = page.start_with_verdicts().await;
    let browser = page.browser().await;
    browser.open(&page.url("/verdicts?camera=bad")).await;
    let rows = "const rows = [...document.querySelectorAll('table tbody tr')].map((row) => row.textContent);
                return rows.length > 3 && rows.every((row) => row.includes('REJECT') && row.includes('bad'));";
    browser.wait("verdicts of one camera", rows).await;
    assert_eq!(browser.violations().await, [""; 0]);
    browser.open(&page.url("/verdicts/3")).await;
    let title = "return document.querySelector('h1')?.textContent.includes('Verdict 3')";
    browser.wait("its title", title).await;
    let shown =
        "return [...document.querySelectorAll('main img')].some((image) => image.naturalWidth > 0)";
    browser.wait("its picture", shown).await;
    assert_eq!(browser.violations().await, [""; 0]);
    browser.open(&page.url("/wall")).await;
    browser.wait("the wall", &tile("bad", "reject")).await;
    assert_eq!(browser.violations().await, [""; 0]);
    browser.open(&page.url("/no-such-page")).await;
    assert_eq!(browser.text("h1").await, "Not found");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verdict_is_labelled_with_one_key() {
    require!(onnx_runtime());
    let page = PageSite::new();
    let daemon = page.start_with_verdicts().await;
    let browser = page.browser().await;
    browser.open(&page.url("/verdicts/3")).await;
    let ready = "return document.querySelector('.label-now')?.textContent.includes('No label')";
    browser.wait("the label section", ready).await;
    browser.press("g").await;
    let good =
        "return document.querySelector('.label-now').textContent.toLowerCase().includes('good')";
    browser.wait("the label", good).await;
    browser.press("d").await;
    let form = "return document.activeElement?.id === 'defect-class'";
    browser.wait("the field of the class", form).await;
    browser.press("scratch\u{e007}").await;
    let class = "return document.querySelector('.label-now').textContent.includes('scratch')";
    browser.wait("the class", class).await;
    assert_eq!(browser.violations().await, [""; 0]);

    let listed = run(inspectctl(&daemon).args(["label", "list", "--json"]), 0).stdout();
    let label: serde_json::Value = serde_json::from_str(&listed).expect("one label");
    assert_eq!(label["sequence"], 3);
    assert_eq!(
        (&label["kind"], &label["defect_class"]),
        (&"defective".into(), &"scratch".into())
    );
    let newest = daemon.status().await.sequence.to_string();
    run(
        inspectctl(&daemon).args(["label", "set", &newest, "unsure"]),
        0,
    );
    let removed = run(inspectctl(&daemon).args(["label", "remove", "3"]), 0);
    assert!(!removed.stdout().contains("scratch"));
    browser.open(&page.url("/verdicts")).await;
    let row = "return [...document.querySelectorAll('table tbody tr')]
                   .some((row) => row.textContent.toLowerCase().includes('unsure'))";
    browser.wait("the label in the table", row).await;
    daemon.stop();
}
