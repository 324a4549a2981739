//! Pages on which people change something: thresholds, recipes, cameras.

use std::fs;
use std::io::Read;
use std::time::Duration;

use fantoccini::Locator;
use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use inspectd_client::proto::recipe_service_client::RecipeServiceClient;
use inspectd_client::proto::{ActivateRecipeRequest, CameraState, Decision};
use inspectd_test_support::{onnx_runtime, require};

use super::browser::Browser;
use super::{CAMERAS, PageSite};
use crate::ctl::{inspectctl, run};
use crate::harness::wait;
use crate::inquiry::camera;

/// Duration of a step of the pointer.
const STEP: Option<Duration> = Some(Duration::from_millis(60));

/// A site with the recipe `grey`.
fn with_recipe(text: &str) -> PageSite {
    let page = PageSite::new();
    page.site.configure(
        "[journal]\nfolder = \"journal\"\n[recipes]\nfolder = \"recipes\"\n",
        CAMERAS,
    );
    fs::create_dir(page.site.path("recipes")).expect("a folder");
    page.site.write("recipes/grey.toml", text);
    page
}

impl Browser {
    /// Drags the middle of an element by so many pixels.
    async fn drag(&self, selector: &str, right: i64, down: i64) {
        let element = self.client.find(Locator::Css(selector)).await;
        let element = element.unwrap_or_else(|error| panic!("{selector}: {error}"));
        let (left, top, width, height) = element.rectangle().await.expect("it is shown");
        let (x, y) = ((left + width / 2.0) as i64, (top + height / 2.0) as i64);
        self.pointer(
            &[(x, y), (x + right / 2, y + down / 2), (x + right, y + down)],
            true,
        )
        .await;
    }

    /// Moves the pointer to each point; with `hold`, the button is pressed at the first and released at the last, otherwise
    /// it is clicked at each.
    async fn pointer(&self, points: &[(i64, i64)], hold: bool) {
        let press = PointerAction::Down {
            button: MOUSE_BUTTON_LEFT,
        };
        let release = PointerAction::Up {
            button: MOUSE_BUTTON_LEFT,
        };
        let mut actions = MouseActions::new("mouse".to_owned());
        for (index, &(x, y)) in points.iter().enumerate() {
            actions = actions.then(PointerAction::MoveTo {
                duration: STEP,
                x: x as f64,
                y: y as f64,
            });
            if !hold || index == 0 {
                actions = actions.then(press.clone());
            }
            if !hold || index + 1 == points.len() {
                actions = actions.then(release.clone());
            }
        }
        self.client.perform_actions(actions).await.expect("moved");
    }

    /// Clicks the first shown button with this text.
    pub async fn click(&self, text: &str) {
        let script = format!(
            "const button = [...document.querySelectorAll('button, a.button')]
                 .find((one) => one.textContent.trim().startsWith('{text}') && one.checkVisibility() && !one.disabled);
             button?.click();
             return Boolean(button);"
        );
        self.wait(&format!("the button {text}"), &script).await;
    }

    /// The number that a script returns.
    pub async fn number(&self, script: &str) -> f64 {
        let found = self.client.execute(script, Vec::new()).await;
        found.expect("it runs").as_f64().expect("a number")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threshold_is_dragged_saved_in_effect_and_undone() {
    require!(onnx_runtime());
    let page = PageSite::new();
    let daemon = page.start_with_verdicts().await;
    let text = fs::read_to_string(page.site.path("inspectd.toml")).expect("the configuration");
    let browser = page.browser().await;
    browser.open(&page.url("/tuning?camera=good")).await;
    let ready =
        "return Boolean(document.querySelector('[role=slider]')?.getAttribute('aria-valuenow'))";
    browser.wait("the threshold line", ready).await;
    let now =
        "return Number(document.querySelector('[role=slider]').getAttribute('aria-valuenow'))";
    let before = browser.number(now).await;
    assert!((before - 0.6).abs() < 1e-6, "{before}");
    browser.drag("[role=slider]", -40, 0).await;
    let dragged = browser.number(now).await;
    assert!(dragged < before, "{dragged}");
    assert_eq!(browser.violations().await, [""; 0]);
    // Below every score.
    browser.drag("[role=slider]", -2, 0).await;
    browser.press("\u{e011}").await;
    let lowest = browser.number(now).await;
    assert!(lowest < 0.39, "{lowest}");
    browser.click("Save").await;
    browser.click("Save threshold").await;
    let undo = "return [...document.querySelectorAll('button')].some((one) => one.textContent === 'Undo' && one.checkVisibility())";
    browser.wait("that it is saved", undo).await;
    assert_eq!(browser.violations().await, [""; 0]);
    let mut verdicts = daemon.verdicts().await;
    verdicts
        .until(|verdict| verdict.camera_id == "good" && verdict.decision() == Decision::Reject)
        .await;
    let saved = fs::read_to_string(page.site.path("inspectd.toml")).expect("the configuration");
    assert_ne!(saved, text);
    browser.click("Undo").await;
    verdicts
        .until(|verdict| verdict.camera_id == "good" && verdict.decision() == Decision::Pass)
        .await;
    let undone = fs::read_to_string(page.site.path("inspectd.toml")).expect("the configuration");
    assert_eq!(undone, text);
    let history = "return document.body.textContent.includes('cameras.good.threshold')";
    browser.wait("the history", history).await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn region_is_drawn_saved_and_judged_by() {
    require!(onnx_runtime());
    let text = "# Both cameras.\nproduct = \"Grey\"\nversion = \"1\"\nbundle = \"../bundle\"\nthreshold = 0.99\n";
    let page = with_recipe(text);
    let daemon = page.start_with_verdicts().await;
    let browser = page.browser().await;
    browser.open(&page.url("/recipes")).await;
    let listed =
        "return document.querySelector('table.recipes tbody')?.textContent.includes('grey')";
    browser.wait("the recipe", listed).await;
    assert_eq!(browser.violations().await, [""; 0]);
    browser.open(&page.url("/recipes/grey")).await;
    let picture = "return [...document.querySelectorAll('.stage img, .stage canvas')].length > 0
                   && document.querySelector('svg.polygons')?.clientWidth > 100";
    browser.wait("the reference picture", picture).await;
    assert_eq!(browser.violations().await, [""; 0]);
    browser.click("Draw region").await;
    let side = |name: &str| {
        format!("return document.querySelector('svg.polygons').getBoundingClientRect().{name}")
    };
    let left = browser.number(&side("left")).await;
    let top = browser.number(&side("top")).await;
    let width = browser.number(&side("width")).await;
    let height = browser.number(&side("height")).await;
    let at = |x: f64, y: f64| ((left + x * width) as i64, (top + y * height) as i64);
    // The first corner again closes the polygon.
    let corners = [
        at(0.1, 0.1),
        at(0.9, 0.1),
        at(0.9, 0.9),
        at(0.1, 0.9),
        at(0.1, 0.1),
    ];
    browser.pointer(&corners, false).await;
    let drawn = "return document.querySelectorAll('svg.polygons g.area').length === 1";
    browser.wait("the region", drawn).await;
    let threshold = "const field = [...document.querySelectorAll('.area-form label')]
            .find((one) => one.textContent.trim().startsWith('Threshold'));
        const input = field && (field.querySelector('input') ?? document.getElementById(field.htmlFor));
        input?.focus();
        return Boolean(input);";
    browser.wait("the form of the region", threshold).await;
    browser.press("0.2").await;
    browser
        .client
        .execute("document.activeElement.blur()", Vec::new())
        .await
        .expect("left");
    let saved = "return document.querySelector('.action-result')?.textContent.length > 0";
    let enabled = "const save = [...document.querySelectorAll('button')].find((one) => one.textContent.trim() === 'Save and activate');
                   return save && !save.disabled";
    browser.wait("a valid recipe", enabled).await;
    assert_eq!(browser.violations().await, [""; 0]);
    browser.click("Save and activate").await;
    browser.wait("that it is saved", saved).await;
    // The pictures of this camera have 0.39 and 0.43.
    let mut verdicts = daemon.verdicts().await;
    let verdict = verdicts
        .until(|verdict| verdict.camera_id == "good" && verdict.decision() == Decision::Reject)
        .await;
    let score = verdict.score.expect("a score");
    assert!(!score.decided_by.is_empty(), "{score:?}");
    let written = fs::read_to_string(page.site.path("recipes/grey.toml")).expect("the recipe");
    assert!(written.starts_with(text.trim_end()), "{written}");
    assert!(
        written.contains("[[regions]]") && written.contains("threshold = 0.2\n"),
        "{written}"
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn camera_is_seen_paused_and_resumed() {
    require!(onnx_runtime());
    let page = PageSite::new();
    let daemon = page.start_with_verdicts().await;
    let browser = page.browser().await;
    browser.open(&page.url("/cameras?camera=good")).await;
    let view = "const canvas = document.querySelector('main canvas');
                return Boolean(canvas && canvas.width > 0) && document.querySelector('main').textContent.includes('black')";
    browser.wait("the view", view).await;
    assert_eq!(browser.violations().await, [""; 0]);
    browser.click("Pause camera").await;
    let paused = daemon
        .status_when("paused", |status| {
            camera(status, "good").state() == CameraState::Paused
        })
        .await;
    assert!(
        !camera(&paused, "good")
            .pause
            .as_ref()
            .expect("set")
            .who
            .is_empty()
    );
    let word = "return document.querySelector('main').textContent.toLowerCase().includes('paused')";
    browser.wait("the state", word).await;
    assert_eq!(browser.violations().await, [""; 0]);
    browser.click("Resume").await;
    daemon
        .status_when("running", |status| {
            camera(status, "good").state() == CameraState::Running
        })
        .await;
    browser.wait("the view", view).await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_shows_the_counts_of_the_journal_and_offers_them_as_files() {
    require!(onnx_runtime());
    let text = "product = \"Grey\"\nversion = \"1\"\nbundle = \"../bundle\"\n";
    let page = with_recipe(text);
    let daemon = page.start_with_verdicts().await;
    let mut recipes = RecipeServiceClient::new(daemon.channel().await);
    let activate = ActivateRecipeRequest {
        id: "grey".to_owned(),
    };
    recipes.activate_recipe(activate).await.expect("valid");
    let browser = page.browser().await;
    browser.open(&page.url("/report")).await;
    let shown = "const text = document.querySelector('main').textContent;
                 return text.includes('Yield') && text.includes('grey') && document.querySelectorAll('main svg').length > 0";
    browser.wait("the report", shown).await;
    assert_eq!(browser.violations().await, [""; 0]);
    let csv = ureq::get(page.url("/report.csv")).call();
    let csv = csv
        .expect("a file")
        .body_mut()
        .read_to_string()
        .expect("text");
    assert!(
        csv.starts_with("section,name,id,metric,value,unit"),
        "{csv}"
    );
    let json = ureq::get(page.url("/report.json")).call();
    let json = json
        .expect("a file")
        .body_mut()
        .read_to_string()
        .expect("text");
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let parts = &report["report"]["parts"];
    assert!(
        parts["pass"].as_u64() > Some(3) && parts["reject"].as_u64() > Some(3),
        "{report}"
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outline_is_drawn_and_the_dataset_offered() {
    require!(onnx_runtime());
    let page = PageSite::new();
    page.site.configure(
        "[journal]\nfolder = \"journal\"\n[evidence]\npass_every = 1\n",
        CAMERAS,
    );
    let daemon = page.start_with_verdicts().await;
    let mut verdicts = daemon.verdicts().await;
    let rejected = verdicts
        .until(|verdict| verdict.camera_id == "bad" && verdict.decision() == Decision::Reject)
        .await;
    let browser = page.browser().await;
    let path = format!("/verdicts/{}", rejected.sequence);
    browser.open(&page.url(&path)).await;
    let ready = "return document.querySelector('.label-now')?.textContent.includes('No label')
                 && [...document.querySelectorAll('main img')].some((image) => image.naturalWidth > 0)";
    browser
        .wait("the picture and the label section", ready)
        .await;
    browser.press("o").await;
    let drawing = "return document.body.textContent.includes('Complete')";
    browser.wait("the tool", drawing).await;
    // Corners with the keyboard: Space, arrows, Enter.
    let (right, down) = ("\u{e014}".repeat(10), "\u{e015}".repeat(10));
    browser.press(&format!(" {right} {down} \u{e007}")).await;
    let saved = "return document.querySelector('.label-card').textContent.includes('Outline 1')";
    browser.wait("the outline", saved).await;
    assert_eq!(browser.violations().await, [""; 0]);
    // The page shows the outline while it is sent.
    wait("the label", || {
        let listed = run(inspectctl(&daemon).args(["label", "list"]), 0).stdout();
        listed.contains("defective")
    });

    browser.open(&page.url("/verdicts")).await;
    let button = "return document.querySelectorAll('table tbody tr').length > 3";
    browser.wait("the table", button).await;
    browser.click("Export dataset").await;
    let select = "const select = [...document.querySelectorAll('select')]
            .filter((one) => one.checkVisibility() && [...one.options].some((option) => option.value === 'bad')).at(-1);
        select.value = 'bad';
        select.dispatchEvent(new Event('change', { bubbles: true }));
        return Boolean(document.querySelector('a[href*=\"/dataset.tar?camera=bad\"]'));";
    browser.wait("the link", select).await;
    assert_eq!(browser.violations().await, [""; 0]);
    let mut archive = Vec::new();
    let answer = ureq::get(page.url("/dataset.tar?camera=bad")).call();
    let mut answer = answer.expect("an archive");
    answer
        .body_mut()
        .as_reader()
        .read_to_end(&mut archive)
        .expect("it is complete");
    let mut archive = tar::Archive::new(archive.as_slice());
    let paths: Vec<String> = archive
        .entries()
        .expect("an archive")
        .map(|entry| {
            entry
                .expect("an entry")
                .path()
                .expect("a path")
                .display()
                .to_string()
        })
        .collect();
    let name = format!("{:09}", rejected.sequence);
    assert!(
        paths
            .iter()
            .any(|path| path.starts_with(&format!("test/defect/{name}"))),
        "{paths:?}"
    );
    assert!(
        paths.contains(&format!("ground_truth/defect/{name}_mask.png")),
        "{paths:?}"
    );
    daemon.stop();
}
