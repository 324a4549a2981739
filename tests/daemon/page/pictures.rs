//! The page of the demo line, and the pictures of `docs/page.md`.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use inspectd_client::Timestamp;
use inspectd_client::proto::recipe_service_client::RecipeServiceClient;
use inspectd_client::proto::{ActivateRecipeRequest, Decision, LabelKind, LabelVerdictRequest};
use inspectd_test_support::{onnx_runtime, require};

use super::PageSite;
use super::browser::Browser;
use crate::harness::Daemon;

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

/// The recipe of the pages.
const RECIPE: &str = "mx24-terminal";

/// Width and height of the pictures, pixels.
const DESKTOP: (u32, u32) = (1280, 817);

/// Pages of [`pages`] whose pictures are also saved as a tablet shows them. The overview is the last one.
const TABLET: [&str; 7] = [
    "overview",
    "verdict-dark",
    "tuning",
    "recipe-dark",
    "cameras",
    "report",
    "models",
];

/// The recipe of the shadow: as the other one, with lower thresholds outside of the regions.
const SHADOW: &str = "mx24-strict";

/// Verdicts that are labelled.
const LABELLED: usize = 30;

/// Writes the example of a recipe, for these cameras, and the recipe of the shadow.
fn write_recipes(page: &PageSite, root: &Path) {
    let file = root.join(format!("examples/recipes/{RECIPE}.toml"));
    let text = std::fs::read_to_string(file).expect("the example exists");
    let bundle = root.join("models/demo").display().to_string();
    let text = text
        .replace("../../models/demo", &bundle)
        .replace("[\"line\"]", "[\"left\", \"right\"]");
    std::fs::create_dir(page.site.path("recipes")).expect("a folder");
    page.site.write(&format!("recipes/{RECIPE}.toml"), &text);
    let strict = text
        .replace("threshold = 0.127", "threshold = 0.07")
        .replace("review_from = 0.1\n", "review_from = 0.06\n");
    assert_ne!(strict, text);
    page.site.write(&format!("recipes/{SHADOW}.toml"), &strict);
}

/// Labels verdicts by the truth of their parts. Returns the sequence of one that is REJECT.
async fn label_verdicts(daemon: &Daemon) -> u64 {
    let mut verdicts = daemon.verdicts().await;
    let mut inspection = daemon.inspection().await;
    let (mut rejected, mut labelled) = (0, 0);
    let count = if folder().is_some() {
        6 * LABELLED
    } else {
        LABELLED
    };
    while rejected == 0 || labelled < count {
        let verdict = verdicts.next().await;
        if verdict.decision() == Decision::Reject && verdict.camera_id == "left" {
            rejected = verdict.sequence;
        }
        let good = verdict.truth == "good";
        let request = LabelVerdictRequest {
            sequence: verdict.sequence,
            kind: if good {
                LabelKind::Good
            } else {
                LabelKind::Defective
            }
            .into(),
            defect_class: if good { String::new() } else { verdict.truth },
            ..LabelVerdictRequest::default()
        };
        inspection.label_verdict(request).await.expect("kept");
        labelled += 1;
    }
    rejected
}

/// The last minutes, as the address of the report has them.
fn period() -> String {
    let now = SystemTime::now();
    let [from, to] = [now - Duration::from_mins(5), now + Duration::from_mins(1)];
    let [from, to] = [from, to].map(Timestamp::from);
    format!("from={from}&to={to}")
}

/// Where the pictures are saved, if they are wanted.
fn folder() -> Option<PathBuf> {
    std::env::var_os("INSPECTD_PICTURES").map(PathBuf::from)
}

/// Checks a page, and saves its picture after a while in which more verdicts arrive.
async fn check(browser: &Browser, name: &str) {
    check_accessible(browser, name).await;
    if let Some(folder) = folder() {
        tokio::time::sleep(Duration::from_secs(6)).await;
        let picture = browser.client.screenshot().await.expect("a picture");
        std::fs::write(folder.join(format!("page-{name}.png")), picture).expect("written");
    }
}

async fn check_accessible(browser: &Browser, name: &str) {
    let violations = browser.violations().await;
    assert_eq!(violations, [""; 0], "{name}");
}

/// Checks the pages of [`TABLET`] on a tablet, whose pages do not scroll sideways; saves the pictures in landscape.
async fn check_tablet(browser: &Browser, page: &PageSite, pages: &[(&str, String, &str)]) {
    for (width, height) in [(1024, 768), (768, 1024)] {
        browser.resize(width, height).await;
        for (name, path, ready) in pages.iter().filter(|(name, ..)| TABLET.contains(name)) {
            let name = format!("{name}-tablet");
            browser.open(&page.url(path)).await;
            browser.wait(&name, ready).await;
            let fits = "return document.documentElement.scrollWidth <= innerWidth";
            browser
                .wait(&format!("{name} to fit {width} pixels"), fits)
                .await;
            if width > height {
                check(browser, &name).await;
            } else {
                check_accessible(browser, &name).await;
            }
        }
    }
    browser.resize(DESKTOP.0, DESKTOP.1).await;
}

/// The pages: the name of the picture, the address, and a script that returns whether it is complete.
fn pages(sequence: u64, period: &str) -> Vec<(&'static str, String, &'static str)> {
    let pictures =
        "return [...document.querySelectorAll('main img')].some((image) => image.naturalWidth > 0)";
    let rows = "return document.querySelectorAll('table tbody tr').length > 3";
    let listed = "return document.querySelectorAll('table.recipes tbody tr').length > 0";
    let charts = "return Boolean(document.querySelector('[role=slider][aria-valuenow]'))
                  && document.querySelectorAll('main canvas').length > 0";
    let drawing = "return document.querySelectorAll('svg.polygons g.area').length > 3
                   && document.querySelectorAll('.stage img, .stage canvas').length > 0";
    let canvas =
        "return [...document.querySelectorAll('main canvas')].some((one) => one.width > 100)";
    let disagreements = "return [...document.querySelectorAll('.disagreements tbody img')]
                         .filter((image) => image.naturalWidth > 0).length > 1";
    let totals = "return document.querySelector('main').textContent.includes('Latency')";
    vec![
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
        (
            "tuning-dark",
            "/tuning?camera=left&theme=dark".to_owned(),
            charts,
        ),
        (
            "tuning",
            "/tuning?camera=left&theme=light".to_owned(),
            charts,
        ),
        ("recipes", "/recipes?theme=light".to_owned(), listed),
        (
            "recipe-dark",
            format!("/recipes/{RECIPE}?theme=dark"),
            drawing,
        ),
        ("recipe", format!("/recipes/{RECIPE}?theme=light"), drawing),
        (
            "cameras-dark",
            "/cameras?camera=left&theme=dark".to_owned(),
            canvas,
        ),
        (
            "cameras",
            "/cameras?camera=left&theme=light".to_owned(),
            canvas,
        ),
        (
            "models-dark",
            "/models?theme=dark".to_owned(),
            disagreements,
        ),
        ("models", "/models?theme=light".to_owned(), disagreements),
        (
            "report-dark",
            format!("/report?{period}&theme=dark"),
            totals,
        ),
        ("report", format!("/report?{period}&theme=light"), totals),
        ("overview", "/?theme=light".to_owned(), pictures),
    ]
}

/// `INSPECTD_PICTURES=docs cargo test --workspace --test daemon -- page::pictures` saves the pictures of the documentation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_the_demo_line_are_accessible_in_light_and_dark() {
    require!(onnx_runtime());
    let page = PageSite::of(&cameras());
    page.site.configure(
        &format!(
            "[journal]\nfolder = \"journal\"\n[recipes]\nfolder = \"recipes\"\n\
             [shadow]\nrecipe = \"{SHADOW}\"\nmax_fps = 1\n"
        ),
        &cameras(),
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    page.site
        .set_bundle(&root.join("models/demo").to_string_lossy());
    write_recipes(&page, root);
    let mut daemon = page.start();
    let mut recipes = RecipeServiceClient::new(daemon.channel().await);
    let activate = ActivateRecipeRequest {
        id: RECIPE.to_owned(),
    };
    recipes.activate_recipe(activate).await.expect("valid");
    let sequence = label_verdicts(&daemon).await;
    let browser = page.browser().await;
    let pages = pages(sequence, &period());
    for (name, path, ready) in &pages {
        browser.open(&page.url(path)).await;
        browser.wait(name, ready).await;
        check(&browser, name).await;
    }
    check_tablet(&browser, &page, &pages).await;
    daemon.signal("KILL");
    daemon.wait_for_end();
    let stale = "return document.body.hasAttribute('data-stale')";
    browser.wait("old data", stale).await;
    check(&browser, "stale").await;
}
