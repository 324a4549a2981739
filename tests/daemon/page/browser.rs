//! Chromium, driven over WebDriver.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::wd::WindowHandle;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::Pid;
use serde_json::{Value, json};

use crate::harness::PATIENCE;

/// The part of axe-core's result that names what is wrong.
const AXE: &str = "const done = arguments[arguments.length - 1];
axe.run().then((result) => done(result.violations.map((one) => one.id + ': ' + one.nodes[0].html)));";

/// The address and the text of a page.
const PAGE: &str = "return location.href + ': ' + document.body?.innerText;";

/// A browser with one window. It ends when this is dropped.
pub struct Browser {
    driver: Child,
    /// The argument that all of its processes have.
    profile: String,
    /// The window.
    pub client: Client,
}

impl Browser {
    /// Starts the driver and the browser, whose profile is in `folder`.
    pub async fn start(folder: &Path) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed");
        let output = driver.stdout.take().expect("piped");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let port: u16 = lines
            .find_map(|line| {
                let port = line.rsplit_once("started successfully on port ")?.1;
                port.trim_end_matches('.').parse().ok()
            })
            .expect("the driver names its port");
        let profile = format!("--user-data-dir={}", folder.display());
        let capabilities = json!({
            // Checks of axe-core take long on a busy machine.
            "timeouts": { "script": PATIENCE.as_millis() as u64 },
            "goog:chromeOptions": {
                "args": [
                    "--headless=new",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-dev-shm-usage",
                    "--window-size=1280,960",
                    // Each address is a site with a process and connections of its own, as the browser of another person.
                    "--host-resolver-rules=MAP 127.0.0.* 127.0.0.1",
                    &profile,
                ],
            },
        });
        let Value::Object(capabilities) = capabilities else {
            unreachable!("it is an object");
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a browser");
        Self {
            driver,
            profile,
            client,
        }
    }

    /// Opens a page.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.expect("a page");
    }

    /// Opens a page in a window of its own, which is visible as the others are.
    pub async fn open_window(&self, url: &str) -> WindowHandle {
        let window = self.client.new_window(false).await;
        let window = window.expect("a window").handle;
        self.switch_to(&window).await;
        let resized = self.client.set_window_size(1280, 960).await;
        resized.expect("a window has a size");
        self.open(url).await;
        window
    }

    /// Makes a window the present one.
    pub async fn switch_to(&self, window: &WindowHandle) {
        let switched = self.client.switch_to_window(window.clone()).await;
        switched.expect("the window is open");
    }

    /// Sets the size of the page, which is that of the window without its frame, pixels.
    pub async fn resize(&self, width: u32, height: u32) {
        let frame = "return [outerWidth - innerWidth, outerHeight - innerHeight]";
        let frame = self.client.execute(frame, Vec::new()).await;
        let frame: [u32; 2] =
            serde_json::from_value(frame.expect("it runs")).expect("two whole numbers");
        let resized = self
            .client
            .set_window_size(width + frame[0], height + frame[1]);
        resized.await.expect("a window has a size");
    }

    /// Waits for an element and returns its text.
    pub async fn text(&self, selector: &str) -> String {
        let element = self
            .client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::Css(selector))
            .await
            .unwrap_or_else(|error| panic!("{selector}: {error}"));
        element.text().await.unwrap_or_default()
    }

    /// Types into the element that has the focus.
    pub async fn press(&self, keys: &str) {
        let element = self.client.active_element().await.expect("an element");
        element.send_keys(keys).await.expect("typed");
    }

    /// Replaces the text of a field.
    pub async fn fill(&self, selector: &str, text: &str) {
        let field = self.client.find(Locator::Css(selector)).await;
        let field = field.unwrap_or_else(|error| panic!("{selector}: {error}"));
        field.clear().await.expect("a field");
        field.send_keys(text).await.expect("typed");
    }

    /// Clicks an element, also one that lies outside the window.
    pub async fn click_element(&self, selector: &str) {
        let script = format!("document.querySelector({selector:?}).click()");
        let clicked = self.client.execute(&script, Vec::new()).await;
        clicked.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Waits until a script returns true.
    pub async fn wait(&self, what: &str, script: &str) {
        let begun = tokio::time::Instant::now();
        loop {
            let found = self.client.execute(script, Vec::new()).await;
            if found.as_ref().is_ok_and(|found| *found == true) {
                return;
            }
            if begun.elapsed() > PATIENCE {
                let page = self.client.execute(PAGE, Vec::new()).await;
                panic!("timed out waiting for {what}: {found:?}; the page: {page:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What axe-core finds on the present page.
    pub async fn violations(&self) -> Vec<String> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/.tools/axe/axe.min.js");
        let axe =
            fs::read_to_string(path).expect("`scripts/setup.sh browser` has installed axe-core");
        self.client
            .execute(&axe, Vec::new())
            .await
            .expect("axe-core loads");
        let found = self.client.execute_async(AXE, Vec::new()).await;
        serde_json::from_value(found.expect("axe-core runs")).expect("texts")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        // The driver does not end its browser, whose processes would take the CPU from the following tests.
        for process in processes_with(&self.profile) {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        }
    }
}

/// The processes with this argument.
fn processes_with(argument: &str) -> Vec<Pid> {
    let has = |process: &fs::DirEntry| {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let mut arguments = command.split(|byte| *byte == 0);
        arguments.any(|one| one == argument.as_bytes())
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter(has).filter_map(|process| {
        let id = process.file_name().to_str()?.parse().ok()?;
        Pid::from_raw(id)
    });
    ids.collect()
}
