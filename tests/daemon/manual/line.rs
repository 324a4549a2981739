//! The line next to which the commands of the manual run: a daemon with the demonstration model and rendered parts.
//!
//! It has what the pages name: the cameras `top` and `left`, the group `cell`, the recipe `juice`, the bundles
//! `juice-7` and `juice-8`, a challenge, and more than 47 verdicts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use inspectd_simulator::{Defect, ProductionLine};
use inspectd_test_support::project_root;
use tempfile::TempDir;

use crate::harness::{Daemon, inspectctl};

/// Side of the rendered frames, pixels: the input of the model.
const SIDE: u32 = 256;

/// The newest sequence before commands run; the pages name verdict 47.
const VERDICTS: u64 = 50;

/// Time for a block of commands, seconds: a fit on a busy machine.
const LIMIT_S: &str = "600";

/// Cameras, and the parts of a group, which wait for a busy machine.
const TABLES: &str = r#"
[parts]
window_ms = 60000

[cameras.left]
source = "simulator"
seed = 7
defect_rate = 0.2
prerender = 20
fps = 5

[cameras.top]
source = "simulator"
seed = 8
defect_rate = 0
fps = 10
mode = "requested"

[cameras.front]
source = "simulator"
seed = 9
defect_rate = 0
fps = 10
mode = "requested"
group = "cell"

[cameras.back]
source = "simulator"
seed = 10
defect_rate = 0
fps = 10
mode = "requested"
group = "cell"
"#;

const RECIPE: &str = r#"product = "Juice"
version = "1"
bundle = "../bundles/juice"

[[regions]]
name = "pin-row"
polygon = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]]
"#;

/// A folder in which commands run, with the paths of an installation in it.
pub struct Place {
    root: TempDir,
}

impl Place {
    /// An empty working folder.
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(root.path().join("work")).expect("a folder");
        Self { root }
    }

    /// The working folder of the commands.
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Renders `photographs` of good parts and `defective` parts.
    pub fn photographs(&self) {
        render(&self.work().join("photographs"), 0..12, &[]);
        render(&self.work().join("defective"), 20..22, &[Defect::Scratch]);
    }

    /// A shell that runs a script of the manual: the paths of an installation are below the folder.
    pub fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", LIMIT_S, "bash", "-c"])
            .arg(format!("set -euo pipefail\n{}", self.translated(script)));
        self.prepare(&mut command);
        command
    }

    /// A shell that runs one command, which is interrupted after some seconds as by Ctrl-C.
    pub fn interrupted(&self, command_line: &str) -> Command {
        let mut command = Command::new("timeout");
        command
            .args(["--preserve-status", "--signal=INT", "--kill-after=20", "4"])
            .args(["bash", "-c", &self.translated(command_line)]);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        let programs = inspectctl().parent().expect("a folder").display();
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(self.work())
            .env("PATH", format!("{programs}:{path}"))
            .env("HOME", self.root.path());
    }

    fn translated(&self, script: &str) -> String {
        let root = self.root.path().display().to_string();
        ["/var/lib/inspectd", "/etc/inspectd", "/run/inspectd"]
            .iter()
            .fold(script.to_owned(), |script, path| {
                script.replace(path, &format!("{root}{path}"))
            })
    }
}

/// A daemon with its folder.
pub struct Line {
    place: Place,
    daemon: Daemon,
}

impl Line {
    /// Starts the daemon and waits for its verdicts.
    pub fn start() -> Self {
        let place = Place::new();
        let state = place.path("var/lib/inspectd");
        for bundle in ["bundles/juice", "bundles/juice-8"] {
            copy_model(&state.join(bundle));
        }
        copy_model(&place.work().join("bundles/juice-7"));
        let recipe = RECIPE.replace("../bundles/juice", "bundles/juice-7");
        fs::write(place.work().join("new.toml"), recipe).expect("written");
        render(&place.work(), 50..51, &[]);
        fs::rename(place.work().join("050.png"), place.work().join("part.png")).expect("renamed");
        fs::create_dir_all(place.path("run/inspectd")).expect("a folder");
        fs::create_dir_all(place.path("etc/inspectd/conf.d")).expect("a folder");
        fs::create_dir_all(state.join("recipes")).expect("a folder");
        fs::write(state.join("recipes/juice.toml"), RECIPE).expect("written");
        render(&state.join("challenge/good"), 30..32, &[]);
        render(&state.join("challenge/missing"), 40..41, &[Defect::Missing]);
        let file = place.path("etc/inspectd/inspectd.toml");
        fs::write(&file, configuration(&place)).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd"));
        command.arg("--config").arg(&file);
        let daemon = Daemon::spawn(command.env("INSPECTD__ENGINE__THREADS", "1"));
        daemon.wait_for_log("\"message\":\"ready\"");
        let line = Self { place, daemon };
        line.wait_for_verdicts();
        line
    }

    /// Waits for the verdicts that the pages name, longer than the harness does: several lines run on a busy machine.
    fn wait_for_verdicts(&self) {
        let end = Instant::now() + Duration::from_mins(10);
        while self.newest() < VERDICTS {
            assert!(
                Instant::now() < end,
                "no {VERDICTS} verdicts in ten minutes"
            );
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    fn newest(&self) -> u64 {
        let output = self
            .shell("inspectctl status --json")
            .output()
            .expect("bash");
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        status["sequence"].as_u64().unwrap_or_default()
    }

    /// A shell that runs a script of the manual.
    pub fn shell(&self, script: &str) -> Command {
        self.connected(self.place.shell(&self.addressed(script)))
    }

    /// A shell that runs one command until it is interrupted.
    pub fn interrupted(&self, command_line: &str) -> Command {
        self.connected(self.place.interrupted(&self.addressed(command_line)))
    }

    fn connected(&self, mut command: Command) -> Command {
        let server = self.daemon.address("server.listen");
        command.env("INSPECTD_SERVER", format!("http://{server}"));
        command
    }

    /// The script with the ports of this daemon.
    fn addressed(&self, script: &str) -> String {
        let default_ports = [
            ("127.0.0.1:50051", "server.listen"),
            ("127.0.0.1:9464", "server.metrics_listen"),
            ("127.0.0.1:8080", "server.page_listen"),
        ];
        default_ports
            .iter()
            .fold(script.to_owned(), |script, (port, key)| {
                if script.contains(port) {
                    script.replace(port, &self.daemon.address(key))
                } else {
                    script
                }
            })
    }
}

fn configuration(place: &Place) -> String {
    let root = place.root.path().display();
    format!(
        r#"[server]
listen = "127.0.0.1:0"
metrics_listen = "127.0.0.1:0"
page_listen = "127.0.0.1:0"
unix_socket = "{root}/run/inspectd/inspectd.sock"
lookout_socket = "{root}/run/inspectd/lookout.sock"
[model]
bundle = "{root}/var/lib/inspectd/bundles/juice"
[journal]
folder = "{root}/var/lib/inspectd/journal"
stall_timeout_s = 60
[evidence]
pass_every = 1
[recipes]
folder = "{root}/var/lib/inspectd/recipes"
[challenge]
folder = "{root}/var/lib/inspectd/challenge"
[shadow]
bundle = "{root}/var/lib/inspectd/bundles/juice-8"
[log]
format = "json"
{TABLES}"#
    )
}

/// Copies the demonstration model.
fn copy_model(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    for name in ["manifest.toml", "model.onnx"] {
        let from = project_root().join("models/demo").join(name);
        fs::copy(from, folder.join(name)).expect("a file of the demonstration model");
    }
}

/// Renders parts with the same defects into a folder.
fn render(folder: &Path, parts: std::ops::Range<u64>, defects: &[Defect]) {
    fs::create_dir_all(folder).expect("a folder");
    let line = ProductionLine::new(2026);
    for part in parts {
        let frame = line.part(part, defects).render(SIDE, SIDE);
        let (width, height) = (frame.width(), frame.height());
        let picture = image::RgbImage::from_raw(width, height, frame.into_rgb());
        let picture = picture.expect("three bytes for each pixel");
        picture
            .save(folder.join(format!("{part:03}.png")))
            .expect("a picture");
    }
}
